"""mmcli fuse."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mmcli.cli import options

NAME = "fuse"


def command(
    sources: Annotated[
        list[str],
        typer.Argument(help="Feature artifacts, joined by id, or - for rows on standard input.", show_default=False),
    ],
    output: options.Output,
    method: Annotated[str, typer.Option(help="See mmcli list fusion.")] = "concat",
    pooling: Annotated[
        Literal["mean", "max", "attention"],
        typer.Option(
            help="Of sequences and feature maps, for methods that take vectors; attention is learnt by train."
        ),
    ] = "mean",
    limit: options.Limit = None,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    fresh: options.Fresh = False,
    config: options.Config = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Scale and align the features of all modalities, and say how they become one.

    Scales are learnt from the train rows. A static method also writes the tensor `fused`; a learnt one is trained by
    train as its first layer, as is --pooling attention; a late one combines what a model of each modality predicts.
    Which modalities a sample has is kept, and every method honours it.
    """
    del config, debug
    from mmcli.console import Console
    from mmcli.console.results import show_stage
    from mmcli.stages.fuse import fuse

    summary = fuse(
        sources,
        output,
        method=method,
        pooling=pooling,
        limit=limit,
        jobs=jobs,
        seed=seed,
        fresh=fresh,
        reporter=Console(quiet),
    )
    show_stage(summary, json)
