"""
Search settings, and let others judge
=====================================

A search finds what is best on the people it looks at. Keep some people out of it, and believe only what they say.
"""

# %%
# ``examples/search_settings.py`` keeps one subject in five out, lets Optuna propose settings, judges every
# trial out of fold on the others, trains the best once more, and has it judged by the people that were kept
# out. A stopped search goes on when the command is repeated. Two trials on four simulated people show how it
# goes; take thirty on a study.

import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
script = Path("../search_settings.py").resolve()


def run(*command: object) -> None:
    """Run a script with this Python."""
    done = subprocess.run([sys.executable, *map(str, command)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode < 2, done.stderr
    print(done.stdout)


run("-m", "bfrb", "simulate", "study", "--subjects", "4", "--seed", "9")
run(
    script,
    "study",
    "found",
    "--trials",
    "2",
    "--preset",
    "baseline",
    "--set",
    "folds=2",
    "--set",
    "training.epochs=2",
    "--set",
    'networks=["context"]',
)

# %%
# The two scores at the end are the point: the first was searched for, the second was not. On small studies
# they lie far apart, and a search over many settings can make things worse for new people while it seems to
# make them better.
