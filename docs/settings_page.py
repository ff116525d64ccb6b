"""Writes the page of all settings from the specs: python docs/settings_page.py; the documentation does so by itself."""

from __future__ import annotations

import ast
import inspect
import textwrap
from itertools import pairwise
from pathlib import Path

from pydantic_core import PydanticUndefined

from bfrb.simulate.spec import StudySpec
from bfrb.spec import Spec
from bfrb.stream.spec import EventSpec, StreamSpec
from bfrb.train.presets import PRESETS
from bfrb.train.run import RunSpec

PAGE = Path(__file__).parent / "_generated" / "settings.md"
PARTS: tuple[tuple[str, str, type[Spec]], ...] = (
    (
        "A training",
        "`bfrb train --set KEY=VALUE`, `bfrb compare`, and the keys of a file given to `--preset`.",
        RunSpec,
    ),
    (
        "Events",
        "The rule that makes events of answers: `bfrb detect`, `bfrb stream` and `bfrb calibrate`, by `--set`.",
        EventSpec,
    ),
    ("Disorder in streams", "In Python, `Stream(..., spec=StreamSpec(...))`.", StreamSpec),
    ("A simulated study", "`bfrb simulate OUT --set KEY=VALUE`.", StudySpec),
)


def main() -> None:
    """Write the page."""
    PAGE.parent.mkdir(exist_ok=True)
    text = "\n".join(
        ["# All settings", "", _INTRODUCTION, *(line for part in PARTS for line in _part(*part)), *_presets()]
    )
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")


_INTRODUCTION = """\
Made from the specs in the code. Names end in their unit: `_s` seconds, `_hz`, `_m_s2`. `bfrb train --help` says how
a key is set; an unknown key is refused, with the nearest known one.
"""


def _part(title: str, where: str, spec: type[Spec]) -> list[str]:
    rows = [f"| `{key}` | {meaning} | {default} |" for key, default, meaning in _settings(spec)]
    return [f"## {title}", "", where, "", "| key | meaning | default |", "| --- | --- | --- |", *rows, ""]


def _settings(spec: type[Spec], prefix: str = "") -> list[tuple[str, str, str]]:
    """Keys with dots, default and meaning of each setting of a spec and of the specs in it."""
    found = []
    meanings = _meanings(spec)
    for name, field in spec.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Spec):
            found += _settings(kind, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        shown = "required" if default is PydanticUndefined else "not set" if default is None else f"`{_plain(default)}`"
        allowed = ", ".join(_limit(limit) for limit in field.metadata if _limit(limit))
        meaning = " ".join(part for part in (meanings.get(name, ""), f"({allowed})" if allowed else "") if part)
        found.append((prefix + name, shown, meaning))
    return found


def _meanings(spec: type[Spec]) -> dict[str, str]:
    """The docstring below each field, of a spec and of those it extends."""
    known: dict[str, str] = {}
    for kind in reversed([one for one in spec.__mro__ if issubclass(one, Spec)]):
        [body] = [
            node.body
            for node in ast.parse(textwrap.dedent(inspect.getsource(kind))).body
            if isinstance(node, ast.ClassDef)
        ]
        for field, text in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                known[ast.unparse(field.target)] = " ".join(str(text.value.value).split()).replace("|", "\\|")
    return known


def _plain(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple() | list():
            return f"[{', '.join(_plain(item) for item in value)}]"
        case str():
            return f'"{value}"'
        case Spec():
            return "as below"
        case _:
            return f"{value:g}" if isinstance(value, float) else str(value)


def _limit(limit: object) -> str:
    """A bound of a number in words."""
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(
        f"{words[name]} {getattr(limit, name):g}" for name in words if getattr(limit, name, None) is not None
    )


def _presets() -> list[str]:
    lines = [
        "## The presets",
        "",
        "What each sets besides the defaults above; `bfrb train --show-spec --preset NAME` prints all of it.",
        "",
    ]
    defaults = dict(_flat(RunSpec().model_dump(mode="json")))
    for name, preset in PRESETS.items():
        changed = [(key, value) for key, value in _flat(preset.model_dump(mode="json")) if defaults.get(key) != value]
        lines += [
            f"### `{name}`",
            "",
            "| key | value |",
            "| --- | --- |",
            *(f"| `{key}` | `{_plain(value)}` |" for key, value in changed),
            "",
        ]
    return lines


def _flat(values: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for name, value in values.items():
        found += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [(prefix + name, value)]
    return found


if __name__ == "__main__":
    main()
