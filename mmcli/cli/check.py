"""mmcli check."""

from __future__ import annotations

import inspect
import typing
from typing import Annotated, Any

import typer

from mmcli.cli import preprocess

NAME = "check"
_NOT_TAKEN = ("output", "on_error", "on_leak", "only_failed", "fresh")
_SAMPLE = Annotated[int, typer.Option(min=1, help="Rows whose inputs are read and decoded, drawn by the seed.")]
_ALL = Annotated[bool, typer.Option("--all", help="Read and decode the inputs of every row.")]


def command(source: str, **values: Any) -> None:
    """Look at a table before a long job: columns as inferred, what is missing or cannot be read, disk and time needed.

    Takes the options of preprocess, so that one word turns the one command into the other. The whole table is read,
    a sample of its files is decoded, and nothing is written. Exit code 3 if more is bad than --max-errors.
    """
    from mmcli.console import Console
    from mmcli.console.check import show_check
    from mmcli.stages.check import check, refuse_too_many

    max_errors, json, quiet = values.pop("max_errors"), values.pop("json"), values.pop("quiet")
    sample, every = values.pop("sample"), values.pop("all")
    del values["config"], values["debug"]
    report = check(source, sample=None if every else sample, reporter=Console(quiet), **values)
    show_check(report, json)
    refuse_too_many(report, max_errors)


def _signature() -> inspect.Signature:
    """Return what preprocess takes, less what is about writing, and the size of the sample."""
    hints = typing.get_type_hints(preprocess.command, include_extras=True)
    taken = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(preprocess.command).parameters.values()
        if parameter.name not in _NOT_TAKEN
    ]
    own = [
        inspect.Parameter("sample", inspect.Parameter.KEYWORD_ONLY, default=500, annotation=_SAMPLE),
        inspect.Parameter("all", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_ALL),
    ]
    return inspect.Signature([*taken, *own])


command.__signature__ = _signature()  # type: ignore[attr-defined]  # Typer reads the options from it
command.__annotations__ = {name: parameter.annotation for name, parameter in _signature().parameters.items()}
