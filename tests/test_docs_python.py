"""Python blocks of the documentation that are marked as such run, one page a script, on a simulated study."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bfrb.read.cmi_write import write_cmi
from bfrb.simulate.spec import StudySpec, mark_of
from bfrb.simulate.study import simulate_study

ROOT = Path(__file__).resolve().parents[1]
HERE = """
from bfrb.train import crossval
from studies import Here

crossval.LocalProcesses = lambda workers: Here()
"""
"""Networks are trained in the page's own process, which is sooner done where they are tiny."""

BLOCK = re.compile(r"^```\w+ (run|file=\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(text: str) -> tuple[str, dict[str, str]]:
    """The script of all blocks that run, and the files that a page shows."""
    found = BLOCK.findall(text)
    files = {mark.partition("=")[2]: code for mark, code in found if mark != "run"}
    return "\n".join(code for mark, code in found if mark == "run"), files


def run_page(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    script, files = blocks_of(text)
    script = HERE + script if "bfrb.train" in script else script
    for name, code in {**files, "page.py": script}.items():
        (folder / name).write_text(code, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests")])}
    command = [sys.executable, "-W", "error::DeprecationWarning:__main__", "page.py"]
    options: Any = {"capture_output": True, "text": True, "timeout": 1800}
    return subprocess.run(command, cwd=folder, env=environment, check=False, **options)


def test_a_block_that_fails_is_found_and_others_do_not_run(tmp_path: Path) -> None:
    assert "python.md" in [page.name for page in THAT_RUN]
    page = "```python\nboom\n```\n```python file=mine.py\nA = 1\n```\n"
    page += "```python run\nfrom mine import A\nprint(A / 0)\n```\n"
    assert blocks_of(page) == ("from mine import A\nprint(A / 0)\n", {"mine.py": "A = 1\n"})
    done = run_page(page, tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
THAT_RUN = [page for page in PAGES if blocks_of(page.read_text(encoding="utf-8"))[0]]


@pytest.mark.parametrize("page", THAT_RUN, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    spec = StudySpec(subjects=4)
    write_cmi([simulate_study(spec, seed=1)[::12]], tmp_path / "study", mark=mark_of(spec, 1))
    done = run_page(page.read_text(encoding="utf-8"), tmp_path)
    assert done.returncode == 0, done.stderr
