"""What a cell may name beside a file that is there: nothing, no file, or one outside the root."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.forms.form import Form
from tests.forms.images import OPTIONS, RGB, bad, ok, shows
from tests.forms.pictures import COLOURS, encode

CONFINED = {**OPTIONS, "confine": True}
OUTSIDE = "outside the media root"


@cache
def _folder() -> TemporaryDirectory:
    """A folder with a picture, beside the tables' folders; it goes when the tests end."""
    folder = TemporaryDirectory()
    (Path(folder.name) / "a picture.png").write_bytes(encode(RGB, "PNG"))
    return folder


def place(name: str) -> str:
    return str(Path(_folder().name) / name)


def link(name: str, target: str) -> str:
    path = Path(place(name))
    if not path.is_symlink():
        path.symlink_to(target)
    return str(path)


def fifo() -> str:
    path = place("fifo")
    if not Path(path).exists():
        os.mkfifo(path)
    return path


def in_memory() -> str:
    import fsspec

    fsspec.filesystem("memory").pipe("/media/a.png", encode(RGB, "PNG"))
    return "memory://media/a.png"


NOT_REGULAR = "not a regular file"
FORMS = [
    ok("absolute path", lambda: place("a picture.png")),
    ok("path with ..", lambda: "../" * 20 + place("a picture.png").lstrip("/")),
    ok("symbolic link", lambda: link("link", place("a picture.png"))),
    ok("file:// URL with %20", lambda: "file://" + place("a%20picture.png")),
    ok("URL of another file system (fsspec)", in_memory),
    bad("empty cell", lambda: "", "empty cell", "missing"),
    bad("no such file", lambda: "none.png", "file not found", "missing"),
    bad("no such folder", lambda: "no/such/folder/a.png", "file not found", "missing"),
    bad("broken symbolic link", lambda: link("broken", "nothing"), "file not found", "missing"),
    bad("symbolic link to itself", lambda: link("loop", "loop"), "cannot be read: Too many levels of symbolic links"),
    bad("a zero byte in the path", lambda: "a\0b.png", "file not found", "missing"),
    bad("a file name of 300 letters", lambda: "x" * 300, "cannot be read: File name too long"),
    bad("folder", lambda: ".", NOT_REGULAR),
    bad("named pipe without a writer", fifo, NOT_REGULAR),
    bad("endless device (/dev/zero)", lambda: "/dev/zero", NOT_REGULAR),
    bad("empty device (/dev/null)", lambda: "/dev/null", NOT_REGULAR),
    bad("URL with an unknown scheme", lambda: "unheard-of://a.png", "cannot be read: Protocol not known: unheard-of"),
    bad("file over the limit", lambda: encode(RGB, "BMP"), "larger than 2000 bytes: --max-bytes", "skipped",
        max_bytes=2000),
    ok("file under the limit", lambda: encode(RGB, "PNG"), max_bytes=2000),
    Form("file inside the root", lambda: encode(RGB, "PNG"), right=shows(*COLOURS), options=CONFINED),
    bad("absolute path outside the root", lambda: place("a picture.png"), OUTSIDE, "skipped", confine=True),
    bad("path with .. outside the root", lambda: "../" * 20 + "etc/hostname", OUTSIDE, "skipped", confine=True),
    bad("symbolic link outside the root", lambda: link("out", "/etc/hostname"), OUTSIDE, "skipped", confine=True),
    bad("file:// URL outside the root", lambda: "file:///etc/hostname", OUTSIDE, "skipped", confine=True),
    bad("URL outside the root", in_memory, OUTSIDE, "skipped", confine=True),
]  # fmt: skip
