"""The laws of the house (docs/architecture.md) as functions: modules of a tree in, a line for every violation out."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from statistics import median

ROOT_PACKAGE = "bfrb"

FLOORS = """
errors
arrays files parts spec processes
jobs study
metrics read
features
networks simulate
predict
stream
export
train
cluster report from_keras serve testing
view
cli
__main__
"""
RANKS = {part: rank for rank, floor in enumerate(FLOORS.strip().split("\n")) for part in floor.split()}
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

Imports = list[tuple[str, int]]
"""Full dotted names of modules, and the lines that import them."""


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
        """The part of the house: `study` for bfrb.study.device, `errors` for bfrb.errors, nothing for bfrb itself."""
        return self.path.with_suffix("").parts[0].replace("__init__", "")

    def lies_in(self, places: Sequence[str]) -> bool:
        return any(
            str(self.path).startswith(place) if place[-1] == "/" else str(self.path) == place for place in places
        )

    def at(self, line: int, complaint: str) -> str:
        return f"{self.path}:{line} {complaint}"

    def texts(self) -> Iterator[tuple[str, int]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value, node.lineno

    def calls(self, *names: str) -> Iterator[ast.Call]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in names:
                yield node


def read_package(folder: Path) -> list[Module]:
    """All modules of the package in a folder."""
    return [
        Module(PurePosixPath(path.relative_to(folder).as_posix()), path.read_text(encoding="utf-8"))
        for path in sorted(folder.rglob("*.py"))
    ]


def find_imports(module: Module, known: frozenset[str]) -> Imports:
    """Everything a module imports, anywhere in the file: at the top, inside functions, by name, for types only."""
    found: Imports = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base_of(module, node)
            named = [f"{base}.{alias.name}" for alias in node.names]
            found += [(name if name in known else base, node.lineno) for name in named]
    for call in module.calls("import_module", "__import__", "load"):
        text = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        found += [(text, call.lineno)] if isinstance(text, str) and "/" not in text else []
    return found


def _base_of(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    package = package[: len(package) - node.level + (module.path.name == "__init__.py")]
    return ".".join([*package, node.module] if node.module else package)


def build_graph(modules: Sequence[Module]) -> dict[str, Imports]:
    """The imports of every module, by its name."""
    known = frozenset(module.name for module in modules)
    return {module.name: find_imports(module, known) for module in modules}


def find_upward_imports(modules: Sequence[Module]) -> list[str]:
    """Law 1: imports point down."""
    graph = build_graph(modules)
    return [
        module.at(line, f"imports {target}, which is not below it")
        for module in modules
        for target, line in graph[module.name]
        for root, part in [(*target.split("."), "")[:2]]
        if root == ROOT_PACKAGE and module.part and part not in ("", module.part)
        if RANKS.get(part, 99) >= RANKS.get(module.part, -1)
    ]


def find_unranked_parts(modules: Sequence[Module]) -> list[str]:
    """Law 1: every part of the package has its place in the order."""
    return sorted({f"{module.part} has no rank" for module in modules if module.part and module.part not in RANKS})


def find_cycles(modules: Sequence[Module]) -> list[str]:
    """Law 1: no module reaches itself, through lazy imports either."""
    graph = build_graph(modules)
    return [f"{name} reaches itself through its imports" for name in graph if name in _reached_from([name], graph)]


def _reached_from(names: Sequence[str], graph: dict[str, Imports]) -> set[str]:
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        new = {target for target, _ in graph.get(waiting.pop(), [])} - reached
        reached |= new
        waiting += new
    return reached


def find_heavy_prediction(modules: Sequence[Module]) -> list[str]:
    """Law 2: nothing that the predictor or the servers reach imports a training framework."""
    graph = build_graph(modules)
    starts = [module.name for module in modules if module.part in ("predict", "serve", "stream")]
    return [
        f"{name}:{line} imports {target}, and prediction reaches it"
        for name in sorted({*starts, *_reached_from(starts, graph)} & set(graph))
        for target, line in graph[name]
        if target.split(".")[0] in HEAVY
    ]


def find_guests_outside(modules: Sequence[Module]) -> list[str]:
    """Law 3: frameworks are imported in their own rooms only."""
    graph = build_graph(modules)
    return [
        module.at(line, f"imports {target}")
        for module in modules
        for target, line in graph[module.name]
        if not module.lies_in(GUESTS.get(target.split(".")[0], (str(module.path),)))
    ]


def find_raw_names(modules: Sequence[Module]) -> list[str]:
    """Law 4: raw column names live in the device descriptions and the readers."""
    return [
        module.at(line, f"names the raw column {text!r}")
        for module in modules
        if not module.lies_in(RAW_NAME_HOMES)
        for text, line in module.texts()
        if RAW_NAME.fullmatch(text)
    ]


def find_hidden_randomness(modules: Sequence[Module]) -> list[str]:
    """Random numbers come from a generator that was passed in, or from a seed."""
    graph, found = build_graph(modules), []
    for module in modules:
        seedless = [call for call in module.calls("default_rng") if not (call.args or call.keywords)]
        found += [module.at(call.lineno, "makes a generator without a seed") for call in seedless]
        found += [module.at(line, "imports random") for target, line in graph[module.name] if target == "random"]
    return found


def find_vague_files(modules: Sequence[Module]) -> list[str]:
    """A helper lives with its noun."""
    return [module.at(1, "has a name that says nothing") for module in modules if module.path.stem in VAGUE_NAMES]


def find_long_files(modules: Sequence[Module]) -> list[str]:
    """A file can be read in one sitting."""
    sizes = {module: len(module.text.splitlines()) for module in modules}
    return [module.at(1, f"has {lines} lines") for module, lines in sizes.items() if lines > MAX_FILE_LINES]


def find_long_functions(modules: Sequence[Module]) -> list[str]:
    """Nine functions in ten have at most thirty lines besides their docstring, and half of them about ten."""
    sizes = {
        module.at(node.lineno, node.name): count_lines(node)
        for module in modules
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    long = [f"{place} has {size} lines" for place, size in sizes.items() if size > MAX_FUNCTION_LINES]
    found = long if len(long) > (1 - SHARE_OF_SHORT_FUNCTIONS) * len(sizes) else []
    middle = median(sizes.values() or [0])
    return [*found, *([f"the median function has {middle} lines"] if middle > MAX_MEDIAN_LINES else [])]


def count_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, signature included, docstring left out."""
    parts = [function, *([function.body[0]] if ast.get_docstring(function) else [])]
    lines = [(part.end_lineno or part.lineno) - part.lineno + 1 for part in parts]
    return lines[0] - sum(lines[1:])
