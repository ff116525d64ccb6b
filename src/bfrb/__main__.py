"""The command `bfrb`, also as `python -m bfrb`: Ctrl-C ends it quietly even while it is still being loaded."""

from importlib import import_module


def main() -> None:
    """Load the command line and run it."""
    try:
        run = import_module("bfrb.cli").main
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
