"""mmcli list."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mmcli.cli import options

NAME = "list"


def command(
    what: Annotated[
        Literal["extractors", "fusion", "encoders", "tasks", "all"], typer.Argument(help="Which names.")
    ] = "all",
    json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """List the names that options take: extractors by kind, fusion methods, encoders, tasks."""
    del debug
    from mmcli.console.records import show_names
    from mmcli.stages.names import registered_names

    show_names(registered_names(what), json)
