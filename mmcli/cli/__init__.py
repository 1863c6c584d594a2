"""The command line: turns the catalogue into commands, and errors into one line and an exit code."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from mmcli.cli.commands import command_of
from mmcli.cli.help import list_of_commands
from mmcli.errors import MmcliError, unknown_name
from mmcli.reporting import visible
from mmcli.runtime import device_failure
from mmcli.stages.catalogue import CATALOGUE

_M_ARENA_MAX = -8  # of malloc.h
_ABOUT = (
    "Train and evaluate models on tables of text, images, audio, video and numbers. Each stage but "
    "predict writes a folder (an artifact) that later stages read."
)
_FAILED, _USAGE, _INTERRUPTED = 1, 2, 130
_USER_OS_ERRORS = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is exceeded",
    errno.EFBIG: "the file would be larger than this process may write (ulimit -f)",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
}


class _Commands(TyperGroup):
    """Makes only the command that is called, and lists all commands under headings."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands."""
        return list(CATALOGUE)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, or None if there is no such command."""
        if cmd_name not in CATALOGUE:
            return None
        if cmd_name not in self.commands:
            self.commands[cmd_name] = command_of(CATALOGUE[cmd_name])
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that is called.

        Raises:
            UsageError: There is no such command.
        """
        if args[0] not in CATALOGUE:
            raise unknown_name("command", args[0], CATALOGUE)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of commands."""
        formatter.write(f"\n{list_of_commands()}\n\nmmcli COMMAND --help shows the options of a command.\n")


app = typer.Typer(
    name="mmcli",
    cls=_Commands,
    help=_ABOUT,
    pretty_exceptions_enable=False,
    add_completion=True,
    rich_markup_mode=None,  # plain help: importing rich would take longer than 0.3 s
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    """Run the command line; the only place where errors become one line and an exit code."""
    # Waiting threads sleep: on a shared machine, spinning makes training twice as slow.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # shows paths that are not UTF-8, still as valid JSON
    _share_one_heap()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # Not standalone, so that Typer raises its errors and they are handled here like all others.
        code = app(sys.argv[1:] or ["--help"], prog_name="mmcli", standalone_mode=False)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
    except MmcliError as error:
        _fail(error.lines, error.exit_code)
    except OSError as error:
        if error.errno not in _USER_OS_ERRORS:
            raise
        _fail([f"{error.filename or 'writing'}: {_USER_OS_ERRORS[error.errno]}"], _FAILED)
    except KeyboardInterrupt:
        _fail(["interrupted"], _INTERRUPTED)
    except RuntimeError as error:
        told = device_failure(error) if "torch" in sys.modules else None
        if told is None:
            raise
        _fail([told], _FAILED)
    except Exception as error:
        usage = getattr(error, "format_message", None)  # Typer does not export the class of its own errors
        if usage is None:
            raise
        _fail([f"{usage().rstrip('.')} (see mmcli {_command()} --help)".replace("  ", " ")], _USAGE)
    sys.exit(code or 0)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Stop as Ctrl-C does, for SIGTERM, since background jobs of a shell ignore SIGINT."""
    raise KeyboardInterrupt


def _share_one_heap() -> None:
    """Let all threads share one heap: glibc's per-thread heaps keep freed memory and grow."""
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _command() -> str:
    return next((word for word in sys.argv[1:] if word in CATALOGUE), "")


def _fail(messages: Sequence[str], code: int) -> NoReturn:
    if "--debug" in sys.argv:
        traceback.print_exc()
    stage = _command()
    for message in messages:
        one_line = visible(" ".join(message.split()))
        print(f"mmcli {stage}: error: {one_line}" if stage else f"mmcli: error: {one_line}", file=sys.stderr)
    sys.exit(code)
