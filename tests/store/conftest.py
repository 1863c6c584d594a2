"""Artifacts made with the store alone: columns, rows and a header, without any stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmcli.store.artifact import Artifact, Roles, TransformRecord, shard_path
from mmcli.store.columns import Column, FieldSpec, LedgerEntry, ModalitySpec, assemble
from mmcli.store.rows import dump_row
from mmcli.store.state import State
from mmcli.store.tensors import write_shard
from mmcli.store.writer import ArtifactWriter

PRINT = "ab" * 32
SPECS = {
    "photo": ModalitySpec("image", "photo", None, PRINT, {"": FieldSpec("dense", "uint8", (2, 3), "HW")}),
    "clip": ModalitySpec("audio", "clip", "mfcc", PRINT, {"": FieldSpec("ragged", "float32", (2,), "TD", 4)}),
    "review": ModalitySpec(
        "text",
        "review",
        None,
        PRINT,
        {"": FieldSpec("ragged", "int32", (), "T", 3), "text": FieldSpec("ragged", "uint8", (), "T")},
    ),
}


def item_of(modality: str, row: int) -> dict[str, np.ndarray] | None:
    """The tensors of one row of one modality by hand; every fifth row has none, and each kind another fifth."""
    place = list(SPECS).index(modality)
    if row % 5 == 3 + place % 2:
        return None
    if modality == "photo":
        return {"": (np.arange(6).reshape(2, 3) + 7 * row).astype(np.uint8)}
    if modality == "clip":
        return {"": np.arange(row % 4 * 2, dtype=np.float32).reshape(-1, 2) + row}
    words = f"word {row} é 漢".encode()
    return {"": np.arange(row % 3, dtype=np.int32) * 10 + row, "text": np.frombuffer(words, np.uint8)}


def key_of(modality: str, row: int) -> bytes:
    return bytes([list(SPECS).index(modality) + 1, *row.to_bytes(4, "big"), *[0] * 11])


def make_columns(count: int, modalities: Sequence[str] = tuple(SPECS)) -> dict[str, Column]:
    columns = {}
    for name in modalities:
        items = [item_of(name, row) for row in range(count)]
        fields = {
            field: assemble(form, [None if item is None else item[field] for item in items])
            for field, form in SPECS[name].fields.items()
        }
        present = np.array([item is not None for item in items], bool)
        keys = [key_of(name, row) if present[row] else bytes(16) for row in range(count)]
        columns[name] = Column(fields, present, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16))
    return columns


def same_column(left: Column, right: Column) -> bool:
    """Whether two columns hold the same rows, compared row by row as bytes."""
    if len(left) != len(right) or left.fields.keys() != right.fields.keys():
        return False
    return (
        left.present.tolist() == right.present.tolist()
        and left.key.tobytes() == right.key.tobytes()
        and all(
            left.fields[name].item(row).tobytes() == right.fields[name].item(row).tobytes()
            and left.fields[name].item(row).shape == right.fields[name].item(row).shape
            for name in left.fields
            for row in range(len(left))
        )
    )


def write_artifact(
    output: Path,
    count: int = 10,
    *,
    stage: str = "preprocess",
    modalities: Sequence[str] = tuple(SPECS),
    first: int = 0,
    shard_rows: int = 4,
    config: dict[str, Any] | None = None,
    ledger: Sequence[LedgerEntry] = (),
    states: dict[str, State] | None = None,
) -> Artifact:
    """Write an artifact of ``count`` samples with the ids s0, s1 …, or from ``first`` on."""
    states = states or {}
    record = TransformRecord(stage, 1, config or {}, {part: state.digest() for part, state in states.items()})
    with ArtifactWriter(output, stage) as writer:
        fill(writer.folder, count, modalities=modalities, first=first, shard_rows=shard_rows, ledger=ledger)
        writer.write_state(record.folder, states)
        writer.publish(header_of(count, record, shard_rows=shard_rows, modalities=modalities), {"seconds": 1.5})
    return Artifact(output)


def fill(
    folder: Path,
    count: int,
    *,
    modalities: Sequence[str] = tuple(SPECS),
    first: int = 0,
    shard_rows: int = 4,
    ledger: Sequence[LedgerEntry] = (),
) -> None:
    columns = make_columns(first + count, modalities)
    (folder / "tensors").mkdir(exist_ok=True)
    for number, start in enumerate(range(0, count, shard_rows)):
        rows = np.arange(first + start, first + min(start + shard_rows, count))
        write_shard(shard_path(folder, number), {name: column.take(rows) for name, column in columns.items()})
    with (folder / "manifest.jsonl").open("wb") as manifest:
        for row in range(count):
            number = first + row
            status = {name: "missing" if item_of(name, number) is None else "ok" for name in modalities}
            split = ("train", "train", "val", "test")[number % 4]
            told = {"id": f"s{number}", "split": split, "text": f"line\u2028{number}", "label": "ab"[number % 2]}
            manifest.write(dump_row({**told, "row": row, "status": status}))
    with (folder / "ledger.jsonl").open("wb") as file:
        for entry in ledger:
            file.write(dump_row(dataclasses.asdict(entry)))


def header_of(
    count: int, record: TransformRecord, *, shard_rows: int = 4, modalities: Sequence[str] = tuple(SPECS)
) -> dict[str, Any]:
    return {
        "stage": record.stage,
        "rows": count,
        "rows_per_shard": shard_rows,
        "columns": Roles("id", "split", "label").to_json(),
        "chain": [record.to_json()],
        "modalities": {name: SPECS[name].to_json() for name in modalities},
    }


@dataclasses.dataclass(frozen=True)
class StoreTools:
    """What the tests of the store make their inputs with."""

    specs = SPECS
    item_of = staticmethod(item_of)
    key_of = staticmethod(key_of)
    make_columns = staticmethod(make_columns)
    same_column = staticmethod(same_column)
    write_artifact = staticmethod(write_artifact)
    fill = staticmethod(fill)
    header_of = staticmethod(header_of)


@pytest.fixture(scope="session")
def tools() -> StoreTools:
    return StoreTools()
