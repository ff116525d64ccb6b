"""The curve in a `curve.csv` of run.py: python figure.py CURVE OUT."""

from __future__ import annotations

import sys

import polars as pl

from bfrb.report.figures import plot_detection

ALARMS = pl.max_horizontal(pl.selectors.starts_with("false alarms an hour"))


def main() -> None:
    """Draw what is found against false alarms on the study with more of them, and everyone's point at 2 an hour."""
    table = pl.read_csv(sys.argv[1]).with_columns(alarms=ALARMS)
    back = table.filter(thresholds="looking back")
    curve = back.filter(method="rocket, all").sort("alarms")
    others = table.filter(pl.col("rate") == 2.0, pl.col("method").str.ends_with("all"), thresholds="chosen on others")
    points = {
        name: (alarms, found) for name, alarms, found in others.select("method", "alarms", "recordings found").rows()
    }
    plot_detection(curve["alarms"].to_list(), curve["recordings found"].to_list(), points).savefig(sys.argv[2], dpi=150)


if __name__ == "__main__":
    main()
