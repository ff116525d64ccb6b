"""`bfrb devices`: whose files are read, and a first description of a file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bfrb.cli.show import print_table

devices = typer.Typer(help="Whose files are read; `bfrb devices describe FILE` begins a description of your own.")


@devices.callback(invoke_without_command=True)
def list_devices(context: typer.Context) -> None:
    """List the descriptions that come with this package: names for --dataset and --device."""
    if context.invoked_subcommand is not None:
        return
    from bfrb.study.description import find_description, known_descriptions

    found = [find_description(name) for name in known_descriptions()]
    rows = [(one.name, one.title, " ".join(one.sensors), one.tested or "no real file", one.note) for one in found]
    print_table("Devices", ("name", "what", "sensors", "tested on", "mind"), rows)


@devices.command()
def describe(
    file: Annotated[Path, typer.Argument(help="A file of your device.", exists=True, dir_okay=False)],
    out: Annotated[Path | None, typer.Option(help="Where it goes, such as study.toml; else it is printed.")] = None,
) -> None:
    """Look at a file and write a description of it, with a question where something cannot be known."""
    from bfrb.errors import ConfigError
    from bfrb.files import write_text
    from bfrb.read.describing import describe_file

    text = describe_file(file)
    if out is None:
        print(text, end="")
        return
    if out.exists():
        raise ConfigError(f"{out} is there already", remedy="choose another place for the description")
    write_text(out, text)
    print(f"wrote {out}: answer what begins with ? in it, then try `bfrb check {file.parent} --dataset {out}`")
