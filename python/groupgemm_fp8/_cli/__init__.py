"""The commands behind `python -m groupgemm_fp8`: info, demo and bench.

Each command is a module with add_arguments(parser) and run(options) -> exit status. A wrong
option or an environment that cannot run the command raises CommandError: one line, status 2.
"""


class CommandError(Exception):
    """What the user asked for cannot be done; the text is one line."""
