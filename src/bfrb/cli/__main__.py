"""Run the command line with `python -m bfrb.cli`."""

from bfrb.cli import main

main()
