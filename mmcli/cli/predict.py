"""mmcli predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmcli.cli import options

NAME = "predict"


def command(
    model: options.ModelFolder,
    source: options.Rows,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="FILE.jsonl, .csv or .parquet; JSON lines on standard output without.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        Literal["weights"] | None,
        typer.Option(
            help="weights: how much the fusion weighed each feature of a row, 0 where it is absent.", show_default=False
        ),
    ] = None,
    root: options.Root = None,
    encoding: options.Encoding = "utf-8",
    limit: options.Limit = None,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    deterministic: options.Deterministic = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Predict rows: label, labels or value, probabilities, modalities used, and why others were not.

    Ids and order are those of the input. From - JSON lines are answered one by one, as they come.
    """
    del config, debug
    from mmcli.console import Console, print_lines
    from mmcli.stages.predict import check_suffix, predict, write_predictions

    reporter = Console(quiet)
    if output is not None:
        check_suffix(output)
    groups = predict(
        model, source, root=root, encoding=encoding, limit=limit, jobs=jobs, seed=seed, device=device,
        deterministic=deterministic, explain=explain, reporter=reporter,
    )  # fmt: skip
    if output is None:
        for rows in groups:
            print_lines(rows)
    else:
        reporter.note(f"{write_predictions(output, groups)} predictions in {output}")
