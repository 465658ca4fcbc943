"""Writes the measured figures of README.md and docs/performance.md from the files of bench.

    python docs/speed_tables.py              rewrites the tables and sentences
    python docs/speed_tables.py --check      fails if one of them differs from the files
    python docs/speed_tables.py --note TEXT  first states TEXT, when and what was measured, in the
                                             files that have no note

docs/speed.json is the document of `python -m groupgemm_fp8 bench --peers --json FILE`, and
docs/sample.json that of `bench --random N --seed S --peers torch,deepgemm --json FILE`. What comes
from a file lies in a document between `<!-- figures: NAME -->` and `<!-- end of figures -->`;
without docs/sample.json the parts that come from it stay as they are.
"""

import json
import math
import re
import sys
import textwrap
from pathlib import Path

DOCS = Path(__file__).resolve().parent
DOCUMENTS = (DOCS.parent / "README.md", DOCS / "performance.md")
WIDTH = 100  # columns of a document
NUM_WORST = 4  # problems of the sample that performance.md shows

# Column titles, and how the names of the peers in that column begin.
PEERS = {"DeepGEMM": "deep_gemm", "Humming": "humming", "torch": "torch"}

# Peers that run every public case: those of the geometric means.
COMPARED = ("DeepGEMM", "torch")

# README shows these cases, as the chart does; performance.md shows all.
README_CASES = (
    "deepseek-v3 up, 8 x 4096",
    "deepseek-v3 down, 8 x 4096",
    "qwen3-30b down, 128 x 512",
    "deepseek-v3 up, 32 x 192",
    "deepseek-v3 up, 32 x 64",
    "deepseek-v3 up, 32 x 16",
    "deepseek-v3 up, 256 x 4",
    "deepseek-v3 up, 256 zipf 8192",
)
PART = re.compile(
    r"(?P<start><!-- figures: (?P<name>[\w ]+) -->\n)(?P<text>.*?)"
    r"(?P<end> *<!-- end of figures -->)",
    re.S,
)


def peer_times(record):
    """Microseconds of each column's peer, the fastest where several of its kernels were timed."""
    times = {}
    for title, beginning in PEERS.items():
        found = [
            peer.get("us") for name, peer in record["peers"].items() if name.startswith(beginning)
        ]
        times[title] = min((us for us in found if us is not None), default=None)
    return times


def best_peer(record, titles=tuple(PEERS)):
    """Microseconds of the fastest of these peers, or None where none of them ran."""
    times = peer_times(record)
    return min((times[title] for title in titles if times[title] is not None), default=None)


def ratios(records):
    """The times of the fastest compared peer over ours, of the records that have one."""
    best = [(best_peer(record, COMPARED), record["us"]) for record in records]
    return [peer / ours for peer, ours in best if peer is not None]


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def shown(us, digits=0):
    return "-" if us is None else f"{us:.{digits}f}"


def rows_of_table(titles, alignments, rows):
    """A Markdown table; alignments has a letter for each column, l or r."""
    dashes = "|".join({"l": "---", "r": "---:"}[letter] for letter in alignments)
    titles, *rows = (f"| {' | '.join(line)} |\n" for line in (titles, *rows))
    return "".join([titles, f"|{dashes}|\n", *rows])


def paragraph(text):
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"


def sizes(record):
    """The size of a case in words; the rows of a zipf case are a sum."""
    groups, rows = record["groups"], record["rows"]
    each = f"x {rows // groups} rows" if "zipf" not in record["name"] else f"zipf, {rows} rows"
    return f"{groups} {each}, n {record['n']}, k {record['k']}"


def speed_row(record, titles, has_floor):
    times = peer_times(record)
    cells = [sizes(record), shown(record["us"]), *(shown(times[title]) for title in titles)]
    best = best_peer(record)
    cells.append("-" if best is None else f"{best / record['us']:.2f}")
    if has_floor:
        cells += [f"{record['efficiency']:.2f}", record["bound"]]
    return cells


def speed_table(speed, names=None):
    """The table of the cases with these names, or of all with their floors. Its columns are the
    peers that ran any case.
    """
    peers = [
        title for title in PEERS if any(peer_times(record)[title] for record in speed["cases"])
    ]
    titles = ["groups, rows, sizes", "groupgemm_fp8", *peers, "best peer / ours"]
    titles += [] if names else ["efficiency", "floor set by"]
    records = {record["name"]: record for record in speed["cases"]}
    rows = [speed_row(records[name], peers, not names) for name in names or records]
    return rows_of_table(titles, "l" + "r" * (len(titles) - 1), rows)


def speed_bullet(speed):
    cases = speed["cases"]
    return paragraph(
        f"* **Fast on Hopper.** In {len(cases)} public cases on one H200, the faster of DeepGEMM "
        f"and torch takes {geometric_mean(ratios(cases)):.2f} times as long on geometric mean "
        "([measurements](docs/performance.md))."
    ).replace("\n", "\n  ", 1)


def speed_means(speed):
    cases = speed["cases"]
    efficiency = geometric_mean([record["efficiency"] for record in cases])
    return paragraph(
        f"In these {len(cases)} cases the fastest of DeepGEMM's kernels and torch takes "
        f"{geometric_mean(ratios(cases)):.3f} times as long as this library on geometric mean, and "
        f"the efficiency is {efficiency:.3f}."
    )


def speed_ceilings(speed):
    ceilings = speed["ceilings"]
    rate, bandwidth = (ceilings[f"{what}_per_second"] for what in ("operations", "bytes"))
    return paragraph(
        f"In the table below the dense rate is {rate * 1e-12:.0f} TFLOP/s, and the bandwidth "
        f"{bandwidth * 1e-12:.2f} TB/s."
    )


def regimes(sample):
    """Ratios of the sample by the number of tiles: [(title, ratios)], all of them last."""
    sms = sample["device"]["num_processors"]
    titles = {
        "few tiles": f"fewer than {sms}",
        "few waves": f"up to {4 * sms}",
        "many waves": "more",
    }
    parts = [
        (title, ratios([record for record in sample["cases"] if record["regime"] == name]))
        for name, title in titles.items()
    ]
    return [*filter(lambda part: part[1], parts), ("all", ratios(sample["cases"]))]


def sample_paragraph(sample):
    *parts, (_, everything) = regimes(sample)
    means = ", ".join(f"{geometric_mean(values):.2f} with {title}" for title, values in parts)
    means = means.replace(",", " tiles,", 1)
    slower = sum(value < 1 for value in everything)
    return paragraph(
        "**Where it is slower:** some small calls, and decode beside Humming. In "
        f"{len(everything)} random problems on one H200 the better of DeepGEMM and torch takes "
        f"{geometric_mean(everything):.2f} times our time on geometric mean: {means}. A peer is "
        f"faster in {slower} of the {len(everything)}, at worst by a factor of "
        f"{1 / min(everything):.1f} ([the sample](docs/performance.md#a-random-sample))."
    )


def sample_table(sample):
    titles = ["tiles of 128 x 128", "problems", "better peer / ours, geometric mean"]
    rows = [
        [title, str(len(values)), f"{geometric_mean(values):.2f}", str(sum(v < 1 for v in values))]
        for title, values in regimes(sample)
    ]
    return rows_of_table([*titles, "peer is faster in"], "lrrr", rows)


def sample_worst(sample):
    pairs = [(best_peer(record, COMPARED), record) for record in sample["cases"]]
    pairs = [pair for pair in pairs if pair[0] is not None]
    pairs.sort(key=lambda pair: pair[0] / pair[1]["us"])
    rows = [
        [record["name"], f"{shown(record['us'], 1)} us", f"{shown(peer, 1)} us"]
        for peer, record in pairs[:NUM_WORST]
    ]
    return rows_of_table(["problem", "ours", "better peer"], "lrr", rows)


# Name of a part: the file that it comes from, and the function that writes it.
PARTS = {
    "bullet": ("speed", speed_bullet),
    "readme table": (
        "speed",
        lambda speed: speed_table(speed, README_CASES) + "\n" + paragraph(speed["note"]),
    ),
    "table": ("speed", speed_table),
    "note": ("speed", lambda speed: paragraph(speed["note"])),
    "means": ("speed", speed_means),
    "ceilings": ("speed", speed_ceilings),
    "slower": ("sample", sample_paragraph),
    "sample note": ("sample", lambda sample: paragraph(sample["note"])),
    "sample": ("sample", sample_table),
    "worst": ("sample", sample_worst),
}


def rewritten(text, files):
    """The text of a document with every part whose file is there."""

    def part(match):
        kind, write = PARTS[match["name"]]
        return (
            match["start"] + (write(files[kind]) if kind in files else match["text"]) + match["end"]
        )

    return PART.sub(part, text)


def read_files(note):
    """The documents of bench that are there, by name; a note goes into those that have none."""
    files = {}
    for kind in ("speed", "sample"):
        path = DOCS / f"{kind}.json"
        if path.exists():
            files[kind] = json.loads(path.read_text())
            if note and "note" not in files[kind]:
                files[kind] = {"note": note, **files[kind]}
                path.write_text(json.dumps(files[kind], indent=2) + "\n")
    return files


def main(arguments):
    note = arguments[arguments.index("--note") + 1] if "--note" in arguments else None
    files = read_files(note)
    stale = []
    for path in DOCUMENTS:
        text = path.read_text()
        wanted = rewritten(text, files)
        if wanted == text:
            continue
        if "--check" in arguments:
            stale.append(path.name)
        else:
            path.write_text(wanted)
    for name in stale:
        print(f"{name}: differs from the files of bench, run docs/speed_tables.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
