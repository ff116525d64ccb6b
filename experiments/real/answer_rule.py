"""What it gains to decide first whether a recording shows any target (`answer = "target_first"`).

    python experiments/real/answer_rule.py BUNDLE [BUNDLE ...]

Of the out-of-fold answers that bundles keep, whatever preset they are of, the competition score by the most probable
class and by a threshold that the other folds chose, with the difference and its 95 % interval paired over people.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bfrb.metrics.competition import competition_score, difference_interval
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import answers_by_scenario, decide_held_out
from bfrb.read.tables import read_table


def main() -> None:
    """Decide in both ways, score, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path)
    for path in parser.parse_args().bundles:
        bundle = Bundle.open(path)
        labels, table = bundle.label_set, read_table(bundle.file(OUT_OF_FOLD))
        decided, threshold = decide_held_out(table, labels)
        usual = answers_by_scenario(table.drop("prediction", strict=False), labels)
        print(f"{path.name}, {len(np.unique(table['subject'].to_list()))} people, threshold {threshold or np.nan:.3f}")
        for name, found in answers_by_scenario(decided, labels).items():
            before, after = (competition_score(one.truth, one.prediction, labels) for one in (usual[name], found))
            both = found.prediction, usual[name].prediction
            low, high = difference_interval(found.truth, both, found.subjects or (), labels) or (np.nan, np.nan)
            print(
                f"  {name:5} {before.score:.4f} -> {after.score:.4f}, {after.score - before.score:+.4f} "
                f"({low:+.4f} to {high:+.4f}); binary F1 {before.binary_f1:.4f} -> {after.binary_f1:.4f}, "
                f"macro F1 {before.macro_f1:.4f} -> {after.macro_f1:.4f}"
            )


if __name__ == "__main__":
    main()
