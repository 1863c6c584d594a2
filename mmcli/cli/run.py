"""mmcli run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmcli.cli import options

NAME = "run"


def command(
    pipeline: Annotated[Path, typer.Argument(help="A YAML file.", show_default=False)],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for all artifacts; by default the file's own `output`.",
            show_default=False,
        ),
    ] = None,
    jobs: options.Jobs = None,
    fresh: options.Fresh = False,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Run the stages that a YAML file names, in order; what is up to date is reused.

    The file has a source, an output folder, and stages with the options of their commands.
    """
    del debug
    from mmcli.console import Console
    from mmcli.console.results import show_result
    from mmcli.stages.pipeline import run_pipeline

    for result in run_pipeline(pipeline, output, jobs=jobs, fresh=fresh, reporter=Console(quiet)):
        if json or not quiet:
            show_result(result, json)
