"""mmcli inspect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmcli.cli import options

NAME = "inspect"


def command(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder.", show_default=False)],
    problems: Annotated[int, typer.Option(min=0, help="Ledger lines to show.")] = 10,
    json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Show what an artifact holds: modalities, shapes, counts, ledger, and the command that made it."""
    del debug
    from mmcli.console.records import show_artifact
    from mmcli.stages.inspect import inspect

    show_artifact(inspect(artifact, problems), json)
