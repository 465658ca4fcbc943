"""The random sample of the bench: its problems, their regimes, and how results are summed up."""

import json

import pytest

from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import CommandError, cases, distribution, peers, regimes, sample

COUNT = 600
PINNED = [  # of seed 1: figures of a sample name its seed and stand for these problems
    ("375 uniform, 3 rows, n 5120, k 192", "glm-4.5 down/8"),
    ("2 ragged in 1, 7434 rows, n 512, k 2048", "olmoe up/4"),
    ("184 one hot, 64 rows, n 352, k 2048", "deepseek-v2-lite up/8"),
]


@pytest.fixture(scope="module")
def drawn():
    return sample.draw_cases(COUNT, 7, sample.Limits())


class TestDrawing:
    def test_problems_are_legal_and_within_limits(self, drawn):
        limits = sample.Limits()
        for case in drawn:
            assert case.n % 8 == 0
            assert case.k % 16 == 0
            assert 1 <= case.groups <= 512
            assert 1 <= case.total_rows <= limits.rows
            assert min(case.rows) >= 0
            assert case.weight_bytes() <= limits.weight_bytes
            assert f"n {case.n}, k {case.k}" in case.name
            assert case.origin

    def test_a_seed_gives_the_same_problems_in_a_sample_of_any_size(self, drawn):
        assert sample.draw_cases(20, 7, sample.Limits()) == drawn[:20]
        assert sample.draw_cases(20, 8, sample.Limits()) != drawn[:20]

    def test_problems_do_not_change_between_versions(self):
        first = sample.draw_cases(3, 1, sample.Limits())
        assert [(case.name, case.origin) for case in first] == PINNED

    def test_every_kind_occurs_at_every_size(self, drawn):
        for kind in ("uniform", "ragged", "zipf", "one hot"):
            share = sum(kind in case.name for case in drawn) / COUNT
            assert 0.15 < share < 0.35, kind
        for least, most in ((1, 8), (9, 64), (65, 512)):
            assert sum(least <= case.groups <= most for case in drawn) > COUNT / 10
        for least, most in ((1, 16), (17, 256), (257, 4096), (4097, 65536)):
            assert sum(least <= case.total_rows <= most for case in drawn) > COUNT / 10
        assert sum(case.active_groups < case.groups for case in drawn) > COUNT / 4
        assert len({(case.n, case.k) for case in drawn}) > 60

    def test_one_hot_has_all_rows_in_one_group(self, drawn):
        hot = [case for case in drawn if "one hot" in case.name]
        assert all(max(case.rows) == case.total_rows for case in hot)
        assert len({case.rows.index(case.total_rows) for case in hot}) > 10

    def test_a_filter_takes_problems_from_the_same_sequence(self, drawn):
        few = sample.draw_cases(10, 7, sample.Limits(), lambda case: case.num_tiles < 132)
        assert few == [case for case in drawn if case.num_tiles < 132][:10]

    def test_limits_that_nothing_meets(self):
        with pytest.raises(CommandError, match="--max-weights: got 0 MiB, wanted at least 1 MiB"):
            sample.draw_cases(1, 0, sample.Limits(weight_bytes=1000))
        with pytest.raises(CommandError, match="passes the filter"):
            sample.draw_cases(1, 0, sample.Limits(), lambda case: False)


def test_even_rows():
    assert cases.even_rows(3, 8) == (3, 3, 2)
    assert cases.even_rows(3, 2) == (1, 1, 0)


def test_tiles_count_groups_apart():
    assert cases.Case("x", (129, 0, 1), n=200, k=128).num_tiles == (2 + 0 + 1) * 2


@pytest.mark.parametrize(
    "tiles, regime",
    [(131, "few tiles"), (132, "few waves"), (528, "few waves"), (529, "many waves")],
)
def test_regimes_by_tiles(tiles, regime):
    assert regimes.regime_of(tiles, 132) == regime


def record(name, regime, bound, us, **peers):
    return {
        "name": name,
        "regime": regime,
        "bound": bound,
        "us": us,
        "efficiency": 0.5,
        "backend": "sm90",
        "config": "a tile",
        "peers": {
            peer: {"us": value} if value else {"unavailable": "no"} for peer, value in peers.items()
        },
    }


RECORDS = [
    record("a", "few tiles", "memory", 10.0, x=5.0, y=20.0),
    record("b", "few tiles", "memory", 10.0, x=20.0, y=None),
    record("c", "many waves", "compute", 10.0, x=None, y=40.0),
    record("d", "many waves", "compute", 10.0, x=None, y=None),
]


class TestSummary:
    def test_the_best_peer_is_chosen_for_each_problem(self):
        ratios = regimes.ratios_of(RECORDS)
        assert [ratio for ratio, _ in ratios["x"]] == [0.5, 2.0]
        assert [ratio for ratio, _ in ratios["y"]] == [2.0, 4.0]
        assert [ratio for ratio, _ in ratios["best peer"]] == [0.5, 2.0, 4.0]
        assert list(ratios)[-1] == "best peer"

    def test_summary_by_hand(self):
        summary = regimes.summary_of([4.0, 0.5, 2.0])
        assert summary["geometric_mean"] == pytest.approx(4 ** (1 / 3))
        assert (summary["count"], summary["below_1"]) == (3, 1)
        assert (summary["least"], summary["median"], summary["greatest"]) == (0.5, 2.0, 4.0)

    def test_regimes_that_do_not_occur_are_left_out(self):
        groups = regimes.regimes_of(RECORDS)
        assert list(groups) == ["all", "few tiles", "many waves", "compute-bound", "memory-bound"]
        assert [member["name"] for member in groups["memory-bound"]] == ["a", "b"]

    def test_lines(self):
        lines = list(distribution.distribution_lines(RECORDS, 132))
        start = lines.index("time of best peer over ours (above 1: ours is faster)")
        mean = 4 ** (1 / 3)
        assert lines[start + 2].split()[:4] == ["all", "3", f"{mean:.3f}", "1"]
        assert lines[start + 3].split()[:5] == ["few", "tiles", "2", "1.000", "1"]
        assert "slower than the best peer: 1 of 3" in lines
        assert "  0.500  a: 10.0 us, x 5.00 us, sm90/a tile" in lines

    def test_without_peers_there_is_efficiency(self):
        alone = [record("a", "few tiles", "memory", 10.0)]
        lines = list(distribution.distribution_lines(alone, 132))
        assert "efficiency: least time that the hardware allows over ours" in lines
        assert not any("best peer" in line for line in lines)


def test_bench_draws_measures_and_sums_up(tmp_path, capsys):
    path = tmp_path / "sample.json"
    limits = ["--max-rows", "24", "--max-weights", "1", "--seconds", "0.01"]
    options = ["--random", "3", "--seed", "1", "--device", "cpu", *limits, "--ceiling-tflops", "1"]
    peer_names = ["--peers", "torch,deepgemm,humming"]
    assert main(["bench", *options, *peer_names, "--json", str(path)]) == 0
    text = capsys.readouterr().out
    assert "many waves: more" in text
    assert "\nall " in text
    data = json.loads(path.read_text())
    assert data["sample"] == {"seed": 1, "few_tiles": False, "drawn": 3}
    expected = sample.draw_cases(3, 1, sample.Limits(24, 1 << 20))
    assert [case["name"] for case in data["cases"]] == [case.name for case in expected]
    assert all(case["regime"] and case["origin"] for case in data["cases"])
    assert all({*case["peers"]} == {*peers.peer_kinds()} for case in data["cases"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--random", "0"], "got '0', wanted an integer of at least 1"),
        (["--seed", "1"], "--seed: belongs to --random, which is not given"),
        (["--few-tiles"], "--few-tiles: belongs to --random"),
        (["--random", "1", "--cases", "x.json"], "exclude each other"),
        (["--random", "1", "--device", "cpu", "--granularity", "128,128,128"], "multiples of 128"),
    ],
)
def test_a_bad_request_is_refused_before_measuring(arguments, message, capsys):
    try:
        status = main(["bench", *arguments])
    except SystemExit as stop:
        status = stop.code
    captured = capsys.readouterr()
    assert status == 2
    assert message in captured.err
    assert captured.out == ""
