"""Plants small faults in the sources and demands that the tests that are named for each fail.

    run.py                        every mutant that needs no GPU
    run.py --only api core        the lists of these names
    run.py --only cpu:12          the twelfth of a list, counted from 1
    run.py --device               the mutants of device code, on a machine with their GPU
    run.py --workers 2            so many copies of the tree at once

Every worker copies the tree and builds what its killers need. A killer must pass in the tree as it
is before a mutant is planted for it. A mutant survives if one of its killers passes. README.md
explains the lists.
"""

import argparse
import os
import queue
import re
import sys
import threading
import time
from pathlib import Path

from mutant import Mutant, read_lists
from workshop import Seconds, Workshop

HERE = Path(__file__).resolve().parent
MAX_BATCH = 4


def main() -> int:
    arguments = parse_arguments()
    chosen = choose(read_lists(HERE), arguments.only, arguments.device)
    if not chosen:
        print("no mutant is chosen", file=sys.stderr)
        return 2
    check_places(HERE.parents[1], chosen)
    work: queue.SimpleQueue[list[Mutant]] = queue.SimpleQueue()
    for batch in batches_of(chosen):
        work.put(batch)
    outcomes: dict[Mutant, str] = {}
    seconds: Seconds = {}
    crew = [
        threading.Thread(target=run_all, args=(idx, arguments, work, seconds, outcomes))
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


def batches_of(mutants: list[Mutant]) -> list[list[Mutant]]:
    """Mutants with the same killers, which one worker tries one after the other; large ones first.

    The worker then builds its copy of these tests once.
    """
    batches: dict[tuple[str, ...], list[list[Mutant]]] = {}
    for mutant in mutants:
        of_killers = batches.setdefault(mutant.killers, [[]])
        if len(of_killers[-1]) == MAX_BATCH:
            of_killers.append([])
        of_killers[-1].append(mutant)
    return sorted((batch for some in batches.values() for batch in some), key=len, reverse=True)


def run_all(
    idx: int,
    arguments: argparse.Namespace,
    work: queue.SimpleQueue[list[Mutant]],
    seconds: Seconds,
    outcomes: dict[Mutant, str],
) -> None:
    """One worker: copies the tree, then takes batches until there are none."""
    folder = arguments.folder / str(idx)
    num_jobs = max(2, (os.cpu_count() or 1) // arguments.workers)
    workshop = Workshop(folder, arguments.device, arguments.cmake_option, num_jobs, seconds)
    while True:
        try:
            batch = work.get_nowait()
        except queue.Empty:
            return
        failing = workshop.prepare(batch[0].killers)
        for mutant in batch:
            start = time.monotonic()
            fails = f"not run: {', '.join(failing)} fails without a mutant"
            outcomes[mutant] = fails if failing else workshop.try_mutant(mutant)
            took = time.monotonic() - start
            print(f"{mutant.name:12} {outcomes[mutant]:24} {took:5.0f} s  {mutant}", flush=True)


def report(chosen: list[Mutant], outcomes: dict[Mutant, str]) -> int:
    survivors = [mutant for mutant in chosen if not re.match("killed", outcomes.get(mutant, ""))]
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    for mutant in survivors:
        print(f"SURVIVED {mutant.name} ({outcomes.get(mutant, 'not run')}): {mutant}")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
