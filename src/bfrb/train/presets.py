"""Run specs by name (`presets.toml`), and from TOML files."""

from __future__ import annotations

import tomllib
from importlib.resources import files

from bfrb.errors import ConfigError
from bfrb.parts import locate_file
from bfrb.spec import read_toml
from bfrb.train.run import RunSpec

_TABLES = tomllib.loads(files("bfrb.train").joinpath("presets.toml").read_text(encoding="utf-8"))

PRESETS = {name: RunSpec.parse(values) for name, values in _TABLES.items()}
"""The run specs that come with the package; `presets.toml` says what each is for."""


def read_preset(name: str) -> RunSpec:
    """The run spec of a preset, or of a TOML file, perhaps in a package, when the name ends in `.toml`.

    Raises
    ------
    ConfigError
        If there is no such preset or file, or the file has unknown keys.

    Examples
    --------
    >>> read_preset("watch").networks
    ('context',)
    """
    if name.endswith(".toml"):
        return RunSpec.from_toml(read_toml(locate_file(name)))
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}", remedy=f"choose {', '.join(PRESETS)}, or name a .toml file")
    return PRESETS[name]
