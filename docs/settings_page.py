"""Writes the page of all settings from the specs: python docs/settings_page.py; the documentation does so by itself."""

from __future__ import annotations

import ast
import inspect
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypeGuard

from pydantic_core import PydanticUndefined

from bfrb.simulate.spec import StudySpec
from bfrb.spec import Spec
from bfrb.stream.spec import EventSpec, StreamSpec
from bfrb.train.presets import PRESETS
from bfrb.train.run import RunSpec

PAGE = Path(__file__).parent / "_generated" / "settings.md"
MEANINGS = Path(__file__).with_name("settings.toml")
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
    (
        "A simulated study",
        "`bfrb simulate OUT --set KEY=VALUE`. A spread is a standard deviation. With `--hours`, what differs from "
        "recording to recording differs from bout to bout, people's ways and errors of sensors are drawn anew for "
        "blocks of about five minutes, and of `timing` only `reach_s` is used.",
        StudySpec,
    ),
)

Told = Mapping[str, Mapping[str, str]]
"""Meanings by spec and key, as `settings.toml` has them."""


def main() -> None:
    """Write the page; ValueError if a setting has no meaning, or two, or a meaning no setting."""
    PAGE.parent.mkdir(exist_ok=True)
    text = make_page(tomllib.loads(MEANINGS.read_text(encoding="utf-8")))
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")


def make_page(told: Told) -> str:
    """The page, with these meanings of keys that have no docstring; ValueError as of `main`."""
    settings = {f"{kind.__name__}.{key}" for *_, spec in PARTS for kind in _kinds(spec) for key in _keys(kind)}
    if strange := {f"{kind}.{key}" for kind, keys in told.items() for key in keys} - settings:
        raise ValueError(f"{MEANINGS.name} names settings that do not exist: {', '.join(sorted(strange))}")
    parts = (line for part in PARTS for line in _part(*part, told))
    return "\n".join(["# All settings", "", _INTRODUCTION, *parts, *_presets()])


_INTRODUCTION = """\
Made from the specs in the code. Names end in their unit: `_s` seconds, `_hz`, `_m` metres, `_m_s2` m/s², `_rad`
radians, `_c` degrees Celsius; a share or a chance goes from 0 to 1. `bfrb train --help` says how a key is set; an
unknown key is refused, with the nearest known one.
"""


def _part(title: str, where: str, spec: type[Spec], told: Told) -> list[str]:
    rows = [f"| `{key}` | {meaning} | {default} |" for key, default, meaning in _settings(spec, told)]
    return [f"## {title}", "", where, "", "| key | meaning | default |", "| --- | --- | --- |", *rows, ""]


def _settings(spec: type[Spec], told: Told, prefix: str = "") -> list[tuple[str, str, str]]:
    """Keys with dots, default and meaning of each setting of a spec and of the specs in it."""
    found = []
    meanings = _meanings(spec, told)
    for name, field in spec.model_fields.items():
        kind = field.annotation
        if _is_spec(kind):
            found += _settings(kind, told, f"{prefix}{name}.")
            continue
        default = field.get_default(call_default_factory=True)
        shown = "required" if default is PydanticUndefined else "not set" if default is None else f"`{_plain(default)}`"
        allowed = ", ".join(_limit(limit) for limit in field.metadata if _limit(limit))
        meaning = f"{meanings[name]} ({allowed})" if allowed else meanings[name]
        found.append((prefix + name, shown, meaning))
    return found


def _kinds(spec: type[Spec]) -> Iterator[type[Spec]]:
    """A spec, those it extends and those in it."""
    yield from (kind for kind in spec.__mro__ if issubclass(kind, Spec))
    for field in spec.model_fields.values():
        if _is_spec(field.annotation):
            yield from _kinds(field.annotation)


def _keys(spec: type[Spec]) -> list[str]:
    """Its settings, without the specs in it."""
    return [name for name, field in spec.model_fields.items() if not _is_spec(field.annotation)]


def _meanings(spec: type[Spec], told: Told) -> dict[str, str]:
    """What each setting of a spec means: as its docstring says, there or in a spec that it extends, else as told."""
    said: dict[str, str] = {}
    others: dict[str, str] = {}
    for kind in reversed([one for one in spec.__mro__ if issubclass(one, Spec)]):
        said |= _docstrings(kind)
        others |= told.get(kind.__name__, {})
    if twice := said.keys() & others.keys():
        raise ValueError(f"{MEANINGS.name} tells what docstrings of {spec.__name__} say: {', '.join(sorted(twice))}")
    if lacking := {name for name in _keys(spec) if not (said | others).get(name)}:
        raise ValueError(f"no meaning of {', '.join(sorted(lacking))} in {spec.__name__}: write it in {MEANINGS.name}")
    return {name: " ".join(text.split()).replace("|", "\\|") for name, text in (said | others).items()}


def _docstrings(kind: type[Spec]) -> dict[str, str]:
    """The docstring below each field of a spec that has one."""
    [body] = [
        node.body for node in ast.parse(textwrap.dedent(inspect.getsource(kind))).body if isinstance(node, ast.ClassDef)
    ]
    return {
        ast.unparse(field.target): str(text.value.value)
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def _is_spec(annotation: object) -> TypeGuard[type[Spec]]:
    return isinstance(annotation, type) and issubclass(annotation, Spec)


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
