"""mmcli compare."""

from __future__ import annotations

import inspect
import typing
from pathlib import Path
from typing import Annotated, Any

import typer

from mmcli.cli import train

NAME = "compare"
_SOURCE = Annotated[
    list[str],
    typer.Argument(
        help="An artifact of preprocess or extract-features, or - ; several are joined by id.", show_default=False
    ),
]
_METHODS = Annotated[
    list[str],
    typer.Option(
        help="Fusion method; by default each modality alone and every method. Repeatable.", show_default=False
    ),
]
_SEEDS = Annotated[str, typer.Option(help="How many, from --seed on, or which: 0,1,2.")]
_METRIC = Annotated[str | None, typer.Option(help="Of the task; by default its main one.", show_default=False)]
_KEEP = Annotated[
    Path | None,
    typer.Option(help="Folder for a model of each method, that of its best seed on val.", show_default=False),
]


def command(source: list[str], output: Path, **values: Any) -> None:
    """Train many fusion methods with several seeds and hold each against the best single modality, on the val rows.

    Takes the options of train. A table, a figure and every run's predictions are written; the test rows are not read.
    Runs that are done are not done again: after Ctrl-C, or with one more --method, the same command does the rest.
    """
    from mmcli.console import Console
    from mmcli.console.comparison import show_comparison
    from mmcli.stages.compare import compare

    json, quiet = values.pop("json"), values.pop("quiet")
    del values["config"], values["debug"]
    show_comparison(compare(source, output, reporter=Console(quiet), **values), json)


def _signature() -> inspect.Signature:
    """Return what train takes, with many methods in place of one, and seeds, metric and what to keep."""
    hints = {**typing.get_type_hints(train.command, include_extras=True), "source": _SOURCE}
    taken = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(train.command).parameters.values()
        if parameter.name not in ("method", "folds", "keep")
    ]
    own = [
        inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=annotation)
        for name, annotation, default in (
            ("method", _METHODS, []), ("seeds", _SEEDS, "5"), ("metric", _METRIC, None), ("keep", _KEEP, None),
        )
    ]  # fmt: skip
    required = [parameter for parameter in taken if parameter.default is parameter.empty]
    return inspect.Signature([*required, *own, *taken[len(required) :]])


command.__signature__ = _signature()  # type: ignore[attr-defined]  # Typer reads the options from it
command.__annotations__ = {name: parameter.annotation for name, parameter in _signature().parameters.items()}
