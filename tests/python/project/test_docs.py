"""The documents: their code runs or compiles, their commands exist, their links lead somewhere.

Python blocks of a document run in order in one process, C and C++ blocks with a main() are linked
with the library that is tested, and CMake blocks build or configure a project. Blocks that need a
framework or a GPU that is not there are left out. Commands of the shell are recognised, not run.
"""

import ast
import functools
import importlib.util
import inspect
import itertools
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import groupgemm_fp8
from groupgemm_fp8 import _library
from groupgemm_fp8._cli import CommandError, build
from numeric import documents
from numeric.process import REPOSITORY, run_python
from numeric.runner import HOST_BACKENDS

DOCUMENTS = documents.documents()
HEADERS = REPOSITORY / "cpp" / "include"
CUDA = Path("/usr/local/cuda")
COMPILERS = {
    "c": ["cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"],
    "cpp": ["c++", "-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror"],
}


def names(paths):
    return [str(path.relative_to(REPOSITORY)) for path in paths]


def has_gpu() -> bool:
    return groupgemm_fp8.device_count("cuda") > 0


def missing_module(block) -> str | None:
    """A module that the block imports and this machine cannot use."""
    for node in ast.walk(ast.parse(block.text)):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module] if isinstance(node, ast.ImportFrom) else []
        for name in imported:
            root = name.partition(".")[2] if name.startswith("groupgemm_fp8.") else name
            root = root.partition(".")[0]
            if importlib.util.find_spec(root) is None or (root == "cupy" and not has_gpu()):
                return root
    return None


PYTHON_BLOCKS = documents.blocks("python")
PYTHON_DOCUMENTS = sorted({block.document for block in PYTHON_BLOCKS})


# A name that blocks read and a reader has already, and code that makes something of that kind.
GIVEN = {
    "model.": "import fp8_models\nmodel = fp8_models.make_models('qwen3_moe', 'cpu')[1]\n",
}


def statement(block) -> str:
    """Python that runs the block; a traceback has the block's place in its document."""
    given = "".join(code for name, code in GIVEN.items() if f"\n{name}" in block.text)
    text = "\n" * (block.line - 1) + block.text
    return f"{given}exec(compile({text!r}, {str(block.document)!r}, 'exec'))\n"


def run_blocks(blocks, folder: Path):
    """Runs Python blocks one after the other in one process."""
    program = folder / "blocks.py"
    program.write_text("".join(map(statement, blocks)))
    run_python(str(program), timeout=300, JAX_PLATFORMS="cpu" if not has_gpu() else "")


@pytest.mark.parametrize("path", PYTHON_DOCUMENTS, ids=names(PYTHON_DOCUMENTS))
def test_python_blocks_run(path, tmp_path):
    chosen = [block for block in PYTHON_BLOCKS if block.document == path]
    missing, previous = {}, None
    for block in chosen:  # one without imports goes on with the block before it
        previous = missing_module(block) if "import " in block.text else previous
        missing[block.place] = previous
    runnable = [block for block in chosen if missing[block.place] is None]
    run_blocks(runnable, tmp_path)
    if not runnable:
        needed = dict.fromkeys(filter(None, missing.values()))
        pytest.skip(f"{path.name} needs {', '.join(needed)}")


def compile_block(block, folder: Path) -> Path | None:
    """The block's program, or None if it is no whole program."""
    source = folder / f"block.{block.language}"
    source.write_text(block.text)
    command = [*COMPILERS[block.language], f"-I{HEADERS}", str(source)]
    if "cuda_runtime" in block.text:
        command += ["-isystem", str(CUDA / "include")]
    if "int main(" not in block.text:
        run(*command, "-c", "-o", str(folder / "block.o"))
        return None
    program = folder / "block"
    library = Path(_library.load()._name).resolve()
    command += [str(library), f"-Wl,-rpath,{library.parent}"]
    if "cuda_runtime" in block.text:
        command += [f"-L{CUDA / 'lib64'}", "-lcudart", f"-Wl,-rpath,{CUDA / 'lib64'}"]
    run(*command, "-o", str(program))
    return program


def run(*command) -> str:
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, f"{shlex.join(command)}\n{process.stdout}{process.stderr}"
    return process.stdout


C_BLOCKS = [*documents.blocks("c"), *documents.blocks("cpp")]


@pytest.mark.parametrize("block", C_BLOCKS, ids=[block.place for block in C_BLOCKS])
def test_c_blocks_compile_and_run(block, tmp_path):
    if shutil.which(COMPILERS[block.language][0]) is None:
        pytest.skip("there is no C or C++ compiler")
    needs_cuda = "cuda_runtime" in block.text
    parts = [CUDA / "include" / "cuda_runtime_api.h", CUDA / "lib64" / "libcudart.so"]
    if needs_cuda and not all(part.exists() for part in parts):
        pytest.skip(f"{CUDA} has no CUDA runtime to compile with")
    program = compile_block(block, tmp_path)
    if program is None or (needs_cuda and not has_gpu()):
        return
    printed = run(str(program))
    # The comment beside a program's printing has what it prints.
    wanted = re.search(r"(?:/\*|//) prints: (.*?)(?: \*/|$)", block.text, re.M)
    assert wanted is None or printed.strip() == wanted[1]


CMAKE_BLOCKS = documents.blocks("cmake")
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(uses_it LANGUAGES C CXX)
add_executable(program program.c)
"""


def build_project(block, folder: Path):
    """Configures a project that ends with the block; one that uses an installed copy is built."""
    programs = [x.text for x in documents.blocks("c") if "GGFP8_DEVICE_CPU" in x.text]
    (folder / "program.c").write_text(programs[0])
    (folder / "CMakeLists.txt").write_text(PROJECT + block.text)
    (folder / "groupgemm_fp8").symlink_to(REPOSITORY)
    options = ["-DGGFP8_ENABLE_CUDA=OFF"]
    if "find_package" in block.text:
        options = [f"-Dgroupgemm_fp8_DIR={build.cmake_dir()}"]
    run("cmake", "-S", str(folder), "-B", str(folder / "build"), *options)
    if "find_package" in block.text:
        run("cmake", "--build", str(folder / "build"))
        run(str(folder / "build" / "program"))


@pytest.mark.parametrize("block", CMAKE_BLOCKS, ids=[block.place for block in CMAKE_BLOCKS])
def test_cmake_blocks_build_a_project(block, tmp_path):
    if shutil.which("cmake") is None:
        pytest.skip("CMake is not installed")
    try:
        build_project(block, tmp_path)
    except CommandError as error:
        pytest.skip(f"the library is not installed: {error}")


SHELL_BLOCKS = [*documents.blocks("sh"), *documents.inline_commands()]


def commands(block):
    """Simple commands of a block; continued lines are joined, variables before a command go."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        while words:
            end = words.index("&&") if "&&" in words else len(words)
            command, words = words[:end], words[end + 1 :]
            while command and re.match(r"^[A-Z0-9_]+=", command[0]):
                command = command[1:]
            yield command


def cmake_options() -> set[str]:
    text = "".join(path.read_text() for path in (REPOSITORY / "cmake").glob("*.cmake"))
    return set(re.findall(r"\bGGFP8_[A-Z0-9_]+", text))


@functools.cache
def help_of(command: str) -> str:
    return run_python("-m", "groupgemm_fp8", command, "--help")


def check_command(words):
    """Fails if a command names an option, file, preset or module that is not there."""
    written = {after for word, after in itertools.pairwise(words) if word == "--json"}
    for word in words:
        option = re.match(r"(?:-D|cmake\.define\.)(GGFP8_\w+)=", word)
        assert option is None or option[1] in cmake_options(), f"{option[1]} is no option"
        if re.match(r"^(\.ci|\.|tests|docs|python|cpp)/", word) and word not in written:
            assert (REPOSITORY / word.partition("::")[0]).exists(), f"{word} is not there"
    if "--preset" in words:
        presets = json.loads((REPOSITORY / "CMakePresets.json").read_text())["configurePresets"]
        assert words[words.index("--preset") + 1] in {preset["name"] for preset in presets}
    if words[1:3] == ["-m", "groupgemm_fp8"] and len(words) > 3:
        listed = help_of(words[3])
        for option in (word for word in words if word.startswith("--")):
            assert re.search(rf"{option}\b", listed), f"{words[3]} has no {option}"
    if words[0] == ".ci/run":
        steps = re.search(r"all_steps=\((.*)\)", (REPOSITORY / ".ci" / "run").read_text())
        assert set(words[1:]) <= set(steps[1].split())
    known = {"python", "cmake", "ctest", "cc", "export", "git", ".ci/run", "docker", "nvidia-smi"}
    known |= {"tests/gpu_sanitizer/run.sh", "./program", "torchrun", "cmake/build_release.py"}
    assert words[0] in known, f"{words[0]} is unknown to this test"


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=[block.place for block in SHELL_BLOCKS])
def test_shell_blocks_name_what_exists(block):
    for words in commands(block):
        if words:
            check_command(words)


def test_the_readme_installs_what_the_tests_need():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = {re.match(r"[\w-]+", text)[0] for text in project["optional-dependencies"]["test"]}
    lines = [words for block in SHELL_BLOCKS for words in commands(block)]
    assert any({*words[4:]} == wanted for words in lines if words[1:4] == ["-m", "pip", "install"])


def test_every_block_has_a_language():
    """A block of a language that no test knows would go unchecked."""
    for path in DOCUMENTS:
        fences = re.findall(r"^```(\S*)$", path.read_text(), re.M)[::2]
        assert set(fences) <= {"python", "c", "cpp", "sh", "cmake", "text"}, path


@pytest.mark.parametrize("path", DOCUMENTS, ids=names(DOCUMENTS))
def test_links_lead_somewhere(path):
    follow(path, documents.links(path))


def follow(path, targets):
    """Fails on a target that is not there; addresses of the web are left out."""
    for target in targets:
        if re.match(r"https?://", target):
            continue
        file_name, _, anchor = target.partition("#")
        file = (path.parent / file_name).resolve() if file_name else path
        assert file.exists(), f"{path.name}: {target}: there is no such file"
        if anchor:
            assert anchor in documents.anchors(file), f"{path.name}: {target}: no such heading"


CHECKS = {
    "python": lambda block, folder: run_blocks([block], folder),
    "c": compile_block,
    "cmake": build_project,
    "sh": lambda block, folder: [check_command(words) for words in commands(block)],
    "link": lambda block, folder: follow(block.document, [block.text]),
}


@pytest.mark.parametrize(
    "language, text",
    [
        ("python", "assert 1 + 1 == 3\n"),
        ("python", "from groupgemm_fp8 import no_such_name\n"),
        ("c", "int main(void) { return no_such_name; }\n"),
        ("cmake", "target_link_libraries(program PRIVATE no_such::library)\n"),
        ("sh", "python -m groupgemm_fp8 demo --no-such-option"),
        ("sh", "python -m pip install . && python -m pip install -C cmake.define.GGFP8_NO=OFF ."),
        ("sh", "python docs/no_such_file.py"),
        ("link", "docs/no_such_file.md"),
        ("link", "docs/python.md#no-such-heading"),
    ],
)
def test_a_broken_block_is_found(language, text, tmp_path):
    """Every check fails on a block that is wrong."""
    block = documents.Block(REPOSITORY / "README.md", 1, language, text)
    with pytest.raises(AssertionError):
        CHECKS[language](block, tmp_path)


def test_reference_has_every_public_name_and_parameter():
    text = (REPOSITORY / "docs" / "python.md").read_text()
    product = inspect.signature(groupgemm_fp8.group_gemm_fp8_nt_groupwise)
    for name in [*groupgemm_fp8.__all__, *product.parameters]:
        assert name == "__version__" or re.search(rf"`{name}\b", text), f"{name} is not described"


def test_reference_has_the_signature():
    product = groupgemm_fp8.group_gemm_fp8_nt_groupwise
    texts = [block.text for block in documents.blocks("text")]
    text = next(text for text in texts if text.startswith(f"{product.__name__}("))
    scope = {}
    exec(f"def {text.strip()}: pass", scope)
    documented = inspect.signature(scope[product.__name__]).parameters.values()
    actual = inspect.signature(product).parameters.values()
    assert [(p.name, p.kind, p.default) for p in documented] == [
        (p.name, p.kind, p.default) for p in actual
    ]


def test_reference_has_every_function_of_the_header():
    text = (REPOSITORY / "docs" / "c.md").read_text()
    for file in ("groupgemm_fp8.h", "moe.h"):
        header = (HEADERS / "groupgemm_fp8" / file).read_text()
        declared = set(re.findall(r"^GGFP8_API [^;]*?(ggfp8_\w+)\(", header, re.M))
        assert len(declared) == len(re.findall(r"^GGFP8_API ", header, re.M))
        for name in declared:
            assert f"`{name}`" in text, f"{name} is not described"


def calls_with_errors():
    """Calls that raise what docs/troubleshooting.md lists, without a GPU or a framework."""
    import small_problem

    product, arrays = groupgemm_fp8.group_gemm_fp8_nt_groupwise, small_problem.inputs()
    falling = arrays["m_indptr"][[1, 0, 2, 3]]
    return {
        "major": lambda: product(**arrays | {"a_scale": arrays["a_scale"].T}),
        "m_indptr": lambda: product(**arrays | {"m_indptr": falling}, validate=True),
        "bytes": lambda: product(**arrays | {"a": arrays["a"].view("uint8")}),
        "backend": lambda: product(**arrays, backend=groupgemm_fp8.backends()[0]),
    }


@pytest.mark.parametrize("name", ["major", "m_indptr", "bytes", "backend"])
def test_errors_read_as_the_document_has_them(name):
    if name == "backend" and groupgemm_fp8.backends()[0] in HOST_BACKENDS:
        pytest.skip("every backend of this build takes host arrays")
    text = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
    described = re.findall(r"^\| `([^`]+)` \|", text, re.M)
    # Numbers are those of the document's own example; dots stand for words that are left out.
    patterns = [
        re.sub(r"\d+", r"\\d+", re.escape(row).replace(r"\.\.\.", ".*")) for row in described
    ]
    with pytest.raises((TypeError, ValueError)) as error:
        calls_with_errors()[name]()
    assert any(re.match(pattern, str(error.value)) for pattern in patterns), error.value


EVIDENCE = {
    "executed": "yes",
    "partly": "in part",
    "inspected": "no: compiled and inspected",
    "compiled": "no: compiled",
}


@pytest.mark.parametrize("name", ["README.md", "docs/tested.md"])
def test_evidence_is_that_of_the_command_line(name):
    """Tables say of each backend and compute capability, or card, what `info` says."""
    known = REPOSITORY / "python" / "groupgemm_fp8" / "_cli" / "tested.json"
    rows = (REPOSITORY / name).read_text().splitlines()
    for entry in json.loads(known.read_text())["gpu_code"]:
        needed = [f"`{entry['backend']}`"]
        needed += entry["cards"] if entry["evidence"] in ("executed", "partly") else []
        for capability in filter(lambda text: text[0].isdigit(), entry["capabilities"]):
            about = [row for row in rows if all(word in row for word in [capability, *needed])]
            assert any(f"| {EVIDENCE[entry['evidence']]}" in row for row in about), entry
