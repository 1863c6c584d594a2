"""The command line: one file a command, each turning flags into one stage call and printing what it returns."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from mmcli.cli import (
    check,
    clean,
    evaluate,
    extract_features,
    fuse,
    inspect,
    ledger,
    list_names,
    predict,
    preprocess,
    run,
    train,
    verify,
)
from mmcli.errors import MmcliError

_FAILED, _INTERRUPTED = 1, 130
_USER_OS_ERRORS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than this process may write (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission",
}

app = typer.Typer(
    name="mmcli",
    help="Multimodal learning from the command line: six stages, each reads and writes artifacts on disk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich for it would take it past 0.3 s
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (preprocess, extract_features, fuse, train, evaluate, predict):
    app.command(module.NAME, rich_help_panel="Stages, in order")(module.command)
for module in (run, check, list_names, inspect, ledger, verify, clean):
    app.command(module.NAME, rich_help_panel="Beside them")(module.command)


def _show_version(wanted: bool) -> None:
    if wanted:
        from mmcli import __version__

        print(f"mmcli {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main() -> NoReturn:
    """Run the command line: the one place where errors become a line and an exit code."""
    # Threads that wait for each other sleep: on a machine that others use too, spinning makes training twice as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, lambda number, frame: signal.raise_signal(signal.SIGINT))
    try:
        app()
    except MmcliError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in _USER_OS_ERRORS:
            raise
        _fail(f"{error.filename or 'writing'}: {_USER_OS_ERRORS[error.errno]}", _FAILED)
    except KeyboardInterrupt:
        _fail("interrupted", _INTERRUPTED)
    sys.exit(0)


def _fail(message: str, code: int) -> NoReturn:
    if "--debug" in sys.argv:
        traceback.print_exc()
    stage = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    one_line = " ".join(message.split())
    print(f"mmcli {stage}: error: {one_line}" if stage else f"mmcli: error: {one_line}", file=sys.stderr)
    sys.exit(code)
