"""`groupgemm_fp8 info|demo|bench`, also as `python -m groupgemm_fp8`: the command line.

Exit status: 0 success, 1 a wrong result or a failing system, 2 a request that cannot be met
(options, sizes, missing packages), 141 nobody reads the output any more. Failures print one line.
"""

from __future__ import annotations

import argparse
import os
import sys

_READER_IS_GONE = 128 + 13  # what a shell reports of a process that SIGPIPE ended


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
    parser = _parser(info, demo, bench)
    try:
        chosen = parser.parse_args(arguments)
        if chosen.command is None:
            parser.print_help()
            return 0
        status = chosen.run(chosen)
        sys.stdout.flush()
        return status
    except (CommandError, ValueError, TypeError, ImportError) as error:
        return _fail(chosen.command, error, 2)
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_IS_GONE
    except (RuntimeError, MemoryError) as error:
        return _fail(chosen.command, error, 1)
    except KeyboardInterrupt:
        return 130


def _parser(info, demo, bench):
    parser = _Parser(
        prog="groupgemm_fp8",
        description="Grouped FP8 matrix products, for mixture-of-experts layers.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, module, purpose in (
        ("info", info, "show the build, the devices, and which backends run on each"),
        ("demo", demo, "run an experts' layer step by step, check and time it"),
        ("bench", bench, "time cases against what the hardware allows"),
    ):
        command = commands.add_parser(
            name, help=purpose, description=module.__doc__, epilog=module.EPILOG
        )
        command.formatter_class = argparse.RawDescriptionHelpFormatter
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _fail(command, error, status):
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"groupgemm_fp8 {command}: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
