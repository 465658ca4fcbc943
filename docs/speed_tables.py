"""Writes the speed tables of README.md and docs/performance.md from docs/speed.json.

    python docs/speed_tables.py           rewrites both tables
    python docs/speed_tables.py --check   fails if a table differs from the file

The file is the document that `python -m groupgemm_fp8 bench --peers --json FILE` writes. A table
lies between the lines `<!-- speed table: ... -->` and `<!-- end of speed table -->`.
"""

import json
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent

# Column titles, and how the names of the peers in that column begin.
PEERS = {"DeepGEMM": "deep_gemm", "Humming": "humming", "torch": "torch"}

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
TABLE = re.compile(r"(<!-- speed table: (?P<kind>\w+) -->\n).*?(<!-- end of speed table -->)", re.S)


def peer_times(record):
    """Microseconds of each column's peer, the fastest where several of its kernels were timed."""
    times = {}
    for title, beginning in PEERS.items():
        found = [
            peer.get("us") for name, peer in record["peers"].items() if name.startswith(beginning)
        ]
        times[title] = min((us for us in found if us is not None), default=None)
    return times


def shown(us):
    return "-" if us is None else f"{us:.0f}"


def sizes(record):
    """The size of a case in words; the rows of a zipf case are a sum."""
    groups, rows = record["groups"], record["rows"]
    each = f"x {rows // groups} rows" if "zipf" not in record["name"] else f"zipf, {rows} rows"
    return f"{groups} {each}, n {record['n']}, k {record['k']}"


def row(record, kind):
    times = peer_times(record)
    best = min(us for us in times.values() if us is not None)
    cells = [sizes(record), shown(record["us"]), *map(shown, times.values())]
    cells.append(f"{best / record['us']:.2f}")
    if kind == "all":
        cells += [f"{record['efficiency']:.2f}", record["bound"]]
    return f"| {' | '.join(cells)} |"


def table(document, kind):
    titles = ["groups, rows, sizes", "groupgemm_fp8", *PEERS, "best peer / ours"]
    if kind == "all":
        titles += ["efficiency", "floor set by"]
    records = {record["name"]: record for record in document["cases"]}
    names = README_CASES if kind == "readme" else records
    lines = [f"| {' | '.join(titles)} |", "|---" + "|---:" * (len(titles) - 1) + "|"]
    return "\n".join([*lines, *(row(records[name], kind) for name in names)]) + "\n"


def main(arguments):
    document = json.loads((DOCS / "speed.json").read_text())
    stale = []
    for path in (DOCS.parent / "README.md", DOCS / "performance.md"):
        text = path.read_text()
        wanted = TABLE.sub(lambda match: match[1] + table(document, match["kind"]) + match[3], text)
        if wanted == text:
            continue
        if "--check" in arguments:
            stale.append(path.name)
        else:
            path.write_text(wanted)
    for name in stale:
        print(f"{name}: differs from speed.json, run docs/speed_tables.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
