"""Lines that a build prints about itself, and the bound of its memory: functions of cmake."""

import json
import re
import shutil
import subprocess

import pytest

from numeric.process import REPOSITORY

CMAKE = REPOSITORY / "cmake"
pytestmark = pytest.mark.skipif(shutil.which("cmake") is None, reason="CMake is not installed")


def run_cmake(*arguments):
    process = subprocess.run(
        ["cmake", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def run_script(folder, *lines):
    """Runs lines of CMake with the build's functions; returns what it printed."""
    script = folder / "script.cmake"
    included = [f'include("{CMAKE / name}.cmake")' for name in ("compile_jobs", "build_report")]
    script.write_text("\n".join(["cmake_minimum_required(VERSION 3.25)", *included, *lines]))
    return run_cmake("-P", script)


@pytest.mark.parametrize(
    "backends, said",
    [
        ("", "CPU only, without sm90, sm100, mma. For GPUs: GGFP8_ENABLE_CUDA=ON, with nvcc 13.0"),
        ("another", "CPU only, without sm90, sm100, mma. For GPUs: GGFP8_ENABLE_CUDA=ON, with"),
        ("sm90 mma", "sm90, mma, cpu, without sm100. For everything: no options, and nvcc 13.0"),
        ("sm100 sm90 mma", "everything (sm100, sm90, mma, cpu). For the CPU only: GGFP8_ENABLE_"),
    ],
)
def test_the_log_says_which_build_it_is(tmp_path, backends, said):
    printed = run_script(
        tmp_path, f"set_property(GLOBAL PROPERTY GGFP8_BACKENDS {backends})", "ggfp8_report_build()"
    )
    assert printed.startswith(f"-- groupgemm_fp8: this build: {said}")
    assert printed.count("\n") == 1


def test_a_build_without_cuda_says_so(tmp_path):
    options = ("-DGGFP8_ENABLE_CUDA=OFF", "-DGGFP8_BUILD_TESTS=OFF", "-DGGFP8_BUILD_EXAMPLES=OFF")
    printed = run_cmake("-S", REPOSITORY, "-B", tmp_path / "build", *options)
    assert printed.count("groupgemm_fp8: this build: CPU only, without sm90, sm100, mma.") == 1


LOG = """# ninja log v5
0\t90000\t5\tsrc/CMakeFiles/groupgemm_fp8_x.dir/a.cu.o\t1a
0\t40000\t5\tsrc/CMakeFiles/groupgemm_fp8_xy.dir/a.cu.o\t1b
10\t2010\t6\tsrc/CMakeFiles/groupgemm_fp8_x.dir/a.cu.o\t1c
20\t1520\t6\tsrc/CMakeFiles/groupgemm_fp8_x.dir/instances/b.cu.o\t1d
"""


def test_a_backend_has_a_line_with_its_time(tmp_path):
    log, stamp = tmp_path / ".ninja_log", tmp_path / "stamp"
    log.write_text(LOG)
    values = {"WHAT": "backend x", "TARGET": "groupgemm_fp8_x", "LOG": log, "STAMP": stamp}
    definitions = [word for name in values for word in ("-D", f"{name}={values[name]}")]
    script = ("-P", CMAKE / "print_compile_time.cmake")
    line = "-- groupgemm_fp8: backend x: compiled"
    assert run_cmake(*definitions, *script) == f"{line}, 2 files took 4 s\n"
    assert stamp.exists()
    log.unlink()  # as with another generator
    assert run_cmake(*definitions, *script) == f"{line}\n"


@pytest.mark.parametrize("architectures", [[], ["90a-real"], ["90a-real", "80-real"]])
def test_the_build_file_has_the_architectures(tmp_path, architectures):
    file = tmp_path / "build.json"
    names = " ".join(architectures)
    run_script(
        tmp_path,
        f"set_property(GLOBAL PROPERTY GGFP8_BUILT_ARCHITECTURES {names})",
        f"ggfp8_write_build_file({file})",
    )
    assert json.loads(file.read_text()) == {"architectures": architectures}


def test_jobs_fit_the_memory(tmp_path):
    sizes = (0, 3600, 5000, 16384, 131072)
    calls = [f"ggfp8_compile_jobs_for(jobs {size})\nmessage(STATUS ${{jobs}})" for size in sizes]
    jobs = [int(text) for text in re.findall(r"-- (\d+)", run_script(tmp_path, *calls))]
    assert jobs == [1, 1, 1, 16, 165]
    printed = run_script(tmp_path, "ggfp8_available_memory(memory)", "message(STATUS ${memory})")
    assert int(printed.removeprefix("-- ")) > 0
