"""Option types and facts that the commands share."""

from __future__ import annotations

import argparse
import os
import pathlib
import platform

import groupgemm_fp8

from . import CommandError

OUT_DTYPES = ("bfloat16", "float16", "float32")


def positive(text):
    """An integer of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted an integer of at least 1")
    return value


def positive_number(text):
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted a number above 0")
    return value


def granularity(text):
    """Three integers, as in 1,128,128."""
    parts = text.split(",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"got {text!r}, wanted M,N,K as in 1,128,128")
    return tuple(positive(part) for part in parts)


def add_call_options(parser):
    """Adds the options that choose where and how a call runs."""
    parser.add_argument(
        "--device",
        default="auto",
        help="cpu, cuda, cuda:INDEX, or auto (the first GPU; without a usable one the CPU)",
    )
    parser.add_argument(
        "--backend",
        help="use this backend, instead of the first that supports the call, or one of its "
        "configurations: sm90/128x128",
    )
    parser.add_argument(
        "--out-dtype", choices=OUT_DTYPES, default="bfloat16", help="type of results (bfloat16)"
    )


def require_writable(option, path):
    """Fails before anything is measured if a file cannot be written there."""
    target = pathlib.Path(path).absolute()
    if not target.parent.is_dir():
        raise CommandError(f"{option} {path}: there is no such folder")
    if target.is_dir():
        raise CommandError(f"{option} {path}: got a folder, wanted a file")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise CommandError(f"{option} {path}: is not writable")


def device_facts(machine):
    """Returns what is known about a machine's device, as plain data."""
    info = groupgemm_fp8.device_info(machine.device_type, machine.device_id)
    facts = {"label": machine.label, **info._asdict()}
    if machine.device_type == "cpu":
        facts["name"] = cpu_name(info.name)
    return facts


def cpu_name(instruction_set):
    """Returns the processor's product name, where the system tells it, and the instructions."""
    return ", ".join(filter(None, (_product_name(), instruction_set)))


def _product_name():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def num_processors(machine):
    """Returns the SMs of a GPU or the threads of a CPU."""
    info = groupgemm_fp8.device_info(machine.device_type, machine.device_id)
    return info.num_processors


def capability(machine):
    """Returns the CUDA compute capability as (major, minor), (0, 0) for a CPU."""
    info = groupgemm_fp8.device_info(machine.device_type, machine.device_id)
    return info.compute_major, info.compute_minor
