"""What the repository says about itself is true: versions, pins, commands, examples, links, clean files."""

import ast
import importlib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from bfrb.cli import app

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[\s$/`])bfrb ([a-z][a-z-]+)((?:[^\n`|#\\]|\\\n)*)")
MACHINE = re.compile(r"(?<![\w.~])/(?:work|root|home|opt|Users|mnt)/|file:[/]{2}|(?:index-url|find-links)[ =]")
MAX_TRACKED_BYTES = 500_000


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked_files() -> list[Path]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    done = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=True)
    files = [ROOT / name for name in done.stdout.split("\0") if name]
    assert files
    return [file for file in files if file.is_file()]


def code_blocks(text: str, *languages: str) -> list[str]:
    return [code for language, code in BLOCK.findall(text) if language in languages]


def named_commands(text: str) -> list[tuple[str, list[str]]]:
    """Every `bfrb command --option ...` in a page's shell blocks and inline code, with its options."""
    inline = re.findall(r"`(bfrb [^`\n]+)`", BLOCK.sub("", text))
    found = COMMAND.findall("\n".join([*code_blocks(text, "", "console", "bash", "sh"), *inline]))
    return [(command, re.findall(r"(?<=\s)--[a-z0-9-]+", rest)) for command, rest in found]


def known_options() -> dict[str, set[str]]:
    """The options of every command of the command line."""
    group: Any = typer.main.get_command(app)
    return {name: {"--help", *options_of(command)} for name, command in group.commands.items()}


def options_of(command: Any) -> set[str]:
    """The options of a command, and of the commands below it."""
    below = [options_of(one) for one in getattr(command, "commands", {}).values()]
    return {option for parameter in command.params for option in parameter.opts}.union(*below)


def test_every_command_is_documented() -> None:
    named = {command for page in PAGES for command, _ in named_commands(page.read_text())}
    assert set(known_options()) <= named


def missing_names(code: str) -> list[str]:
    """The names of bfrb that an example uses and that do not exist."""
    missing = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "bfrb":
            module = importlib.import_module(node.module or "")
            missing += [alias.name for alias in node.names if not hasattr(module, alias.name)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "bfrb":
            missing += [node.attr] * (not hasattr(importlib.import_module("bfrb"), node.attr))
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_names_links_and_make_targets_in_the_pages_exist(page: Path) -> None:
    text, known = page.read_text(), known_options()
    named = [(name, {"--help", *options}) for name, options in named_commands(text)]
    unknown = [f"{name} {options}" for name, options in named if not options <= known.get(name, set())]
    unknown += [name for code in code_blocks(text, "python") for name in missing_names(code)]
    links = re.findall(r"\]\((?!https?://|mailto:|#)([^)#\s]+)", text)
    unknown += [link for link in links if not page.parent.joinpath(link).exists()]
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    unknown += set(re.findall(r"(?:`|^ *\$? ?)make ([a-z]+)", text, re.MULTILINE)) - targets
    assert unknown == []


def test_every_setting_has_one_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    make_page = importlib.import_module("settings_page").make_page
    told = tomllib.loads((ROOT / "docs/settings.toml").read_text(encoding="utf-8"))
    assert "| `body.tremor_m` | Size" in make_page(told)
    for key, meaning in (("seed", ""), ("sede", "Unknown."), ("seeds", "Its docstring says it.")):
        with pytest.raises(ValueError, match=rf"\b{key}\b"):
            make_page({**told, "RunSpec": {**told["RunSpec"], key: meaning}})


def test_the_changelog_and_the_citation_name_the_version() -> None:
    version = project()["project"]["version"]
    [newest, *_] = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest == version
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


def test_every_release_tells_its_scientific_changes() -> None:
    releases = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1:]
    assert releases
    assert all("\n### Scientific changes\n" in release for release in releases)


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {normalised(name): version for name, _, version in (line.partition("==") for line in lines)}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_has_an_exact_version() -> None:
    declared = project()["project"]
    needs = sum(declared["optional-dependencies"].values(), declared["dependencies"])
    names = {normalised(re.split(r"[\[<>=!~; ]", need)[0]) for need in needs} - {"bfrb"}
    assert names <= set(pins())
    assert all(re.fullmatch(r"\d[\w.]*", version) for version in pins().values()), "local or missing versions"


def test_the_conda_recipe_has_the_same_bounds() -> None:
    recipe = (ROOT / "packaging/conda/meta.yaml").read_text().partition("  run:\n")[2].partition("\n\n")[0]
    needs = {line.strip("- ").replace(" ", "") for line in recipe.splitlines() if "python" not in line}
    assert needs == set(project()["project"]["dependencies"])


def test_the_workflow_runs_every_supported_python() -> None:
    classified = {text.rpartition(" ")[2] for text in project()["project"]["classifiers"] if ":: 3." in text}
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert classified == set(re.findall(r'"(3\.\d+)"', workflow))


def test_no_tracked_file_names_a_machine() -> None:
    found = []
    for file in tracked_files():
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        found += [f"{file.name}:{number} {line}" for number, line in enumerate(lines, 1) if MACHINE.search(line)]
    assert found == []


def test_no_data_is_tracked() -> None:
    suffixes = {".parquet", ".onnx", ".pkl", ".pt", ".safetensors", ".npy", ".h5", ".zip"}
    found = [
        file.name for file in tracked_files() if file.suffix in suffixes or file.stat().st_size > MAX_TRACKED_BYTES
    ]
    assert found == []


def test_tests_of_the_core_need_no_torch() -> None:
    """They are run with the lowest versions of the core alone (`lowest` in `.github/workflows/ci.yml`)."""
    tests = ROOT / "tests"
    waiting = [path for name in ("study", "features", "metrics", "read") for path in (tests / name).glob("*.py")]
    for path in waiting:  # and what they import of these tests
        names = re.findall(r"^(?:from|import) ([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert "torch" not in names, path
        waiting += [own for name in names if (own := tests / f"{name}.py").is_file() and own not in waiting]
