"""A copy of the tree in which mutants are planted, built and tried."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from mutant import Mutant

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD_SECONDS = 1800
SANITIZERS = {"asan": "address;undefined", "tsan": "thread"}

# Seconds that each killer takes in the tree as it is, or None if it fails there.
Seconds = dict[str, float | None]


def mirror(source: Path, target: Path) -> None:
    """Makes target a copy of source, times included; files that are the same stay."""
    target.mkdir(parents=True, exist_ok=True)
    theirs = {entry.name: entry for entry in os.scandir(source)}
    for entry in os.scandir(target):
        if entry.name not in theirs:
            shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.remove(entry)
    for name, entry in theirs.items():
        copy = target / name
        if entry.is_dir(follow_symlinks=False):
            mirror(Path(entry), copy)
        elif not copy.is_symlink() and not _is_same(entry, copy):
            shutil.copy2(entry, copy, follow_symlinks=False)


def _is_same(entry: os.DirEntry, copy: Path) -> bool:
    if not copy.exists():
        return False
    ours, theirs = copy.stat(), entry.stat()
    return (ours.st_size, ours.st_mtime_ns) == (theirs.st_size, theirs.st_mtime_ns)


class Workshop:
    """Builds the copy, in one folder per sanitizer.

    A killer is "build" (the compiler refuses the mutant), the name of a test of CTest, with
    "asan " or "tsan " before it where a sanitizer has to see the fault, or a test of pytest by its
    path and name.
    """

    def __init__(
        self,
        folder: Path,
        with_cuda: bool,
        cmake_options: list[str],
        num_jobs: int,
        seconds: Seconds,
    ) -> None:
        """Copies the tree. seconds: shared by all workshops, which fill it."""
        self._tree = folder / "tree"
        self._folder = folder
        self._with_cuda = with_cuda
        self._cmake_options = cmake_options
        self._num_jobs = num_jobs
        self._seconds = seconds
        self._copy_tree()
        self._put_back()  # after a run that was ended while a mutant was planted

    def prepare(self, killers: tuple[str, ...]) -> list[str]:
        """Builds what killers need; returns those that fail in the tree as it is.

        The files built then are kept, and put back after every mutant.
        """
        failing = [killer for killer in killers if not self._passes_as_is(killer)]
        for folder in self._folder.glob("build*"):
            mirror(folder, self._kept(folder))
        return failing

    def _passes_as_is(self, killer: str) -> bool:
        if not self._builds(killer):
            return False
        if killer not in self._seconds:
            start = time.monotonic()
            passes = self._passes(killer, BUILD_SECONDS)
            self._seconds[killer] = time.monotonic() - start if passes else None
        return self._seconds[killer] is not None

    def _put_back(self) -> None:
        for folder in self._folder.glob("build*"):
            if self._kept(folder).exists():
                mirror(self._kept(folder), folder)

    def _kept(self, folder: Path) -> Path:
        return self._folder / "kept" / folder.name

    def _copy_tree(self) -> None:
        """Copies what git knows or would know; files that are the same keep their times."""
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
        for name in filter(None, listed.stdout.decode().split("\0")):
            source, target = REPOSITORY / name, self._tree / name
            if not source.is_file():
                continue
            if target.is_file() and target.read_bytes() == source.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)

    def try_mutant(self, mutant: Mutant) -> str:
        """Plants, runs the killers, takes the mutant out again. Returns the outcome in words."""
        path = self._tree / mutant.file
        text, times = path.read_text(), path.stat()
        path.write_text(text.replace(mutant.old, mutant.new, 1))
        try:
            outcomes = [self._fails(killer) for killer in mutant.killers]
        finally:
            path.write_text(text)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            self._put_back()
        passed = [k for k, o in zip(mutant.killers, outcomes, strict=True) if o is None]
        refused = "build" in outcomes and mutant.killers != ("build",)
        if refused:
            return "not built"
        return f"survived {passed[0]}" if passed else "killed"

    def _fails(self, killer: str) -> str | None:
        """None if the killer passes, else how it fails: "build" or "test".

        A test that takes ten times as long as without a mutant has failed: some mutants never end.
        """
        if not self._builds(killer):
            return "build"
        limit = max(60, 10 * (self._seconds[killer] or 0))
        return None if self._passes(killer, limit) else "test"

    def _builds(self, killer: str) -> bool:
        """Whether the compiler takes all that a killer needs."""
        if killer.startswith("tests/python/"):
            return self._build("", ["groupgemm_fp8"])
        sanitizer, _, test = killer.rpartition(" ")
        kind, _, target = test.partition(".")
        targets = {"build": ["groupgemm_fp8"], "c": [target, "groupgemm_fp8"]}.get(kind, [target])
        return self._build(sanitizer, targets)

    def _passes(self, killer: str, limit: float) -> bool:
        if killer == "build":
            return True
        if killer.startswith("tests/python/"):
            return self._run_pytest(killer, limit)
        sanitizer, _, test = killer.rpartition(" ")
        return self._run_ctest(sanitizer, test, limit)

    def _build(self, sanitizer: str, targets: list[str]) -> bool:
        folder = self._build_folder(sanitizer)
        if not (folder / "build.ninja").exists():
            self._configure(folder, sanitizer)
        command = ["cmake", "--build", str(folder), "-j", str(self._num_jobs)]
        return self._succeeds([*command, "--target", *targets], BUILD_SECONDS)

    def _build_folder(self, sanitizer: str) -> Path:
        return self._folder / f"build{'_' if sanitizer else ''}{sanitizer}"

    def _configure(self, folder: Path, sanitizer: str) -> None:
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_CXX_FLAGS_RELEASE": "-O1",  # builds fast
            "GGFP8_ENABLE_CUDA": "ON" if self._with_cuda else "OFF",
            "GGFP8_SANITIZE": SANITIZERS.get(sanitizer, ""),
        }
        flags = [f"-D{name}={value}" for name, value in options.items()]
        command = ["cmake", "-S", str(self._tree), "-B", str(folder), "-G", "Ninja", *flags]
        subprocess.run([*command, *self._cmake_options], check=True, stdout=subprocess.DEVNULL)

    def _run_ctest(self, sanitizer: str, test: str, limit: float) -> bool:
        name = test.replace(".", r"\.")
        folder = str(self._build_folder(sanitizer))
        command = ["ctest", "--test-dir", folder, "--no-tests=error", "-R", f"^{name}$"]
        return self._succeeds(command, limit)

    def _run_pytest(self, test: str, limit: float) -> bool:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test]
        return self._succeeds(command, limit)

    def _succeeds(self, command: list[str], limit: float) -> bool:
        """Whether a command ends with status 0 in so many seconds; ends what it started."""
        variables = {
            "GGFP8_LIBRARY": str(self._folder / "build/cpp/src/libgroupgemm_fp8.so"),
            "PYTHONPATH": f"{self._tree / 'python'}:{os.environ.get('PYTHONPATH', '')}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        process = subprocess.Popen(
            command,
            cwd=self._tree,
            env=os.environ | variables,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
