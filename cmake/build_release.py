#!/usr/bin/env python3
"""Builds what is published: the sdist and one wheel per processor, into build/release/dist.

    cmake/build_release.py sdist
    cmake/build_release.py x86_64
    cmake/build_release.py aarch64            cross-compiled, on x86-64
    cmake/build_release.py x86_64 --cpu-only  a quick look at the packaging

A wheel is built from the unpacked sdist, serves every Python 3 and every glibc from 2.17 on, and is
checked before it is left in the folder. Each command needs Python, a C++20 compiler and the package
registry; nvcc 13.0 is taken from the machine or, for x86_64, from the registry. aarch64 needs
Debian's g++-aarch64-linux-gnu, and gets the toolkit's headers and libraries from the registry.
"""

import argparse
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import time
import venv
import zipfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "build" / "release"
DIST = OUTPUT / "dist"
GLIBC = "2.17"
NVCC_RELEASE = "13.0"
# The toolkit of the other processor: the release that NVCC_RELEASE has.
TOOLKIT_WHEELS = (
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-cuda-cccl==13.0.85",
)


def run(*command, **options):
    print("+", *command, flush=True)
    return subprocess.run(list(map(str, command)), check=True, **options)


def output_of(*command):
    return run(*command, capture_output=True, text=True).stdout


def tools():
    """The folder of programs of a virtual environment with the extras release and lint."""
    folder = OUTPUT / "venv"
    if not (folder / "bin" / "python").exists():
        venv.create(folder, with_pip=True)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = extras["optional-dependencies"]
    packages = extras["release"] + extras["lint"]
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages)
    return folder / "bin"


def environment(programs):
    """The environment of builds: times in archives are those of the commit, paths are left out."""
    variables = dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}")
    if "SOURCE_DATE_EPOCH" not in variables:
        variables["SOURCE_DATE_EPOCH"] = output_of(
            "git", "-C", ROOT, "log", "-1", "--format=%ct"
        ).strip()
    return variables


def build_sdist(variables):
    command = ["python", "-m", "build", "--sdist", "--outdir", str(DIST), str(ROOT)]
    run(*command, env=variables)
    return next(DIST.glob("*.tar.gz"))


def unpack(sdist):
    """The folder of the sources, at a path that does not depend on where the checkout is."""
    folder = OUTPUT / "sources"
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.iterdir())


def local_toolkit():
    """The root of the machine's CUDA toolkit."""
    nvcc = os.environ.get("CUDACXX") or shutil.which("nvcc")
    if nvcc is None:
        raise SystemExit(f"nvcc: got none on PATH, wanted release {NVCC_RELEASE}")
    release = re.search(r"release ([\d.]+)", output_of(nvcc, "--version"))[1]
    if release != NVCC_RELEASE:
        raise SystemExit(f"nvcc: got release {release}, wanted {NVCC_RELEASE}")
    report = run(nvcc, "--dryrun", "-c", "-x", "cu", os.devnull, capture_output=True, text=True)
    return Path(re.search(r"^#\$ TOP=(.*)$", report.stderr, re.MULTILINE)[1].strip()).resolve()


def cross_toolkit(python):
    """A CUDA toolkit with programs of this machine, and headers and libraries of aarch64."""
    local, root = local_toolkit(), OUTPUT / "cuda-aarch64"
    shutil.rmtree(root, ignore_errors=True)
    platform = ["--platform", "manylinux2014_aarch64", "--only-binary=:all:", "--no-deps"]
    run(python, "-m", "pip", "download", "--quiet", *platform, "--dest", root, *TOOLKIT_WHEELS)
    for wheel in root.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(root / "wheels")
    target = root / "targets" / "sbsa-linux"
    target.parent.mkdir()
    (root / "wheels" / "nvidia" / "cu13").rename(target)
    shutil.copy(local / "include" / "fatbinary_section.h", target / "include")
    (target / "lib64").symlink_to("lib")
    (target / "lib" / "libcudart.so").symlink_to("libcudart.so.13")
    # nvcc and CMake have different names for one folder.
    (target.parent / "aarch64-linux").symlink_to("sbsa-linux")
    shutil.copytree(local / "bin", root / "bin")
    (root / "nvvm").symlink_to(local / "nvvm")
    return root


def build_wheel(sources, processor, cpu_only, variables, python):
    """Builds a wheel with the platform tag of this machine into a folder of its own."""
    folder = OUTPUT / f"wheel-{processor}"
    shutil.rmtree(folder, ignore_errors=True)
    defines = {"GGFP8_GLIBC": GLIBC, "GGFP8_ENABLE_CUDA": "OFF" if cpu_only else "ON"}
    if not cpu_only:
        defines["GGFP8_ENABLE_SM100"] = "ON"
    variables = dict(variables)
    if processor == "aarch64":
        defines["CMAKE_TOOLCHAIN_FILE"] = str(sources / "cmake" / "aarch64-linux-gnu.cmake")
        variables["_PYTHON_HOST_PLATFORM"] = "linux-aarch64"
        if not cpu_only:
            root = cross_toolkit(python)
            variables |= {"GGFP8_CROSS_CUDA_ROOT": str(root), "CUDACXX": str(root / "bin/nvcc")}
    flags = f"-ffile-prefix-map={OUTPUT}=."
    variables |= {"CFLAGS": flags, "CXXFLAGS": flags}
    options = [
        word for name, value in defines.items() for word in ("-C", f"cmake.define.{name}={value}")
    ]
    options += ["-C", f"build-dir={OUTPUT / f'build-{processor}'}"]
    shutil.rmtree(OUTPUT / f"build-{processor}", ignore_errors=True)
    run(
        python,
        "-m",
        "pip",
        "wheel",
        "-v",
        "--no-deps",
        *options,
        "--wheel-dir",
        folder,
        sources,
        env=variables,
    )
    return next(folder.glob("*.whl"))


def tag_wheel(wheel, processor, variables, programs):
    """Gives the wheel the tag whose rules auditwheel finds kept; returns the path in DIST."""
    tag = f"manylinux_{GLIBC.replace('.', '_')}_{processor}"
    report = output_of(programs / "auditwheel", "show", wheel)
    print(report)
    found = re.search(r'platform tag:\s+"(\w+)"', report)
    if found is None or found[1] != tag:
        raise SystemExit(f"auditwheel: got {found and found[1]}, wanted {tag}")
    # The second name of the tag is that of older installers.
    names = f"{tag}.manylinux2014_{processor}"
    command = (programs / "python", "-m", "wheel", "tags", "--remove", f"--platform-tag={names}")
    run(*command, wheel, env=variables)
    tagged = next(wheel.parent.glob("*.whl"))
    return Path(shutil.move(tagged, DIST / tagged.name))


def check_wheel(wheel, cpu_only, programs):
    lint = ROOT / "tests" / "lint"
    run(sys.executable, lint / "check_wheel.py", wheel)
    with zipfile.ZipFile(wheel) as archive:
        library = archive.extract("groupgemm_fp8/libgroupgemm_fp8.so", OUTPUT / "library")
    headers = sorted((ROOT / "cpp" / "include" / "groupgemm_fp8").glob("*.h"))
    run(sys.executable, lint / "check_exports.py", library, *headers)
    if not cpu_only:
        folder = programs.parent / "lib"
        cuobjdump = next(folder.glob("python*/site-packages/nvidia/cu*/bin/cuobjdump"))
        run(sys.executable, lint / "check_resources.py", cuobjdump, library)
        run(sys.executable, lint / "check_sass.py", cuobjdump, library)
    run(programs / "check-wheel-contents", wheel)
    print("library:", Path(library).stat().st_size, "bytes, wheel:", wheel.stat().st_size, "bytes")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["sdist", "x86_64", "aarch64"])
    parser.add_argument("--cpu-only", action="store_true", help="leave the CUDA backends out")
    options = parser.parse_args()
    start = time.monotonic()
    programs = tools()
    variables = environment(programs)
    DIST.mkdir(parents=True, exist_ok=True)
    sdist = build_sdist(variables)
    if options.what == "sdist":
        run(programs / "twine", "check", "--strict", sdist)
        # pyroma also wants an e-mail address and a home page, which the project does not have.
        run(programs / "pyroma", "--min", "8", sdist)
        return
    for old in DIST.glob(f"*_{options.what}.whl"):
        old.unlink()
    arguments = (unpack(sdist), options.what, options.cpu_only, variables, programs / "python")
    wheel = tag_wheel(build_wheel(*arguments), options.what, variables, programs)
    check_wheel(wheel, options.cpu_only, programs)
    run(programs / "twine", "check", "--strict", wheel)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    seconds = time.monotonic() - start
    print(f"{wheel}: {seconds:.0f} s, largest process {peak:.1f} GiB")


if __name__ == "__main__":
    main()
