"""mmcli extract-features."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from mmcli.cli import options

NAME = "extract-features"


def command(
    source: options.Source,
    output: options.Output,
    use: Annotated[
        list[str],
        typer.Option(
            help="MODALITY=EXTRACTOR:key=value,…; repeatable, also for one modality. none leaves it out. "
            "See mmcli list extractors.",
            show_default=False,
        ),
    ] = [],
    dtype: Annotated[Literal["float32", "float16"], typer.Option(help="Of the features.")] = "float32",
    limit: options.Limit = None,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    deterministic: options.Deterministic = False,
    precision: options.Precision = "auto",
    batch_size: options.BatchSize = None,
    compile: options.Compile = False,
    fresh: options.Fresh = False,
    config: options.Config = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Turn preprocessed samples into features, with frozen extractors.

    A modality that no --use names gets a default of its kind that needs no weights. What an extractor learns, such
    as the terms of TF-IDF, it learns from the train rows.
    """
    del config, debug
    from mmcli.console import Console
    from mmcli.console.results import show_stage
    from mmcli.stages.extract_features import extract_features

    summary = extract_features(
        source, output, use=use, dtype=dtype, limit=limit, jobs=jobs, seed=seed, device=device,
        deterministic=deterministic, precision=precision,
        batch_size=batch_size, compile=compile, fresh=fresh, reporter=Console(quiet),
    )  # fmt: skip
    show_stage(summary, json)
