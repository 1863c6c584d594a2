"""mmcli clean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmcli.cli import options

NAME = "clean"


def command(
    folder: Annotated[Path, typer.Argument(help="Where to look, at any depth.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Remove them; without it they are only listed.")] = False,
    json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """List what interrupted runs have left, and remove it with --yes.

    A run that is started again uses what was left of it; after this it begins anew. What is being written is kept.
    """
    del debug
    from mmcli.console.records import show_leftovers
    from mmcli.stages.clean import find_leftovers, remove

    found = find_leftovers(folder)
    show_leftovers(found, remove(found) if yes else [], json)
