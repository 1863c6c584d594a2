"""Tars of samples, as WebDataset lays them out: neighbours of one name, each with its own suffix, are one sample."""

from __future__ import annotations

import itertools
import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
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


def _read_tar(path: Path, name: str, over: Counter[str]) -> Iterator[tuple[str, Row]]:
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar, path.open("rb") as file:
            key = ""
            row: Row = {}
            for member in tar:
                tar.members = []  # type: ignore[attr-defined]  # else it keeps all that it has met
                folder, _, base = member.name.rpartition("/")
                stem, dot, suffix = base.partition(".")
                if not member.isreg() or member.sparse is not None:
                    over["folders" if member.isdir() else "links and devices"] += 1
                    continue
                if not stem or not dot or base.startswith("."):
                    over["names without key or suffix"] += 1
                    continue
                if member.offset_data + member.size > size:
                    raise MmcliError(f"{path}: cut off in {member.name!r}")
                own = f"{folder}/{stem}" if folder else stem
                if own != key:
                    if row:
                        yield f"{path}, {key}", row
                    key, row = own, {"id": own}
                column = suffix.lower()
                if column in row:
                    raise MmcliError(f"{path}: two members named {member.name!r}")
                row |= _values(file, member, column, name, f"{path}, {member.name}", row)
            if row:
                yield f"{path}, {key}", row
    except tarfile.TarError as error:
        raise MmcliError(f"{path}: not a whole tar ({error}); it is read as it lies, not compressed") from None


def _values(file: Any, member: tarfile.TarInfo, column: str, name: str, where: str, row: Row) -> dict[str, Any]:
    last = column.rpartition(".")[2]
    if last not in (*_TEXTS, *_NUMBERS, "json"):
        return {column: piece_name(name, member.offset_data, member.size, member.name)}
    if member.size > _LONGEST:
        raise MmcliError(f"{where}: {member.size:,} bytes, expected a text of at most {_LONGEST:,}")
    file.seek(member.offset_data)
    try:
        text = file.read(member.size).decode()
    except UnicodeDecodeError as error:
        raise MmcliError(f"{where}: not UTF-8 ({error.reason} at byte {error.start + 1})") from None
    if last in _NUMBERS:
        return {column: text.strip()}
    if last != "json":
        return {column: text}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MmcliError(f"{where}: not JSON ({error})") from None
    if not isinstance(value, dict):
        return {column: value}
    return {key if key not in row else f"{column}.{key}": each for key, each in value.items()}
