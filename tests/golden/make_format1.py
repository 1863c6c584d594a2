"""Writes the artifact of format 1 that every later mmcli must read: ``python tests/golden/make_format1.py``.

The folder ``format1`` beside this file was made once and is never made again: run it only into another folder, to
compare. Its values are fixed; ``tests/store/test_artifact.py`` says them a second time.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np

from mmcli.store.artifact import Roles, TransformRecord, shard_path
from mmcli.store.columns import Column, FieldSpec, LedgerEntry, ModalitySpec, assemble
from mmcli.store.rows import dump_row
from mmcli.store.state import State
from mmcli.store.tensors import write_shard
from mmcli.store.writer import ArtifactWriter

SPECS = {
    "photo": ModalitySpec("image", "photo", None, "11" * 32, {"": FieldSpec("dense", "uint8", (3, 2, 2), "CHW")}),
    "clip": ModalitySpec(
        "audio", "clip", "mfcc:n_mfcc=2", "22" * 32, {"": FieldSpec("ragged", "float32", (2,), "TD", 8)}, "column",
        {"sample_rate": 16000},
    ),
    "review": ModalitySpec(
        "text", "review", None, "33" * 32,
        {"": FieldSpec("ragged", "int32", (), "T", 16), "text": FieldSpec("ragged", "uint8", (), "T")},
        "none", {"language": "en"},
    ),
}  # fmt: skip
STATES = {
    "review": State({"tokens": ["<unknown>", "good", "漢字"]}),
    "scale": State({"columns": 2}, {"mean": np.array([0.5, -1.25]), "count": np.array([4], np.int64)}),
}
ROWS = [
    {"id": "a", "split": "train", "review": "good 漢字", "label": "yes"},
    {"id": "b", "split": "train", "review": "line\u2028separator", "label": "no"},
    {"id": "c", "split": "val", "review": "", "label": "yes", "price": 1.5},
    {"id": "d", "split": "test", "review": "so so", "label": None},
    {"id": "e", "split": "train", "review": "good", "label": "no"},
]
PHOTOS = [np.arange(12).reshape(3, 2, 2) + 10 * row for row in range(5)]
CLIPS = [np.arange(2 * steps).reshape(steps, 2) / 4 for steps in (3, 1, 0, 2, 4)]
REVIEWS = [([1, 2], "good 漢字"), ([0], "line\u2028separator"), None, ([0, 0], "so so"), ([1], "good")]


def make(output: Path) -> None:
    """Write the artifact: five rows in shards of two."""
    records = [
        TransformRecord("preprocess", 1, {"image_size": 2, "rate": 0.1}, {"review": STATES["review"].digest()}),
        TransformRecord("extract-features", 1, {"use": ["clip=mfcc:n_mfcc=2"]}, {"scale": STATES["scale"].digest()}),
    ]
    items: dict[str, list[dict[str, np.ndarray] | None]] = {
        "photo": [{"": photo} if row != 3 else None for row, photo in enumerate(PHOTOS)],
        "clip": [{"": clip} if len(clip) else None for clip in CLIPS],
        "review": [
            None
            if told is None
            else {"": np.array(told[0], np.int32), "text": np.frombuffer(told[1].encode(), np.uint8)}
            for told in REVIEWS
        ],
    }
    ledger = [
        LedgerEntry(2, "c", "clip", "corrupt", "0 bytes", "c.wav"),
        LedgerEntry(2, "c", "review", "missing", "empty cell"),
        LedgerEntry(3, "d", "photo", "missing", "file not found", "d.png"),
    ]
    with ArtifactWriter(output, "extract-features") as writer:
        (writer.folder / "tensors").mkdir()
        for number, start in enumerate(range(0, 5, 2)):
            columns = {name: _column(name, items[name], range(start, min(start + 2, 5))) for name in SPECS}
            write_shard(shard_path(writer.folder, number), columns)
        rows = []
        for row, told in enumerate(ROWS):
            status = {name: "ok" for name in SPECS} | {e.modality: e.status for e in ledger if e.row == row}
            rows.append(dump_row({**told, "row": row, "status": status}))
        (writer.folder / "manifest.jsonl").write_bytes(b"".join(rows))
        (writer.folder / "ledger.jsonl").write_bytes(b"".join(dump_row(dataclasses.asdict(e)) for e in ledger))
        writer.write_state(records[0].folder, {"review": STATES["review"]})
        writer.write_state(records[1].folder, {"scale": STATES["scale"]})
        header = {
            "stage": "extract-features",
            "rows": 5,
            "rows_per_shard": 2,
            "columns": Roles("id", "split", "label").to_json(),
            "seed": 0,
            "chain": [record.to_json() for record in records],
            "modalities": {name: spec.to_json() for name, spec in SPECS.items()},
        }
        writer.publish(header, {"command": "python tests/golden/make_format1.py"})


def _column(name: str, items: list[dict[str, np.ndarray] | None], rows: range) -> Column:
    fields = {
        field: assemble(form, [None if items[row] is None else items[row][field] for row in rows])
        for field, form in SPECS[name].fields.items()
    }
    present = np.array([items[row] is not None for row in rows], bool)
    keys = [bytes([list(SPECS).index(name) + 1, row + 1] * 8) if items[row] is not None else bytes(16) for row in rows]
    return Column(fields, present, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("format1"))
