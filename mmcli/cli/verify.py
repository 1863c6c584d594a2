"""mmcli verify."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmcli.cli import options

NAME = "verify"


def command(
    artifact: Annotated[Path, typer.Argument(help="An artifact's folder.", show_default=False)],
    media: Annotated[
        bool, typer.Option("--media", help="Also compare the files that rows name with what was decoded.")
    ] = False,
    root: options.Root = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Recompute every hash of an artifact and its chain; say what has changed. Exit code 4 if anything has."""
    del debug
    from mmcli.console import Console
    from mmcli.console.records import show_differences
    from mmcli.errors import DifferenceError
    from mmcli.stages.verify import verify

    found = verify(artifact, media=media, root=root, reporter=Console(quiet))
    show_differences(found, json)
    if found:
        raise DifferenceError(f"{artifact}: {len(found)} differences, the first: {found[0].where}: {found[0].what}")
