"""What a command's exit code says; docs/cli.md has the same table."""

DONE = 0
PROBLEM = 1
"""It ran, and found something wrong: a check failed, or rows were refused."""

BAD_INPUT = 2
"""The call or its input was wrong, and nothing was done."""

NOT_READY = 3
"""The installation can't do it now: no database, migrations to run, a port that is taken."""

INTERRUPTED = 130
"""Ended by Ctrl-C, as shells have it (128 + SIGINT)."""

READER_GONE = 141
"""What read the output has closed it (128 + SIGPIPE)."""
