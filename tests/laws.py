"""The laws of the house as functions: source files in, violations out.

Each law takes the modules of a source tree and gives one line for every place that breaks it, so an empty list is
obedience. The laws are stated in docs/architecture.md; the allowances there and the tables here are the same.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from statistics import median

ROOT_PACKAGE = "bfrb"

RANKS = {
    "errors": 0,
    "arrays": 1,
    "files": 1,
    "parts": 1,
    "spec": 1,
    "processes": 1,
    "jobs": 2,
    "study": 2,
    "metrics": 3,
    "read": 3,
    "features": 4,
    "networks": 5,
    "simulate": 5,
    "predict": 6,
    "stream": 7,
    "export": 8,
    "train": 9,
    "cluster": 10,
    "report": 10,
    "from_keras": 10,
    "serve": 10,
    "testing": 10,
    "view": 11,
    "cli": 12,
    "__main__": 13,
}
"""Height of every part; imports point to a lower one."""

GUESTS = {
    "torch": ("networks/", "train/", "export/", "from_keras/", "testing/network_contract.py"),
    "keras": (),
    "tensorflow": (),
    "ray": ("cluster/",),
    "polars": ("study/", "read/"),
    "pickle": ("from_keras/pickled.py",),
    "matplotlib": ("report/style.py",),
    "sklearn": ("metrics/standard.py", "train/estimator.py"),
}
"""Where each framework may be imported; a folder ends in a slash."""

HEAVY = ("torch", "keras", "tensorflow", "ray", "matplotlib")
"""What prediction must not reach."""

RAW_NAME_HOMES = ("study/", "read/")
RAW_NAME = re.compile(r"(acc_[xyz]|gyr_[xyz]|rot_[wxyz]|thm_[1-5]|tof_[1-5](_v\d+)?|(thm|tof)_)")

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 30
SHARE_OF_SHORT_FUNCTIONS = 0.9
MAX_MEDIAN_LINES = 12

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported module, by its full dotted name."""

    target: str
    line: int


@dataclass(frozen=True)
class Module:
    """One source file; `path` is relative to the package."""

    path: PurePosixPath
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @cached_property
    def name(self) -> str:
        parts = [ROOT_PACKAGE, *self.path.with_suffix("").parts]
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def part(self) -> str:
        """The part of the house: `data` for bfrb.study.device, `errors` for bfrb.errors, nothing for bfrb itself."""
        return self.path.with_suffix("").parts[0].replace("__init__", "")

    def lies_in(self, places: Iterable[str]) -> bool:
        return any(
            str(self.path).startswith(place) if place.endswith("/") else str(self.path) == place for place in places
        )

    def at(self, node: ast.AST | int, complaint: str) -> str:
        line = node if isinstance(node, int) else getattr(node, "lineno", 1)
        return f"{self.path}:{line} {complaint}"

    def nodes(self, *kinds: type) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))


def read_package(folder: Path) -> list[Module]:
    """All modules of the package in a folder."""
    return [
        Module(PurePosixPath(path.relative_to(folder).as_posix()), path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    ]


def find_imports(module: Module, known: frozenset[str]) -> list[Import]:
    """Everything a module imports, anywhere in the file: at the top, inside functions, by name, for types only."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base_of(module, node)
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                found.append(Import(submodule if submodule in known else base, node.lineno))
        elif isinstance(node, ast.Call) and _name_of(node.func) in ("import_module", "__import__", "load"):
            found += [Import(text, node.lineno) for text in _texts(node.args[:1]) if "/" not in text]
    return found


def _base_of(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    if module.path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, node.module] if node.module else package)


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _texts(nodes: Iterable[ast.AST]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def build_graph(modules: Sequence[Module]) -> dict[str, list[Import]]:
    """The imports of every module, by its name."""
    known = frozenset(module.name for module in modules)
    return {module.name: find_imports(module, known) for module in modules}


def _functions(modules: Iterable[Module]) -> Iterator[tuple[Module, Function]]:
    for module in modules:
        for node in module.nodes(ast.FunctionDef, ast.AsyncFunctionDef):
            yield module, node  # type: ignore[misc]


def find_upward_imports(modules: Sequence[Module]) -> list[str]:
    """Law 1: imports point down."""
    graph = build_graph(modules)
    found = []
    for module in modules:
        for target in graph[module.name]:
            parts = target.target.split(".")
            if parts[0] != ROOT_PACKAGE or not module.part or len(parts) < 2 or parts[1] == module.part:
                continue
            if RANKS.get(parts[1], 99) >= RANKS.get(module.part, -1):
                found.append(module.at(target.line, f"imports {target.target}, which is not below it"))
    return found


def find_unranked_parts(modules: Sequence[Module]) -> list[str]:
    """Law 1: every part of the package has its place in the order."""
    return sorted({f"{module.part} has no rank" for module in modules if module.part and module.part not in RANKS})


def find_cycles(modules: Sequence[Module]) -> list[str]:
    """Law 1: no module reaches itself, through lazy imports either."""
    graph = build_graph(modules)
    return [f"{name} reaches itself through its imports" for name in graph if name in _reached_from([name], graph)]


def _reached_from(names: Sequence[str], graph: dict[str, list[Import]]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        for target in graph.get(waiting.pop(), []):
            if target.target not in reached:
                reached.add(target.target)
                waiting.append(target.target)
    return reached


def find_heavy_prediction(modules: Sequence[Module]) -> list[str]:
    """Law 2: nothing that the predictor or the servers reach imports a training framework."""
    graph = build_graph(modules)
    starts = [module.name for module in modules if module.part in ("predict", "serve", "stream")]
    reached = {*starts, *_reached_from(starts, graph)} & set(graph)
    return [
        f"{name}:{target.line} imports {target.target}, and prediction reaches it"
        for name in sorted(reached)
        for target in graph[name]
        if target.target.split(".")[0] in HEAVY
    ]


def find_guests_outside(modules: Sequence[Module]) -> list[str]:
    """Law 3: frameworks are imported in their own rooms only."""
    graph = build_graph(modules)
    return [
        module.at(target.line, f"imports {target.target}")
        for module in modules
        for target in graph[module.name]
        if not module.lies_in(GUESTS.get(target.target.split(".")[0], (str(module.path),)))
    ]


def find_raw_names(modules: Sequence[Module]) -> list[str]:
    """Law 4: raw column names live in the device descriptions and the readers."""
    return [
        module.at(node, f"names the raw column {text!r}")
        for module in modules
        if not module.lies_in(RAW_NAME_HOMES)
        for node in module.nodes(ast.Constant)
        for text in _texts([node])
        if RAW_NAME.fullmatch(text)
    ]


def find_hidden_randomness(modules: Sequence[Module]) -> list[str]:
    """Random numbers come from a generator that was passed in, or from a seed."""
    found = [
        module.at(node, "makes a generator without a seed")
        for module in modules
        for node in module.nodes(ast.Call)
        if isinstance(node, ast.Call) and _name_of(node.func) == "default_rng" and not (node.args or node.keywords)
    ]
    graph = build_graph(modules)
    return found + [
        module.at(target.line, "imports random")
        for module in modules
        for target in graph[module.name]
        if target.target == "random"
    ]


def find_vague_files(modules: Sequence[Module]) -> list[str]:
    """A helper lives with its noun."""
    return [module.at(1, "has a name that says nothing") for module in modules if module.path.stem in VAGUE_NAMES]


def find_long_files(modules: Sequence[Module]) -> list[str]:
    """A file can be read in one sitting."""
    return [
        module.at(1, f"has {lines} lines")
        for module in modules
        if (lines := len(module.text.splitlines())) > MAX_FILE_LINES
    ]


def find_long_functions(modules: Sequence[Module]) -> list[str]:
    """Nine functions in ten have at most thirty lines besides their docstring, and half of them about ten."""
    sizes = {module.at(function, function.name): count_lines(function) for module, function in _functions(modules)}
    if not sizes:
        return []
    long = {place: size for place, size in sizes.items() if size > MAX_FUNCTION_LINES}
    found = []
    if len(long) > (1 - SHARE_OF_SHORT_FUNCTIONS) * len(sizes):
        found += [f"{place} has {size} lines" for place, size in long.items()]
    if median(sizes.values()) > MAX_MEDIAN_LINES:
        found.append(f"the median function has {median(sizes.values())} lines")
    return found


def count_lines(function: Function) -> int:
    """Lines of a function, signature included, docstring left out."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    docstring = function.body[0]
    return lines - ((docstring.end_lineno or docstring.lineno) - docstring.lineno + 1)
