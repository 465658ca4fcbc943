"""The commands of `python -m groupgemm_fp8`: info, demo and bench.

Each command is a module with add_arguments(parser), run(options) -> exit status, and EPILOG, the
end of its help. A wrong option or an environment that cannot run the command raises CommandError:
one line, status 2.
"""


class CommandError(Exception):
    """Says in one line why the command cannot do what the user asked for."""
