"""Texts of the command line: its help, why a GPU is not used, and what ends it quietly."""

import importlib
import subprocess
import sys

import pytest

from groupgemm_fp8.__main__ import main
from groupgemm_fp8._cli import machine, options
from groupgemm_fp8._cli.case_files import FORMAT, read_cases
from numeric.process import REPOSITORY
from tiny_commands import TINY_BENCH, TINY_DEMO


def test_the_console_script_is_this_command_line():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    project = REPOSITORY / "pyproject.toml"
    if not project.is_file():
        pytest.skip("the sources are not there")
    scripts = tomllib.loads(project.read_text())["project"]["scripts"]
    module, _, function = scripts["groupgemm_fp8"].partition(":")
    assert getattr(importlib.import_module(module), function) is main


class TestHelp:
    def test_no_command_shows_the_help(self, capsys):
        assert main([]) == 0
        captured = capsys.readouterr()
        assert captured.out.startswith("usage: groupgemm_fp8")
        assert captured.err == ""

    @pytest.mark.parametrize("command", ["info", "demo", "bench"])
    def test_every_command_has_an_example(self, command, capsys):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        text = capsys.readouterr().out
        assert f"examples:\n  groupgemm_fp8 {command}" in text

    def test_the_case_file_format_is_an_example_that_works(self, tmp_path, capsys):
        start = FORMAT.index("{")
        path = tmp_path / "cases.json"
        path.write_text(FORMAT[start : FORMAT.rindex("}") + 1])
        assert [case.groups for case in read_cases(path)] == [8, 64]
        with pytest.raises(SystemExit):
            main(["bench", "--help"])
        assert FORMAT in capsys.readouterr().out

    def test_a_reader_that_leaves_ends_the_command_quietly(self):
        with subprocess.Popen(
            [sys.executable, "-m", "groupgemm_fp8", "info"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 141


class TestUnusedGpu:
    @pytest.fixture
    def reasons(self, monkeypatch):
        monkeypatch.setattr(machine, "library_cuda_reason", lambda: None)
        reason = "cuda-python is not usable"
        monkeypatch.setattr(machine._device, "device_unavailable_reason", lambda: reason)
        return reason

    def test_demo_and_bench_say_why(self, reasons, capsys):
        assert main([*TINY_DEMO, "--device", "auto"]) == 0
        assert f"\ngpu       not used: {reasons}\n" in capsys.readouterr().out
        assert main([*TINY_BENCH, "--device", "auto", "--ceiling-tflops", "1"]) == 0
        assert f"\ngpu: not used: {reasons}\n" in capsys.readouterr().out

    def test_who_asks_for_the_cpu_is_told_nothing(self, reasons, capsys):
        assert main(TINY_DEMO) == 0
        assert "not used" not in capsys.readouterr().out

    def test_a_machine_without_a_gpu_has_nothing_to_say(self, monkeypatch, tmp_path, capsys):
        monkeypatch.setattr(machine, "library_cuda_reason", lambda: "no driver")
        monkeypatch.setattr(machine, "_DEVICE_FILES", tmp_path)
        assert main([*TINY_DEMO, "--device", "auto"]) == 0
        assert "not used" not in capsys.readouterr().out
        (tmp_path / "nvidia0").touch()
        assert main([*TINY_DEMO, "--device", "auto"]) == 0
        assert "\ngpu       not used: no driver\n" in capsys.readouterr().out


def test_the_processor_has_its_product_name(monkeypatch):
    monkeypatch.setattr(options, "_product_name", lambda: "A Processor 9000")
    assert options.cpu_name("avx2") == "A Processor 9000, avx2"
    monkeypatch.setattr(options, "_product_name", lambda: "")
    assert options.cpu_name("avx2") == "avx2"
