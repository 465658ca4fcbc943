"""Commands of the command line on sizes so small that they take no time on a CPU."""

TINY_GRID = ["--groups", "2", "3", "--rows", "5", "--n", "128", "--k", "256"]
TINY_BENCH = ["bench", "--device", "cpu", "--seconds", "0.02", *TINY_GRID]
TINY_DEMO = [
    "demo", "--device", "cpu", "--tokens", "24", "--experts", "5", "--hidden", "272",
    "--intermediate", "144",
]  # fmt: skip
