"""Plants small faults in the sources and demands that the tests that are named for each fail.

    run.py                        every mutant that needs no GPU
    run.py --only api core        the lists of these names
    run.py --only cpu:12          the twelfth of a list, counted from 1
    run.py --device               the mutants of device code, on a machine with their GPU
    run.py --workers 2            so many copies of the tree at once

The tree is copied, built there once, and every killer must pass before anything is planted. A
mutant survives if one of its killers passes. README.md explains the lists.
"""

import argparse
import queue
import re
import sys
import threading
import time
from pathlib import Path

from mutant import Mutant, read_lists
from workshop import Workshop

HERE = Path(__file__).resolve().parent


def main() -> int:
    arguments = parse_arguments()
    chosen = choose(read_lists(HERE), arguments.only, arguments.device)
    if not chosen:
        print("no mutant is chosen", file=sys.stderr)
        return 2
    check_places(HERE.parents[1], chosen)
    work = queue.SimpleQueue()
    for mutant in chosen:
        work.put(mutant)
    outcomes: dict[Mutant, str] = {}
    crew = [
        threading.Thread(target=run_all, args=(idx, arguments, chosen, work, outcomes))
        for idx in range(arguments.workers)
    ]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return report(chosen, outcomes)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="LIST[:NUMBER]")
    parser.add_argument("--device", action="store_true", help="the mutants of device code")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=HERE.parents[1] / "build" / "mutants")
    parser.add_argument("--cmake-option", action="append", default=[], metavar="-DNAME=VALUE")
    return parser.parse_args()


def choose(mutants: list[Mutant], only: list[str], device: bool) -> list[Mutant]:
    """The mutants of the names given, those of device code or the others."""
    wanted = set(only)
    return [
        mutant
        for mutant in mutants
        if (mutant.needs is not None) == device
        and mutant.equivalent is None
        and (not wanted or mutant.list_name in wanted or mutant.name in wanted)
    ]


def check_places(root: Path, mutants: list[Mutant]) -> None:
    """Exits if the old text of a mutant is not there exactly once."""
    wrong = []
    for mutant in mutants:
        count = (root / mutant.file).read_text().count(mutant.old)
        if count != 1:
            wrong.append(f"{mutant.name}: got the old text {count} times, wanted once")
    if wrong:
        sys.exit("\n".join(wrong))


def run_all(
    idx: int,
    arguments: argparse.Namespace,
    mutants: list[Mutant],
    work: queue.SimpleQueue,
    outcomes: dict[Mutant, str],
) -> None:
    """One worker: prepares its copy of the tree, then takes mutants until there are none."""
    workshop = Workshop(arguments.folder / str(idx), arguments.device, arguments.cmake_option)
    killers = sorted({killer for mutant in mutants for killer in mutant.killers})
    failing = workshop.prepare(killers)
    if failing:
        print(f"killers that fail before anything is planted: {', '.join(failing)}", flush=True)
        return
    while True:
        try:
            mutant = work.get_nowait()
        except queue.Empty:
            return
        start = time.monotonic()
        outcomes[mutant] = workshop.try_mutant(mutant)
        seconds = time.monotonic() - start
        print(f"{mutant.name:12} {outcomes[mutant]:24} {seconds:5.0f} s  {mutant}", flush=True)


def report(chosen: list[Mutant], outcomes: dict[Mutant, str]) -> int:
    survivors = [mutant for mutant in chosen if not re.match("killed", outcomes.get(mutant, ""))]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    for mutant in survivors:
        print(f"SURVIVED {mutant.name} ({outcomes.get(mutant, 'not run')}): {mutant}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
