"""`python -m mintmark.cli`: the command where no script was installed."""

from .main import main

main(prog_name="mintmark")
