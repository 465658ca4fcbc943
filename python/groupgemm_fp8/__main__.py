"""`python -m groupgemm_fp8 info|demo|bench`: the command line.

Exit status: 0 success, 1 a wrong result or a failing system, 2 a request that cannot be met
(options, sizes, missing packages). Both failures print one line.
"""

from __future__ import annotations

import argparse
import sys


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line."""

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def main(arguments=None):
    """Runs one command and returns its exit status."""
    try:
        from ._cli import CommandError, bench, demo, info
    except ImportError as error:
        print(f"groupgemm_fp8: the command line needs {error.name}: {error}", file=sys.stderr)
        return 2
    parser = _Parser(prog="groupgemm_fp8", description="Grouped FP8 GEMM with groupwise scales.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, module, purpose in (
        ("info", info, "show backends, devices, and what runs where"),
        ("demo", demo, "run a routed mixture-of-experts product and check it"),
        ("bench", bench, "time cases against what the hardware allows"),
    ):
        command = commands.add_parser(name, help=purpose, description=module.__doc__)
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    chosen = parser.parse_args(arguments)
    try:
        return chosen.run(chosen)
    except (CommandError, ValueError, TypeError, ImportError) as error:
        return _fail(chosen.command, error, 2)
    except (RuntimeError, MemoryError) as error:
        return _fail(chosen.command, error, 1)
    except KeyboardInterrupt:
        return 130


def _fail(command, error, status):
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"groupgemm_fp8 {command}: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
