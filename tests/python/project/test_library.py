"""Finding and checking the C library, the mirror of its header, workspace, threads."""

import ctypes
import ctypes.util
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import groupgemm_fp8
import small_problem
from described import read_back
from groupgemm_fp8 import _ffi, _ffi_moe, _library, group_gemm_fp8_nt_groupwise, ops
from groupgemm_fp8._frameworks import frameworks
from numeric.process import REPOSITORY, run_python
from small_problem import CUM_M, N, expected, same_bits

HEADERS = REPOSITORY / "cpp/include/groupgemm_fp8"


def load_again(monkeypatch, **environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return _library.load.__wrapped__()


def test_missing_library_lists_the_path(monkeypatch):
    with pytest.raises(ImportError, match=r"GGFP8_LIBRARY.*\n  /nowhere/lib.so: "):
        load_again(monkeypatch, GGFP8_LIBRARY="/nowhere/lib.so")


def test_all_places_are_listed(monkeypatch):
    monkeypatch.delenv("GGFP8_LIBRARY", raising=False)
    places = _library._candidates()
    assert places[0] == str(Path(groupgemm_fp8.__file__).parent / "libgroupgemm_fp8.so")
    assert places[-2:] == ["libgroupgemm_fp8.so.0", "libgroupgemm_fp8.so"]

    def refuse(path):
        raise OSError("no such file")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(ImportError) as caught:
        load_again(monkeypatch)
    assert all(f"  {place}: no such file" in str(caught.value) for place in places)


def test_another_library(monkeypatch):
    with pytest.raises(ImportError, match="ggfp8_version"):
        load_again(monkeypatch, GGFP8_LIBRARY=ctypes.util.find_library("c") or "libc.so.6")


class StandIn:
    """The library as the loader asks it, but for what some of its functions return."""

    def __init__(self, **results: int):
        real = _library.load()
        for name in (
            "ggfp8_version", "ggfp8_group_gemm_args_size", "ggfp8_group_gemm_options_size"
        ):  # fmt: skip
            result = results.get(name, getattr(real, name)())
            setattr(self, name, lambda result=result: result)


def load_stand_in(monkeypatch, **results: int):
    stand_in = StandIn(**results)
    monkeypatch.setattr(_ffi, "bind", lambda library: stand_in)
    monkeypatch.setattr(_ffi_moe, "bind", lambda library: library)
    return load_again(monkeypatch)


@pytest.mark.parametrize("version, ok", [(0, False), (99, False), (100, True), (10000, False)])
def test_version_is_checked(monkeypatch, version, ok):
    if ok:
        assert load_stand_in(monkeypatch, ggfp8_version=version).ggfp8_version() == version
    else:
        with pytest.raises(ImportError, match="got library version"):
            load_stand_in(monkeypatch, ggfp8_version=version)


@pytest.mark.parametrize(
    "struct, layout",
    [("ggfp8_group_gemm_args", _ffi.ARGS), ("ggfp8_group_gemm_options", _ffi.OPTIONS)],
)
def test_sizes_of_structs_are_checked(monkeypatch, struct, layout):
    """A later library may know more members than the package, but none may know fewer."""
    load_stand_in(monkeypatch, **{f"{struct}_size": layout.size + 8})
    wanted = f"{struct} has {layout.size - 8} bytes, wanted at least {layout.size}"
    with pytest.raises(ImportError, match=wanted):
        load_stand_in(monkeypatch, **{f"{struct}_size": layout.size - 8})


def test_version_of_the_package():
    library = _library.load()
    numbers = [int(number) for number in groupgemm_fp8.__version__.split(".")]
    assert library.ggfp8_version() >= numbers[0] * 10000 + numbers[1] * 100 + numbers[2]


def test_package_finds_its_own_library(tmp_path):
    """The way a wheel is laid out: the library lies inside the package."""
    package = tmp_path / "groupgemm_fp8"
    shutil.copytree(Path(groupgemm_fp8.__file__).parent, package, symlinks=True)
    shutil.copy(_library.load()._name, package / "libgroupgemm_fp8.so")
    code = "import groupgemm_fp8; from groupgemm_fp8 import _library; print(_library.load()._name)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == str(package / "libgroupgemm_fp8.so")


def test_installed_version():
    try:
        version = importlib.metadata.version("groupgemm_fp8")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the package runs from its sources")
    assert version == groupgemm_fp8.__version__


@pytest.fixture(scope="module")
def header():
    return read_header("groupgemm_fp8.h")


def read_header(name):
    """A header without its comments."""
    if not HEADERS.exists():
        pytest.skip("the sources are not there")
    return re.sub(r"/\*.*?\*/", "", (HEADERS / name).read_text(), flags=re.DOTALL)


def struct_members(header, name):
    body = re.search(rf"typedef struct {name} \{{(.*?)\}}", header, re.DOTALL).group(1)
    declarations = (line.strip() for line in body.split(";"))
    return [tuple(line.rsplit(None, 1)) for line in declarations if line]


@pytest.mark.parametrize(
    "fields, name",
    [
        (_ffi.ARGS_FIELDS, "ggfp8_group_gemm_args"),
        (_ffi.TENSOR_FIELDS, "ggfp8_tensor"),
        (_ffi.OPTIONS_FIELDS, "ggfp8_group_gemm_options"),
    ],
)
def test_packed_structs_mirror_the_header(header, fields, name):
    codes = {"size_t": "N", "int64_t": "q", "int32_t": "i", "uint32_t": "I"}
    codes |= {"uint8_t": "B", "uint16_t": "H", "uint64_t": "Q"}
    members = struct_members(header, name)
    wanted = tuple((name, "P" if "*" in kind else codes[kind]) for kind, name in members)
    assert wanted == fields


def test_sizes_of_structs():
    assert _library.load().ggfp8_group_gemm_args_size() == _ffi.ARGS.size
    assert _library.load().ggfp8_group_gemm_options_size() == _ffi.OPTIONS.size


@pytest.mark.parametrize(
    "structure, name",
    [(_ffi.PlanInfo, "ggfp8_plan_info"), (_ffi.DeviceInfo, "ggfp8_device_info")],
)
def test_info_structs_mirror_the_header(header, structure, name):
    types = {
        "size_t": ctypes.c_size_t,
        "const char*": ctypes.c_char_p,
        "int32_t": ctypes.c_int32,
        "int64_t": ctypes.c_int64,
        "char": ctypes.c_char * 256,
    }
    wanted = [(n.partition("[")[0], types[kind]) for kind, n in struct_members(header, name)]
    assert wanted == structure._fields_


def test_object_reader_mirrors_the_header(header):
    body = re.search(r"typedef struct ggfp8_object_reader \{(.*?)\} ggfp8", header, re.DOTALL)[1]
    members = [re.search(r"\(\*(\w+)\)|(\w+)$", line) for line in body.split(";")[:-1]]
    wanted = [(m[1] or m[2], ctypes.c_void_p if m[1] else ctypes.c_uint64) for m in members]
    assert wanted == _ffi.ObjectReader._fields_


def test_functions_and_constants_mirror_the_header(header):
    pattern = r"GGFP8_API [^;(]*?\b(ggfp8_\w+)\("
    assert re.findall(pattern, header) == list(_ffi.FUNCTIONS)
    assert re.findall(pattern, read_header("xla.h")) == list(_ffi.XLA_FUNCTIONS)
    values = dict(re.findall(r"#define GGFP8_(\w+) (\d+)u?\b", header))
    for name, value in vars(_ffi).items():
        is_ours = name in ("FIRST_SYSTEM_ERROR", "MAX_RANK", "TENSOR_BYTES")
        if name.isupper() and isinstance(value, int) and not is_ours:
            assert int(values[name]) == value, name


class WantsWorkspace:
    """The library with a backend that needs a workspace."""

    num_bytes = 1000

    def __init__(self):
        self.real = _library.load()
        self.calls = []

    def __getattr__(self, name):
        return getattr(self.real, name)

    def ggfp8_last_error(self):
        return b"workspace: too small"

    def ggfp8_group_gemm_workspace_size(self, args, num_bytes):
        num_bytes._obj.value = self.num_bytes
        return _ffi.SUCCESS

    def ggfp8_group_gemm_nt_groupwise_tensors(self, *arguments):
        *arrays, workspace, options, stream = arguments
        self.calls.append(read_back(workspace) if workspace else None)
        if self.calls[-1] is None or self.calls[-1].shape[0] < self.num_bytes:
            return _ffi.ERROR_INVALID_WORKSPACE
        product = self.real.ggfp8_group_gemm_nt_groupwise_tensors
        return product(*arrays, None, options, stream)


@pytest.fixture
def wants_workspace(monkeypatch):
    library = WantsWorkspace()
    monkeypatch.setattr(ops._library, "load", lambda: library)
    return library


def test_workspace_is_allocated_on_demand(wants_workspace):
    arrays = small_problem.inputs()
    assert same_bits(group_gemm_fp8_nt_groupwise(**arrays), expected(arrays))
    *first, last = wants_workspace.calls
    assert first == [None, None]  # by the fast part and by the one that makes a workspace
    assert last.shape == (1000 + 256,)  # with room for the alignment
    assert last.dtype == (1, 8, 1)


def test_given_workspace_is_passed_on(wants_workspace):
    arrays = small_problem.inputs()
    workspace = np.zeros(1000, np.uint8)
    group_gemm_fp8_nt_groupwise(**arrays, workspace=workspace)
    (space,) = wants_workspace.calls
    assert (space.data, space.shape) == (workspace.ctypes.data, (1000,))


def test_small_workspace_is_an_error(wants_workspace):
    with pytest.raises(ValueError, match="workspace: too small"):
        group_gemm_fp8_nt_groupwise(**small_problem.inputs(), workspace=np.zeros(999, np.uint8))
    assert len(wants_workspace.calls) == 1


def test_threads():
    """Concurrent calls on shared inputs, each with its own output and its own errors."""
    arrays = small_problem.inputs()
    wanted = expected(arrays, "float32")
    wrong = []

    def work(backend):
        out = np.zeros((CUM_M, N), np.float32)
        for i in range(200):
            out[:] = i
            group_gemm_fp8_nt_groupwise(**arrays, out=out, backend=backend)
            if not same_bits(out, wanted):
                wrong.append(i)
            try:
                group_gemm_fp8_nt_groupwise(**{**arrays, "a": arrays["a"][:, :8]}, out=out)
            except ValueError as error:
                if not str(error).startswith("a: got shape (6, 8), wanted"):
                    wrong.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in (None, "cpu", None, "cpu")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_framework_of_a_type_is_found_once():
    class Array(np.ndarray):
        pass

    assert Array not in frameworks
    array = np.zeros((2, 2), np.float32).view(Array)
    framework = frameworks[type(array)]
    assert framework is frameworks[Array]
    assert Array in frameworks


BUSY_AT_EXIT = """
import threading, time
import numpy as np
import small_problem
from groupgemm_fp8 import group_gemm_fp8_nt_groupwise
arrays = small_problem.inputs()
started = threading.Barrier(5)
def work():
    started.wait()
    while True:
        group_gemm_fp8_nt_groupwise(**arrays)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
started.wait()
time.sleep(0.05)
print("end")
"""


def test_interpreter_ends_while_daemon_threads_are_in_calls():
    for _ in range(4):
        assert run_python("-c", BUSY_AT_EXIT).strip() == "end"


# A framework whose objects are the addresses of tensors.
ADDRESSES = """
#include <groupgemm_fp8/groupgemm_fp8.h>
void* item(void* tuple, ptrdiff_t idx) { return ((void**)tuple)[idx]; }
int describe(void* object, ggfp8_tensor* tensor) { *tensor = *(ggfp8_tensor*)object; return 0; }
int current_stream(int device_type, int32_t device_id, void** stream) { return -1; }
"""

OBJECTS_AT_EXIT = """
import ctypes, sys, threading, time
import numpy as np
import small_problem
from groupgemm_fp8 import _ffi, _library
from groupgemm_fp8._call import Call
out = np.zeros((small_problem.CUM_M, small_problem.N), np.float32)
arrays = (*small_problem.inputs().values(), out)
call = Call(arrays)
objects = (ctypes.c_void_p * 6)(*(call.describe("x", x) for x in arrays))
framework = ctypes.CDLL(sys.argv[1])
def address(name):
    return ctypes.cast(framework[name], ctypes.c_void_p).value
reader = _ffi.ObjectReader(address("describe"), address("current_stream"), 0)
reader.item = address("item")
prototype = ctypes.PYFUNCTYPE(ctypes.c_int32, *(ctypes.c_void_p,) * 3)
run = prototype(("ggfp8_group_gemm_nt_groupwise_objects", _library.load()))
arguments = ctypes.addressof(reader), ctypes.addressof(objects), None
assert run(*arguments) == 0 and out.any()
started = threading.Barrier(5)
def work():
    started.wait()
    while True:
        run(*arguments)
for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
started.wait()
time.sleep(0.05)
print("end")
"""


def test_interpreter_ends_while_objects_are_in_calls(tmp_path):
    """Getting the lock back ends a daemon thread, which must not meet a frame that forbids it.

    PyTorch's own functions do forbid it, so that another framework stands here.
    """
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not HEADERS.exists():
        pytest.skip("no C compiler, or no sources")
    source, framework = tmp_path / "addresses.c", tmp_path / "addresses.so"
    source.write_text(ADDRESSES)
    options = ["-shared", "-fPIC", f"-I{HEADERS.parent}", "-o", str(framework)]
    subprocess.run([compiler, *options, str(source)], check=True)
    for _ in range(4):
        assert run_python("-c", OBJECTS_AT_EXIT, str(framework)).strip() == "end"
