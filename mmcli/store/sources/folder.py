"""A folder as a table: ``class/stem.ext``, where files of one stem are one sample and the folder's name its label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.sources.text_lines import LONGEST, open_bytes, text_lines
from mmcli.store.suffixes import FOLDER_KINDS

_KIND_OF = {suffix: kind for kind, suffixes in FOLDER_KINDS.items() for suffix in suffixes}
_SPLIT_OF = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_NAMED = 3


@dataclass(frozen=True)
class Folder:
    """The samples of a folder.

    Args:
        rows: Each with the place that it came from.
        count: How many there are.
        columns: Of every row.
        warnings: Which files were passed over.
    """

    rows: Iterator[tuple[str, Row]]
    count: int
    columns: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _Place:
    """Where a file lies: the split and the class whose folders it is in; the class is None in no folder of one."""

    split: str | None
    label: str | None


def read_folder(folder: Path, encoding: str) -> Folder:
    """Return one row for each sample: its id, its label, and a column for each kind of file.

    Args:
        folder: Holds a folder for each class; or folders train, val and test, as torchvision and Hugging Face lay them
            out, each with one for each class. Files of test may lie in no class.
        encoding: Of the text files.

    Raises:
        MmcliError: There are no media files, one lies deeper, or a sample has two of a kind.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_hidden(path, folder)]
    tops = {path.relative_to(folder).parts[0] for path in files if path.parent != folder}
    deep = any(len(path.relative_to(folder).parts) > 2 for path in files)
    split = bool(tops) and deep and all(top.lower() in _SPLIT_OF for top in tops)
    samples: dict[tuple[_Place, str], dict[str, Path]] = {}
    over: list[Path] = []
    for path in files:
        kind = _KIND_OF.get(path.suffix.lower())
        place = _place(path.relative_to(folder), split)
        if kind is None or place is None:
            if kind is not None and len(path.relative_to(folder).parts) > (3 if split else 2):
                raise MmcliError(
                    f"{path}: lies deeper than a folder for each class (expected "
                    f"{'train, val or test/' if split else ''}CLASS/file); name the folder above the classes, or list "
                    "the files in a table"
                )
            over.append(path)
            continue
        own = samples.setdefault((place, path.stem), {})
        if kind in own:
            where = "/".join(filter(None, (place.split and path.relative_to(folder).parts[0], place.label, path.stem)))
            raise MmcliError(f"{path}: a second {kind} file of the sample {where}; {own[kind].name} is there")
        own[kind] = path
    tables = [name for name in _TABLES if (folder / name).is_file()]
    if not samples:
        told = f"; {folder / tables[0]} is a table: name that" if tables else ""
        raise MmcliError(
            f"{folder}: no media files; expected a folder for each class with files in it, or a table{told}"
        )
    kinds = sorted({kind for own in samples.values() for kind in own})
    rows = (_row(folder, place, stem, own, kinds, encoding) for (place, stem), own in samples.items())
    columns = ["id", *(["split"] if split else []), "label", *kinds]
    return Folder(rows, len(samples), columns, _warnings(over, tables, folder))


def _row(
    folder: Path, place: _Place, stem: str, files: dict[str, Path], kinds: list[str], encoding: str
) -> tuple[str, Row]:
    first = next(iter(files.values()))
    row: Row = {"id": (first.relative_to(folder).parent / stem).as_posix()}
    if place.split is not None:
        row["split"] = place.split
    row |= {"label": place.label or "", **dict.fromkeys(kinds, "")}
    for kind, path in files.items():
        row[kind] = _read_text(path, encoding) if kind == "text" else path.relative_to(folder).as_posix()
    return str(first.with_name(stem)), row


def _place(path: Path, split: bool) -> _Place | None:
    """Return the split and class of a file; None where it lies in neither."""
    parts = path.parts[:-1]
    if not split:
        return _Place(None, parts[0]) if len(parts) == 1 else None
    if len(parts) == 2:
        return _Place(_SPLIT_OF[parts[0].lower()], parts[1])
    alone = len(parts) == 1 and _SPLIT_OF[parts[0].lower()] == "test"
    return _Place("test", None) if alone else None


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)


def _warnings(over: list[Path], tables: list[str], folder: Path) -> list[str]:
    warnings = [
        f"{folder / name} is not read: name it as the table to use what it says of the files" for name in tables
    ]
    if over:
        suffixes = Counter(path.suffix.lower() or "no suffix" for path in over)
        told = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common())
        named = ", ".join(path.relative_to(folder).as_posix() for path in over[:_NAMED])
        more = ", …" if len(over) > _NAMED else ""
        warnings.append(f"{len(over)} files passed over, of no known kind or in no class: {told} ({named}{more})")
    return warnings


def _read_text(path: Path, encoding: str) -> str:
    with open_bytes(path) as file:
        parts, size = [], 0
        for line in text_lines(file, str(path), encoding):
            parts.append(line)
            size += len(line)
            if size > LONGEST:
                raise MmcliError(f"{path}: a text of more than {LONGEST:,} characters")
        return "".join(parts)
