"""Parts of the commands: cases and floors, the check of results, timing, reports."""

import json
from types import SimpleNamespace

import pytest

import groupgemm_fp8
from groupgemm_fp8._cli import (
    CommandError,
    build,
    case_files,
    cases,
    ceilings,
    check,
    problem,
    regimes,
    report,
    tested,
    timing,
    units,
)
from groupgemm_fp8._cli.machine import HostMachine


class TestCases:
    def test_zipf_by_hand(self):
        # Shares of 10 rows at alpha 1: 4.8, 2.4, 1.6, 1.2; two rows remain for the first rank.
        assert sorted(cases.zipf_rows(4, 10, 1.0)) == [1, 1, 2, 6]
        assert sorted(cases.zipf_rows(4, 10, 0.0)) == [2, 2, 2, 4]

    @pytest.mark.parametrize("groups, total", [(1, 7), (128, 2048), (256, 8192), (300, 5)])
    def test_zipf_loses_no_row_and_repeats(self, groups, total):
        rows = cases.zipf_rows(groups, total, 1.0)
        assert len(rows) == groups
        assert sum(rows) == total
        assert min(rows) >= 0
        assert rows == cases.zipf_rows(groups, total, 1.0)

    def test_zipf_ranks_are_shuffled(self):
        rows = cases.zipf_rows(64, 4096, 1.0)
        assert list(rows) != sorted(rows, reverse=True)

    def test_moved_bytes_by_hand(self):
        case = cases.Case("x", (3, 0, 5), n=200, k=300)
        # a, two active groups of b, out, then 3 k-blocks of a_scale and 2 x 3 of b_scale.
        values = 8 * 300 + 2 * 200 * 300 + 2 * 8 * 200
        assert case.moved_bytes(2) == values + 4 * (8 * 3 + 2 * 2 * 3)
        assert case.moved_bytes(2, (128, 128, 128)) == values + 4 * (2 * 3 + 2 * 2 * 3)
        assert case.operations == 2 * 8 * 200 * 300

    def test_floor_by_hand(self):
        # 32 groups of 1024 rows, n 4096, k 7168 at 1400 TFLOP/s and 4.40 TB/s: 1374 us.
        case = cases.Case("x", (1024,) * 32, n=4096, k=7168)
        floor = cases.floor_of(case.operations, case.moved_bytes(2), 1400e12, 4.40e12)
        assert floor.bound == "compute"
        assert floor.seconds == pytest.approx(1374e-6, rel=1e-3)
        case = cases.Case("x", (4,) * 32, n=4096, k=7168)
        floor = cases.floor_of(case.operations, case.moved_bytes(2), 1400e12, 4.40e12)
        assert floor.bound == "memory"
        assert floor.seconds == pytest.approx(214e-6, rel=5e-3)

    def test_an_unknown_ceiling_bounds_nothing(self):
        assert cases.floor_of(1e12, 1e9, None, 1e12) == cases.Floor(1e-3, "memory")

    def test_packaged_cases(self):
        packaged = case_files.packaged_cases("cases.json")
        assert len(packaged) == 21
        assert len({case.name for case in packaged}) == 21
        assert sum(len(set(case.rows)) > 1 for case in packaged) == 3
        assert all(case.n % 8 == 0 and case.k % 16 == 0 for case in packaged)
        assert case_files.packaged_cases("cases_cpu.json")

    @pytest.mark.parametrize(
        "document, message",
        [
            ([], "wanted an object"),
            ({"uniform": [{"name": "x"}]}, "groups: got None, wanted an integer"),
            ({"uniform": [7]}, "name: got None, wanted a text"),
            ({"uniform": {"name": "x"}}, "uniform: got dict, wanted a list"),
            ({"other": []}, "got no case, wanted a list uniform or zipf"),
            (
                {"uniform": [{"name": "x", "groups": 0, "rows": 1, "n": 8, "k": 16}]},
                "groups: got 0, wanted at least 1",
            ),
            ({"zipf": [{"name": "x", "groups": 1, "total_rows": True}]}, "total_rows: got True"),
        ],
    )
    def test_a_bad_case_is_named(self, document, message):
        with pytest.raises(CommandError, match=message):
            case_files.parse_cases(document, "file")


class TestCheck:
    def computed(self, out_dtype="bfloat16", scale_major="MN"):
        case = cases.Case("x", (3, 0, 70), n=264, k=400)
        settings = problem.Settings(out_dtype=out_dtype, scale_major=scale_major)
        result = problem.random_problem(case, HostMachine(), settings)
        result.contender().launch(0)
        return result

    def verdict(self, computed):
        return check.check(computed, "cpu", (0, 0), check.Sample(3, 100, 1000))

    @pytest.mark.parametrize("out_dtype", ["bfloat16", "float16", "float32"])
    @pytest.mark.parametrize("scale_major", ["MN", "K"])
    def test_accepts_the_backend(self, out_dtype, scale_major):
        verdict = self.verdict(self.computed(out_dtype, scale_major))
        assert verdict.ok
        assert verdict.num_checked == 73 * 264

    @pytest.mark.parametrize(
        "damage",
        [
            lambda out: out.__setitem__((5, 7), out[5, 7] * 1.02),
            lambda out: out.__setitem__(72, 0),
            lambda out: out.__setitem__((0, 0), float("nan")),
            lambda out: out.__setitem__(slice(3, 73), out[2:72].copy()),
        ],
        ids=["an element", "a zero row", "a nan", "shifted rows"],
    )
    def test_refuses_damage(self, damage):
        computed = self.computed()
        damage(computed.out)
        assert not self.verdict(computed).ok

    def test_sample_covers_the_ends(self):
        assert list(check._spread(3, 10, 100)) == list(range(3, 10))
        assert list(check._spread(3, 10, 3)) == [3, 6, 9]
        assert list(check._spread(3, 3, 3)) == []


class TestTiming:
    def test_contenders_alternate(self):
        order = []
        contenders = [
            timing.Contender(name, lambda idx, name=name: order.append(name)) for name in "xy"
        ]
        timings = timing.time_on_host(contenders, 0.001)
        assert order[2:] == ["x", "y"] * (len(order) // 2 - 1)
        assert timings["x"].low <= timings["x"].seconds <= timings["x"].high

    def test_first_samples_are_dropped(self):
        assert timing._summary([100.0, 1.0, 2.0, 3.0], 10) == timing.Timing(2.0, 1.0, 3.0, 30)

    def test_a_replay_is_timed_after_one_of_its_own(self, monkeypatch):
        class Clock:
            now = 0.0
            device_id = 0

            def __init__(self, device_id=0):
                pass

            def synchronize(self):
                pass

            def record(self, stream):
                self.time = Clock.now

            def elapsed(self, end):
                return end.time - self.time

        class Simulated(timing.Contender):
            def run_eagerly(self, stream, count):
                pass

            def capture(self, stream, count):
                def replay():
                    Clock.now += count * (1.0 if order and order[-1] == self.name else 5.0)
                    order.append(self.name)

                return replay

        order = []
        monkeypatch.setattr(timing, "Event", Clock)
        monkeypatch.setattr(timing.time, "perf_counter", lambda: Clock.now)
        timings = timing.time_on_gpu([Simulated(name, None) for name in "xyz"], Clock(), 100_000)
        assert {name: timing.seconds for name, timing in timings.items()} == dict.fromkeys(
            "xyz", 1.0
        )
        rounds = ["".join(order[idx : idx + 6]) for idx in range(3, len(order), 6)]
        assert {"".join(sorted(one)) for one in rounds} == {"xxyyzz"}
        assert all(one[0::2] == one[1::2] for one in rounds)
        assert {one[0::2] for one in rounds} == {"xyz", "xzy", "yxz", "yzx", "zxy", "zyx"}

    @pytest.mark.parametrize(
        "num_contenders, seconds, expected", [(1, 1.0, 0.02), (6, 0.6, 0.0125), (6, 0.1, 0.005)]
    )
    def test_replays_fit_into_the_time_of_a_case(self, num_contenders, seconds, expected):
        assert timing._graph_seconds(num_contenders, seconds) == pytest.approx(expected)

    def test_weights_exceed_the_cache(self):
        machine = HostMachine()
        cache = groupgemm_fp8.device_info("cpu", 0).l2_bytes
        if cache > 0:
            assert problem.num_weight_sets(cache, machine) == 3
            assert problem.num_weight_sets(3 * cache, machine) == 1


def test_geometric_mean():
    assert regimes.geometric_mean([4.0, None, 9.0]) == pytest.approx(6.0)
    assert regimes.geometric_mean([None]) is None


class TestUnits:
    @pytest.mark.parametrize(
        "seconds, text",
        [
            (0.0, "0.00 us"),
            (1.5e-6, "1.50 us"),
            (2.26e-4, "226 us"),
            (1.498e-3, "1498 us"),
            (0.012, "12.0 ms"),
            (11.5, "11.5 s"),
        ],
    )
    def test_times(self, seconds, text):
        assert units.time_text(seconds) == text

    def test_rates(self):
        assert units.rate_text(1.284e15) == "1284 TFLOP/s"
        assert units.rate_text(1.79e11) == "179 GFLOP/s"
        assert units.bandwidth_text(4.2e12) == "4.20 TB/s"
        assert units.bandwidth_text(271e6) == "271 MB/s"
        assert units.share_text(None) == "n/a"


class TestNoise:
    def record(self, seconds, low, high, ceiling=1e12):
        ceilings_of = ceilings.Ceilings(ceiling, "given", 1e12, "given")
        case = cases.Case("x", (128,), n=128, k=128)
        plan = groupgemm_fp8.Plan("cpu", "a tile", 0, 2)
        measured = timing.Timing(seconds, low, high, 10)
        return report.make_record(case, plan, measured, ceilings_of, 65536, {}, 132)

    def test_a_steady_result_is_trusted(self):
        assert self.record(1e-3, 0.9e-3, 1.1e-3)["noise"] is None
        assert report.closing_lines([self.record(1e-3, 0.9e-3, 1.1e-3)])[1:] == []

    def test_a_wide_spread_is_marked(self):
        record = self.record(1e-3, 0.8e-3, 1.2e-3)
        assert record["noise"] == "spread above 30%"
        assert " 40%? " in report.Table(4, {}).line(record)
        assert "1 of 1 cases: spread above 30%" in report.closing_lines([record])[1]

    def test_faster_than_possible_is_marked(self):
        record = self.record(1e-3, 1e-3, 1e-3, ceiling=1e9)
        assert record["noise"] == "faster than the measured ceilings allow"


class TestTested:
    def test_the_data_file_is_consistent(self):
        document = tested.tested()
        for entry in document["gpu_code"]:
            assert entry["evidence"] in document["evidence"]
            assert entry["capabilities"]
            assert entry["architectures"]
            # Evidence of a run names the card that the run was on.
            assert len(entry["cards"]) == 1 or entry["evidence"] in tested._ANY_CARD
        assert set(document["evidence"]) == set(document["meaning"])
        assert json.dumps(document)

    @pytest.mark.parametrize(
        "name, capability, evidence",
        [
            ("NVIDIA H200", (9, 0), "executed"),
            ("NVIDIA H100 80GB HBM3", (9, 0), "partly"),
            ("NVIDIA GH200 480GB", (9, 0), "compiled"),
            ("NVIDIA B300", (10, 3), "inspected"),
            ("another", (12, 1), "inspected"),
            ("another", (8, 9), "inspected"),
            ("NVIDIA A10", (8, 6), "compiled"),
            ("another", (13, 0), "compiled"),
        ],
    )
    def test_what_is_known_about_a_device(self, name, capability, evidence):
        assert tested.evidence_for(name, capability) == evidence

    def test_gpu_code_says_what_was_executed(self):
        rows = tested.gpu_code({"sm90", "sm100", "mma", "cpu"})
        evidence = {(row["backend"], *row["cards"]): row["evidence"] for row in rows}
        assert evidence["sm90", "H200"] == evidence["mma", "H200"] == "executed, all tests"
        assert evidence["sm90", "H100"] == "executed, not with all tests"
        inspected = "compiled and inspected, not executed on that hardware"
        assert evidence["sm100", "B200", "B300", "Thor"] == inspected

    def test_only_code_of_the_library_is_listed(self):
        rows = tested.gpu_code({"mma"})
        assert {row["backend"] for row in rows} == {"mma"}
        assert rows[-1]["compute_capabilities"] == "PTX for others"
        rows = tested.gpu_code({"sm90", "mma"}, ["90a-real", "90-real"])
        assert {row["compute_capabilities"] for row in rows} == {"9.0"}
        assert tested.gpu_code({"cpu"}, []) == []


class TestBuild:
    ON_CPU = "needs arrays on a CUDA device"
    LEFT_OUT = "this library was built without it: no headers"

    def line(self, monkeypatch, refusals, architectures):
        monkeypatch.setattr(build, "_architectures", lambda: architectures)
        return build.build_line(build.build_facts(refusals))

    def test_everything(self, monkeypatch):
        refusals = {"sm90": self.ON_CPU, "sm100": self.ON_CPU, "mma": self.ON_CPU, "cpu": None}
        wanted = (
            "everything (sm90, sm100, mma, cpu); for the CPU only: "
            "pip install . -C cmake.define.GGFP8_ENABLE_CUDA=OFF"
        )
        for architectures in (None, tested.gpu_architectures()):
            assert self.line(monkeypatch, refusals, architectures) == wanted
        assert self.line(monkeypatch, refusals, ["90a-real", "100f-real"]) == (
            "sm90, sm100, mma, cpu for 90a-real, 100f-real; "
            "for everything: pip install . without options"
        )

    def test_what_was_left_out(self, monkeypatch):
        assert self.line(monkeypatch, {"cpu": None}, []) == (
            "CPU only, without sm90, sm100, mma; "
            "for GPUs: pip install . without GGFP8_ENABLE_CUDA=OFF"
        )
        refusals = {"sm100": self.LEFT_OUT, "mma": self.ON_CPU, "cpu": None}
        assert self.line(monkeypatch, refusals, None) == (
            "mma, cpu, without sm90, sm100 (no headers); "
            "for everything: pip install . without options"
        )

    def test_the_cmake_package_lies_beside_the_library(self, monkeypatch, tmp_path):
        library = tmp_path / "lib" / "libgroupgemm_fp8.so"
        monkeypatch.setattr(build._library, "load", lambda: SimpleNamespace(_name=str(library)))
        with pytest.raises(CommandError, match=r"--cmake-dir: got no CMake package beside .*\.so"):
            build.cmake_dir()
        for folder in ("lib/cmake/groupgemm_fp8", "lib/cmake"):  # of cmake --install, and of pip
            config = tmp_path / folder / "groupgemm_fp8-config.cmake"
            config.parent.mkdir(parents=True, exist_ok=True)
            config.touch()
            assert build.cmake_dir() == config.parent

    def test_build_json_tells_the_architectures(self, monkeypatch, tmp_path):
        monkeypatch.setattr(build, "_folder", lambda: tmp_path)
        assert build._architectures() is None
        (tmp_path / "build.json").write_text('{"architectures": ["90a-real"]}')
        assert build._architectures() == ["90a-real"]
