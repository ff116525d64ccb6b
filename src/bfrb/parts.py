"""Parts of one's own, by import path `package.module:name`; packages that are needed, and that can be called."""

import sys
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from inspect import Signature, signature
from pathlib import Path
from types import ModuleType
from typing import Any

from bfrb.errors import ConfigError


def need(what: str, packages: tuple[str, ...], extra: str) -> None:
    """Refuse to begin without packages that only this needs. ConfigError if one is not installed."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        problem = f"{what} needs {', '.join(missing)}"
        raise ConfigError(problem, remedy=f'install them with: pip install "bfrb[{extra}]"')


def is_import_path(name: str) -> bool:
    """Whether a name is an import path, not the short name of a part of this package."""
    return ":" in name


def import_part(path: str, what: str) -> Any:
    """What lies at an import path such as `package.module:name`; its module is imported.

    Messages say that a network, a feature ... is expected there. ConfigError if there is no such module, or nothing of
    that name in it.
    """
    module, _, name = path.partition(":")
    if module == "__main__":
        raise ConfigError(f"{path} lies in the script itself", remedy="put it into a module that can be imported")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        problem = f"expected a {what} at {path}, but {error}"
        raise ConfigError(problem, remedy="name an installed package.module:name, or one on PYTHONPATH") from None


def locate_file(name: str, folder: Path = Path()) -> Path:
    """Where a file lies: in a folder, or, named as `package:name.toml`, in a package, which is imported.

    ConfigError if there is no such package.
    """
    if not is_import_path(name) or (folder / name).is_file():
        return folder / name
    package, _, inside = name.rpartition(":")
    try:
        return Path(str(files(package).joinpath(inside)))
    except (ImportError, ValueError) as error:
        problem = f"expected {inside} in the package {package!r}, but {error}"
        raise ConfigError(problem, remedy="have the package installed or on PYTHONPATH, or name a file") from None


def make_callable(package: str, module: str, function: str) -> None:
    """Have a package, which is being imported, called as a function of one of its modules.

    The module, by its full name, is imported when the package is first called.
    """

    class CallablePackage(ModuleType):
        def __call__(self, *args: Any, **options: Any) -> Any:
            return getattr(import_module(module), function)(*args, **options)

        @property
        def __signature__(self) -> Signature:  # what notebooks show beside the docstring
            return signature(getattr(import_module(module), function))

    sys.modules[package].__class__ = CallablePackage
