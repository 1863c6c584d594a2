"""The command line: one file a command, each turning flags into one stage call and printing what it returns."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import os
import signal
import sys
import traceback
from typing import Annotated, NoReturn

import typer

from mmcli.cli import (
    check,
    clean,
    compare,
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
from mmcli.reporting import visible

_M_ARENA_MAX = -8  # of malloc.h
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130
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
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich for it would take it past 0.3 s
    context_settings={"help_option_names": ["-h", "--help"]},
)
_STAGES = (preprocess, extract_features, fuse, train, evaluate, predict)
_BESIDE = (run, compare, check, list_names, inspect, ledger, verify, clean)
_COMMANDS = {module.NAME for module in (*_STAGES, *_BESIDE)}
for module in (*_STAGES, *_BESIDE):
    app.command(module.NAME)(module.command)


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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path that is not UTF-8 is shown, and is JSON all the same
    _share_one_heap()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Not standalone, so that Typer raises and what it raises becomes a line here like any other error.
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except MmcliError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in _USER_OS_ERRORS:
            raise
        _fail(f"{error.filename or 'writing'}: {_USER_OS_ERRORS[error.errno]}", _FAILED)
    except KeyboardInterrupt:
        _fail("interrupted", _INTERRUPTED)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # Typer shows no class for what it raises itself
        if usage is None:
            raise
        _fail(f"{usage().rstrip('.')} (mmcli {_command()} --help tells more)".replace("  ", " "), _USAGE)
    sys.exit(code or 0)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Stop as Ctrl-C does; a shell's background job, which ignores that signal itself, stops by this one, too."""
    raise KeyboardInterrupt


def _share_one_heap() -> None:
    """Let the workers share one heap: glibc keeps what each has freed in a heap of its own, and these grow."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _command() -> str:
    return next((word for word in sys.argv[1:] if word in _COMMANDS), "")


def _fail(message: str, code: int) -> NoReturn:
    if "--debug" in sys.argv:
        traceback.print_exc()
    stage = _command()
    one_line = visible(" ".join(message.split()))
    print(f"mmcli {stage}: error: {one_line}" if stage else f"mmcli: error: {one_line}", file=sys.stderr)
    sys.exit(code)
