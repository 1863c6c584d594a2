"""A folder as a table: ``class/stem.ext``, where files of one stem are one sample and the folder's name its label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.text_lines import LONGEST, open_bytes, text_lines

_VIDEOS = (
    ".mp4", ".mkv", ".webm", ".mov", ".avi", ".mpg", ".mpeg", ".m4v", ".ts", ".m2ts", ".mts", ".vob", ".ogv", ".wmv",
    ".asf", ".flv", ".3gp", ".3g2", ".mxf", ".ivf", ".obu", ".h264", ".h265", ".hevc", ".m1v", ".m2v", ".mjpeg",
    ".mjpg", ".y4m",
)  # fmt: skip
FOLDER_KINDS = {
    "image": (".jpg", ".jpeg", ".png", ".gif", ".webp", ".tif", ".tiff", ".bmp"),
    "audio": (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".opus", ".aac", ".wma", ".aiff", ".aif"),
    "video": _VIDEOS,
    "tensor": (".npy", ".npz", ".safetensors", ".pt"),
    "text": (".txt", ".md"),
}
_KIND_OF = {suffix: kind for kind, suffixes in FOLDER_KINDS.items() for suffix in suffixes}


def read_folder(folder: Path, encoding: str) -> Iterator[tuple[str, Row]]:
    """Return one row for each sample: its id, its label, and a column for each kind of file.

    Args:
        folder: Holds a folder for each class.
        encoding: Of the text files.

    Raises:
        MmcliError: There are no media files, one lies deeper, or a sample has two of a kind.
    """
    samples: dict[tuple[str, str], dict[str, Path]] = {}
    for path in _media(folder, "*/*"):
        kind = _KIND_OF[path.suffix.lower()]
        files = samples.setdefault((path.parent.name, path.stem), {})
        if kind in files:
            raise MmcliError(f"{path}: a second {kind} file of the sample {path.parent.name}/{path.stem}")
        files[kind] = path
    deeper = next(_media(folder, "*/*/*"), None)
    if deeper is not None:
        raise MmcliError(
            f"{deeper}: lies deeper than a folder for each class (expected CLASS/file); name the folder above the "
            "classes, or list the files in a table"
        )
    if not samples:
        raise MmcliError(f"{folder}: no media files; expected a folder for each class with files in it, or a table")
    kinds = sorted({kind for files in samples.values() for kind in files})
    for (label, stem), files in samples.items():
        row: Row = {"id": f"{label}/{stem}", "label": label, **dict.fromkeys(kinds, "")}
        for kind, path in files.items():
            row[kind] = _read_text(path, encoding) if kind == "text" else path.relative_to(folder).as_posix()
        yield str(folder / label / stem), row


def _media(folder: Path, pattern: str) -> Iterator[Path]:
    """Return the files of known kinds, but for hidden ones, in order."""
    for path in sorted(folder.glob(pattern)):
        parts = path.relative_to(folder).parts
        if path.suffix.lower() in _KIND_OF and not any(part.startswith(".") for part in parts) and path.is_file():
            yield path


def _read_text(path: Path, encoding: str) -> str:
    with open_bytes(path) as file:
        parts, size = [], 0
        for line in text_lines(file, str(path), encoding):
            parts.append(line)
            size += len(line)
            if size > LONGEST:
                raise MmcliError(f"{path}: a text of more than {LONGEST:,} characters")
        return "".join(parts)
