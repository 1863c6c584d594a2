"""Tars of samples, as WebDataset lays them out: neighbours of one name, each with its own suffix, are one sample."""

from __future__ import annotations

import itertools
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.rows import parse_row
from mmcli.store.sources.folder import SPLIT_OF
from mmcli.store.sources.members import piece_name

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_MOST_SHARDS = 100_000
_LONGEST = 2**24
_TEXTS = ("txt", "text", "caption", "transcript", "csv", "html", "md")
_NUMBERS = ("cls", "cls2", "index", "count")


def expand_shards(source: str) -> list[Path]:
    """Return the files that a name with ranges stands for: ``shards-{000..009}.tar``.

    Raises:
        MmcliError: They are too many, or one is not there.
    """
    ranges = _RANGE.findall(source)
    counts = [range(int(low), int(high) + 1) for low, high in ranges]
    total = 1
    for each in counts:
        total *= len(each)
    if not 0 < total <= _MOST_SHARDS:
        raise MmcliError(f"{source}: stands for {total:,} files, expected 1 to {_MOST_SHARDS:,}")
    paths = []
    for numbers in itertools.product(*counts):
        texts = iter(f"{number:0{len(low)}d}" for number, (low, _) in zip(numbers, ranges, strict=True))
        paths.append(Path(_RANGE.sub(lambda _, texts=texts: next(texts), source)))  # type: ignore[misc]
    for path in paths:
        if not path.is_file():
            raise MmcliError(f"{path}: no such file (of {source})")
    return paths


def read_tars(paths: Sequence[Path], root: str, warnings: list[str]) -> Iterator[tuple[str, Row]]:
    """Return one row for each sample: its key as ``id``, and a column for each suffix.

    Texts, numbers (``.cls``) and the keys of JSON objects are values; everything else is named, and read in place.

    Args:
        paths: Of the tars, not compressed.
        root: The folder that names of media are relative to.
        warnings: Gets what was passed over.

    Raises:
        MmcliError: One is no tar, is cut off, or has two members of one name.
    """
    over: Counter[str] = Counter()
    for path in paths:
        yield from _read_tar(path, os.path.relpath(path, root or "."), over)
    if over:
        told = ", ".join(f"{what} {count}" for what, count in over.most_common())
        warnings.append(f"{sum(over.values())} members of tars passed over: {told}")


def tars_of_splits(folder: Path) -> dict[str, list[Path]]:
    """Return the tars in each folder of a split, by its name; none where a folder is of something else, or empty."""
    folders = [each for each in sorted(folder.iterdir()) if each.is_dir() and not each.name.startswith(".")]
    found = {each.name: sorted(each.glob("*.tar")) for each in folders if each.name.lower() in SPLIT_OF}
    return found if len(found) == len(folders) and all(found.values()) else {}


def read_splits(tars: Mapping[str, Sequence[Path]], root: str, warnings: list[str]) -> Iterator[tuple[str, Row]]:
    """Return the rows of tars in folders of splits: the folder stands before the key, since splits may share keys.

    Raises:
        MmcliError: See ``read_tars``; or a row has a ``split`` of its own.
    """
    for name, paths in tars.items():
        for where, row in read_tars(paths, root, warnings):
            if "split" in row:
                raise MmcliError(f"{where}: has a 'split' of its own, and lies in the folder {name!r}; rename the key")
            yield where, {**row, "id": f"{name}/{row['id']}", "split": SPLIT_OF[name.lower()]}


class _Sample:
    """What the members of one key hold: values, or names by their suffix; and the keys of JSON objects."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._own: Row = {"id": key}
        self._objects: dict[str, Row] = {}

    def add(self, column: str, value: Any, where: str) -> None:
        if column == "id":
            raise MmcliError(f"{where}: the suffix 'id' is the name of the column of keys; rename the member")
        if column in self._own or column in self._objects:
            raise MmcliError(f"{where}: two members of this name")
        if isinstance(value, dict):
            self._objects[column] = value
        else:
            self._own[column] = value

    def row(self) -> Row:
        """Return the row; a key of an object that a member has for its suffix gets the object's name before it."""
        row = dict(self._own)
        for column, values in self._objects.items():
            for key, value in values.items():
                name = key
                while name in row:
                    name = f"{column}.{name}"
                row[name] = value
        return row


def _read_tar(path: Path, name: str, over: Counter[str]) -> Iterator[tuple[str, Row]]:
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar, path.open("rb") as file:
            sample: _Sample | None = None
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps all that it has met
                parts = _key_and_suffix(member, over)
                if parts is None:
                    continue
                if member.offset_data + member.size > size:
                    raise MmcliError(f"{path}: cut off in {member.name!r}")
                key, column = parts
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield f"{path}, {sample.key}", sample.row()
                    sample = _Sample(key)
                where = f"{path}, {member.name}"
                sample.add(column, _value(file, member, column, name, where), where)
            if sample is not None:
                yield f"{path}, {sample.key}", sample.row()
    except tarfile.TarError as error:
        raise MmcliError(f"{path}: not a whole tar ({error}); it is read as it lies, not compressed") from None


def _key_and_suffix(member: tarfile.TarInfo, over: Counter[str]) -> tuple[str, str] | None:
    folder, _, base = member.name.rpartition("/")
    stem, dot, suffix = base.partition(".")
    if not member.isreg() or member.sparse is not None:
        over["folders" if member.isdir() else "links and devices"] += 1
        return None
    if not stem or not dot or base.startswith("."):
        over["names without key or suffix"] += 1
        return None
    return f"{folder}/{stem}" if folder else stem, suffix.lower()


def _value(file: Any, member: tarfile.TarInfo, column: str, name: str, where: str) -> Any:
    last = column.rpartition(".")[2]
    if last not in (*_TEXTS, *_NUMBERS, "json"):
        return piece_name(name, member.offset_data, member.size, member.name)
    if member.size > _LONGEST:
        raise MmcliError(f"{where}: {member.size:,} bytes, expected a text of at most {_LONGEST:,}")
    file.seek(member.offset_data)
    try:
        text = file.read(member.size).decode()
    except UnicodeDecodeError as error:
        raise MmcliError(f"{where}: not UTF-8 ({error.reason} at byte {error.start + 1})") from None
    if last in _NUMBERS:
        return text.strip()
    if last != "json":
        return text
    if text.lstrip().startswith("{"):
        return parse_row(text, where)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MmcliError(f"{where}: not JSON ({error})") from None
