"""`Spec`: the frozen base of all specs, read from and written to TOML, and the numbers they are made of."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from bfrb.errors import ConfigError


class Spec(BaseModel):
    """Base of all specs: immutable, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """A spec from plain values. ConfigError if a key is unknown or a value is impossible."""
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _explain(cls, error) from None

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """A spec from TOML text. ConfigError if the text is not TOML, a key is unknown or a value is impossible."""
        try:
            return cls.parse(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"expected TOML, but {error}", remedy="correct that line") from None

    def to_toml(self) -> str:
        """The spec as TOML text; keys that are None are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def updated(self, assignments: Iterable[str] | Mapping[str, Any]) -> Self:
        """A copy with changes such as `"training.epochs=30"` or `{"training.epochs": 30}`.

        Values in text are written as in TOML, strings may be bare. A part of a key that has dots is quoted:
        `training.variation."mypackage.changes:blink"=0.1`. ConfigError if an assignment has no `=`, its key is unknown
        or its value impossible.
        """
        values = self.model_dump(mode="json", exclude_none=True)
        pairs = assignments.items() if isinstance(assignments, Mapping) else map(_read_assignment, assignments)
        for key, value in pairs:
            *parents, last = (quoted or bare for quoted, bare in _KEY_PARTS.findall(key) or [("", key)])
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    raise ConfigError(f"{parent!r} in {key!r} has no keys of its own", remedy="name a key of the spec")
            place[last] = value
        return self.parse(values)


Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]
NotNegative = Annotated[float, Field(ge=0.0)]


def read_toml(path: Path) -> str:
    """The text of a TOML file. ConfigError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected a TOML file at {path}, but {error}", remedy="name a readable TOML file") from None


_KEY_PARTS = re.compile(r'"([^"]+)"|([^."]+)')


def _read_assignment(assignment: str) -> tuple[str, Any]:
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"expected key=value, got {assignment!r}", remedy="write, say, training.epochs=30")
    try:
        return key.strip(), tomllib.loads(f"value = {text.strip()}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), text.strip()


def _explain(kind: type[Spec], error: ValidationError) -> ConfigError:
    """The first complaint of a validation, in this project's words."""
    first, *others = error.errors()
    place = _key(kind, first["loc"])
    if first["type"] != "extra_forbidden":
        same = [other["msg"] for other in others if _key(kind, other["loc"]) == place]
        return _impossible(place, ", or ".join([first["msg"], *same]), first)
    known = {key: key.rpartition(".") for key in sorted(_known_keys(kind))}
    parent, _, name = place.rpartition(".")
    alike = difflib.get_close_matches(name, [parts[2] for parts in known.values()], n=1, cutoff=0.7)
    near = difflib.get_close_matches(place, [key for key, parts in known.items() if parts[2] in alike], cutoff=0)
    siblings = [key for key, parts in known.items() if parts[0] == parent]
    remedy = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known keys: {', '.join(siblings)}"
    return ConfigError(f"unknown key {place!r}", remedy=remedy)


def _impossible(place: str, wrong: str, complaint: ErrorDetails) -> ConfigError:
    """A value that is not possible; a complaint about several keys says itself what it got."""
    if complaint["type"] == "value_error":
        what = str(complaint["ctx"]["error"])
        return ConfigError(f"{place}: {what}" if place else what, remedy=f"correct {place or 'one of these'}")
    return ConfigError(f"{place}: {wrong}, got {complaint['input']!r}", remedy=f"correct {place}")


def _key(kind: type[Spec], location: tuple[int | str, ...]) -> str:
    """The key that a complaint is about; a location goes on with the kind of value where several are possible."""
    annotation: Any = kind
    parts: list[str] = []
    for part in location:
        if get_origin(annotation) in (Union, UnionType) and len(set(get_args(annotation)) - {NoneType}) > 1:
            break
        parts.append(str(part))
        fields = getattr(annotation, "model_fields", {})
        annotation = fields[part].annotation if part in fields else None
    return ".".join(parts)


def _known_keys(kind: type[Spec], prefix: str = "") -> Iterable[str]:
    for name, field in kind.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, Spec):
            yield from _known_keys(field.annotation, f"{prefix}{name}.")
