"""mmcli evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmcli.cli import options

NAME = "evaluate"


def command(
    model: options.ModelFolder,
    source: options.Rows,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for metrics.json and predictions.jsonl.", show_default=False),
    ] = None,
    split: options.Split = "test",
    target: Annotated[
        str | None,
        typer.Option(help="Column with the targets; by default the one trained on.", show_default=False),
    ] = None,
    positive: options.Positive = [],
    modalities: options.Modalities = [],
    labels_from: Annotated[
        str | None,
        typer.Option(
            help="Of a retrieval model: measure how often the nearest name in this column is the row's own.",
            show_default=False,
        ),
    ] = None,
    template: options.Template = "{}",
    root: options.Root = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    quoting: options.Quoting = "auto",
    header: options.Header = [],
    sheet: options.Sheet = None,
    tensor: options.Arrays = [],
    limit: options.Limit = None,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    deterministic: options.Deterministic = False,
    fresh: options.Fresh = False,
    config: options.Config = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure a model on rows whose targets are known: metrics with intervals, a baseline, and fewer modalities."""
    del config, debug
    from mmcli.console import Console
    from mmcli.console.results import show_report
    from mmcli.stages.evaluate import evaluate

    report = evaluate(
        model, source, output, split=split, target=target, positive=positive, modalities=modalities, root=root,
        encoding=encoding, delimiter=delimiter, quoting=quoting, header=header, sheet=sheet, tensor=tensor,
        limit=limit, jobs=jobs,
        seed=seed, device=device, deterministic=deterministic, fresh=fresh,
        labels_from=labels_from, template=template, reporter=Console(quiet),
    )  # fmt: skip
    show_report(report, json)
