"""mmcli list."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mmcli.cli import options

NAME = "list"


def command(
    what: Annotated[
        Literal["extractors", "fusion", "encoders", "models", "tasks", "all"], typer.Argument(help="Which names.")
    ] = "all",
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Their options; of encoders also features, parameters, weights, licence.")
    ] = False,
    json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """List the names that options take: extractors by kind, fusion methods, encoders, models, tasks."""
    del debug
    if verbose and what == "encoders":
        from mmcli.console.records import show_cards
        from mmcli.stages.cards import encoder_cards

        show_cards(encoder_cards(), json)
        return
    from mmcli.console.records import show_names
    from mmcli.stages.names import registered_names

    show_names(registered_names(what, verbose), json)
