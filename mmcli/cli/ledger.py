"""mmcli ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmcli.cli import options

NAME = "ledger"


def command(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder.", show_default=False)],
    status: Annotated[
        list[str], typer.Option(help="Only missing, corrupt or skipped; repeatable.", show_default=False)
    ] = [],
    modality: Annotated[list[str], typer.Option(help="Only this modality; repeatable.", show_default=False)] = [],
    count: Annotated[bool, typer.Option("--count", help="How many there are of each reason.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    debug: options.Debug = False,
) -> None:
    """List the inputs that are not ok: sample, modality, status, reason and path."""
    del debug
    from mmcli.console.records import show_ledger
    from mmcli.stages.ledger import read_ledger

    show_ledger(read_ledger(artifact, status, modality), count, json)
