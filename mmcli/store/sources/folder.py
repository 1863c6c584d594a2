"""A folder as a table: ``class/stem.ext``; files with one stem are one sample, and the folder's name is its label."""

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
SPLIT_OF = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_TABLES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_NAMED = 3


@dataclass(frozen=True)
class Folder:
    """The samples of a folder.

    Args:
        rows: The rows, each with its place for messages.
        count: Number of rows.
        columns: The columns of every row.
        warnings: Which files were skipped.
    """

    rows: Iterator[tuple[str, Row]]
    count: int
    columns: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class _Place:
    """The split and class that a file's folders name; None if there is no such folder."""

    split: str | None
    label: str | None


def read_folder(folder: Path, encoding: str) -> Folder:
    """Return one row for each sample: its id, its label, and a column for each kind of file.

    Args:
        folder: Contains a folder for each class; or folders train, val and test, as torchvision and Hugging Face lay
            them out, which contain the class folders. Test files need no class folder.
        encoding: Encoding of the text files.

    Raises:
        MmcliError: There are no media files, one lies deeper, or a sample has two files of a kind.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not _is_hidden(path, folder)]
    tops = {path.relative_to(folder).parts[0] for path in files if path.parent != folder}
    deep = any(len(path.relative_to(folder).parts) > 2 for path in files)
    split = bool(tops) and deep and all(top.lower() in SPLIT_OF for top in tops)
    samples: dict[tuple[_Place, str], dict[str, Path]] = {}
    over: list[Path] = []
    for path in files:
        kind = _KIND_OF.get(path.suffix.lower())
        place = _place(path.relative_to(folder), split)
        if kind is None or place is None:
            if kind is not None and len(path.relative_to(folder).parts) > (3 if split else 2):
                raise MmcliError(
                    f"{path}: lies too deep (expected "
                    f"{'train, val or test/' if split else ''}CLASS/file); name the folder above the class folders, or "
                    "list the files in a table"
                )
            over.append(path)
            continue
        own = samples.setdefault((place, path.stem), {})
        if kind in own:
            where = "/".join(filter(None, (place.split and path.relative_to(folder).parts[0], place.label, path.stem)))
            raise MmcliError(f"{path}: a second {kind} file of sample {where}, which already has {own[kind].name}")
        own[kind] = path
    tables = [name for name in _TABLES if (folder / name).is_file()]
    if not samples:
        told = f"; name the table {folder / tables[0]} instead" if tables else ""
        raise MmcliError(f"{folder}: no media files; expected one folder per class with files in it, or a table{told}")
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
    """Return the split and class of a file; None if its folders do not name them."""
    parts = path.parts[:-1]
    if not split:
        return _Place(None, parts[0]) if len(parts) == 1 else None
    if len(parts) == 2:
        return _Place(SPLIT_OF[parts[0].lower()], parts[1])
    alone = len(parts) == 1 and SPLIT_OF[parts[0].lower()] == "test"
    return _Place("test", None) if alone else None


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.relative_to(folder).parts)


def _warnings(over: list[Path], tables: list[str], folder: Path) -> list[str]:
    warnings = [
        f"{folder / name} is not read: to use what it says about the files, name it as the table" for name in tables
    ]
    if over:
        suffixes = Counter(path.suffix.lower() or "no suffix" for path in over)
        told = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common())
        named = ", ".join(path.relative_to(folder).as_posix() for path in over[:_NAMED])
        more = ", …" if len(over) > _NAMED else ""
        warnings.append(f"{len(over)} files skipped, of an unknown kind or in no class: {told} ({named}{more})")
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
