"""The curve of sensitivity against false alarms in a `scores.json`: python figure.py SCORES OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from bfrb.report.figures import plot_detection


def main() -> None:
    """Draw the curve of the network, and the rules that were chosen on other people, for every method."""
    scores = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["events"]
    curve = scores["context network"]["curve"]
    rules = {
        name: (found["false_alarms_per_hour"]["value"], found["sensitivity"]["value"]) for name, found in scores.items()
    }
    figure = plot_detection(
        [point["false_alarms_per_hour"] for point in curve], [point["sensitivity"] for point in curve], rules
    )
    figure.savefig(sys.argv[2], dpi=150)


if __name__ == "__main__":
    main()
