"""The laws of the house, asserted on the package as it is and on small trees that break them."""

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

import laws
from laws import Module

ROOT = Path(__file__).resolve().parents[1]

Law = Callable[[Sequence[Module]], list[str]]

LAWS: dict[str, Law] = {
    name.removeprefix("find_").replace("_", " "): law
    for name, law in inspect.getmembers(laws, inspect.isfunction)
    if name.startswith("find_") and name != "find_imports"
}


@cache
def package() -> tuple[Module, ...]:
    return tuple(laws.read_package(ROOT / "src" / "bfrb"))


def tree(files: Mapping[str, str]) -> list[Module]:
    """A made-up package; every file has a docstring, so that it breaks no law by itself."""
    return [Module(PurePosixPath(path), f'"""A file."""\n{text}') for path, text in files.items()]


@pytest.mark.parametrize("law", LAWS)
def test_the_package_obeys(law: str) -> None:
    assert LAWS[law](package()) == []


LONG_BODY = "\n".join(f"    x{line} = {line}" for line in range(40))

BROKEN: dict[str, list[tuple[dict[str, str], str]]] = {
    "upward imports": [
        ({"read/a.py": "from bfrb.features.b import c", "features/b.py": ""}, "read/a.py:2 imports bfrb.features.b"),
        ({"spec.py": "from . import read", "read/__init__.py": ""}, "spec.py:2 imports bfrb.read"),
        ({"metrics/a.py": "from importlib import import_module\nimport_module('bfrb.report')"}, "metrics/a.py:3"),
    ],
    "unranked parts": [({"attic/a.py": ""}, "attic has no rank")],
    "cycles": [
        (
            {"read/a.py": "from bfrb.read import b", "read/b.py": "def f():\n    from bfrb.read.a import g"},
            "bfrb.read.a reaches itself",
        ),
        ({"read/a.py": "from .b import c", "read/b.py": "from . import a"}, "bfrb.read.b reaches itself"),
    ],
    "heavy prediction": [
        (
            {"predict/predictor.py": "from bfrb.read import a", "read/a.py": "def f():\n    import torch.nn"},
            "bfrb.read.a:3 imports torch.nn",
        ),
        ({"serve/http.py": "import matplotlib.pyplot"}, "bfrb.serve.http:2 imports matplotlib.pyplot"),
    ],
    "guests outside": [
        ({"features/a.py": "def f():\n    from torch import nn"}, "features/a.py:3 imports torch"),
        ({"predict/bundle.py": "import keras"}, "predict/bundle.py:2 imports keras"),
        ({"train/a.py": "import importlib\nimportlib.import_module('keras.layers')"}, "train/a.py:3"),
        ({"predict/bundle.py": "import pickle"}, "predict/bundle.py:2 imports pickle"),
    ],
    "raw names": [
        ({"features/a.py": "x = frame['rot_w']"}, "features/a.py:2 names the raw column 'rot_w'"),
        ({"networks/a.py": "x = f'thm_{site}'"}, "networks/a.py:2 names the raw column 'thm_'"),
    ],
    "hidden randomness": [
        ({"simulate/a.py": "x = np.random.default_rng()"}, "simulate/a.py:2 makes a generator"),
        ({"simulate/a.py": "from random import choice"}, "simulate/a.py:2 imports random"),
    ],
    "vague files": [({"read/utils.py": ""}, "read/utils.py:1"), ({"cli/helpers.py": ""}, "cli/helpers.py:1")],
    "long files": [({"read/a.py": "\n" * laws.MAX_FILE_LINES}, "read/a.py:1 has 401 lines")],
    "long functions": [
        ({"read/a.py": f"def f():\n{LONG_BODY}"}, "read/a.py:2 f has 41 lines"),
        ({"read/a.py": f"def f():\n{LONG_BODY}"}, "the median function has 41 lines"),
    ],
}


def test_every_law_has_an_example_that_breaks_it() -> None:
    assert set(BROKEN) == set(LAWS)


@pytest.mark.parametrize(
    ("law", "files", "complaint"), [(law, *example) for law, examples in BROKEN.items() for example in examples]
)
def test_a_broken_law_is_found(law: str, files: dict[str, str], complaint: str) -> None:
    assert any(complaint in line for line in LAWS[law](tree(files))), LAWS[law](tree(files))


@pytest.mark.parametrize(
    ("module", "light"), [("bfrb", ("numpy", "polars", "pydantic")), ("bfrb.cli", ())], ids=["package", "commands"]
)
def test_neither_the_package_nor_its_command_line_loads_frameworks(module: str, light: tuple[str, ...]) -> None:
    code = f"import sys, {module}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60, env=environment).split())
    assert "bfrb" in loaded
    assert not loaded & {*laws.HEAVY, "pandas", "scipy", "sklearn", "onnxruntime", *light}
