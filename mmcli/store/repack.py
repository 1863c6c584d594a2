"""Drops rows from an unfinished artifact and repacks its shards."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mmcli.store.artifact import shard_path
from mmcli.store.columns import Array, Column, ModalitySpec, concatenate
from mmcli.store.rows import RowFile, dump_row
from mmcli.store.tensors import Shard, write_shard


def leave_out(
    folder: Path, dropped: set[int], modalities: Mapping[str, ModalitySpec], count: int, size: int
) -> tuple[int, dict[str, Counter[str]]]:
    """Rewrite shards, manifest and ledger without the dropped rows; return the number of rows left and status counts.

    The ledger keeps the entries of dropped rows, with row -1.
    """
    kept = np.array([row for row in range(count) if row not in dropped], np.int64)
    packed = folder / "packed"
    (packed / "tensors").mkdir(parents=True)
    for number in range(-(-len(kept) // size)):
        rows = kept[number * size : (number + 1) * size]
        columns = {name: _collect(folder, name, spec, rows, size) for name, spec in modalities.items()}
        write_shard(shard_path(packed, number), columns)
    new_number = {int(row): number for number, row in enumerate(kept)}
    counts = {name: Counter({"ok": 0, "missing": 0, "corrupt": 0, "skipped": 0}) for name in modalities}
    with (packed / "manifest.jsonl").open("wb") as manifest:
        for row in RowFile(folder / "manifest.jsonl"):
            if row["row"] in new_number:
                manifest.write(dump_row({**row, "row": new_number[row["row"]]}))
                for name, status in row["status"].items():
                    counts[name][status] += 1
    with (packed / "ledger.jsonl").open("wb") as ledger:
        for entry in RowFile(folder / "ledger.jsonl"):
            ledger.write(dump_row({**entry, "row": new_number.get(entry["row"], -1)}))
    shutil.rmtree(folder / "tensors")
    for path in packed.iterdir():
        os.replace(path, folder / path.name)
    packed.rmdir()
    return len(kept), counts


def _collect(folder: Path, name: str, spec: ModalitySpec, rows: Array, size: int) -> Column:
    numbers, places = np.divmod(rows, size)
    return concatenate(
        [
            Shard(shard_path(folder, int(number))).column(name, spec).take(places[numbers == number])
            for number in np.unique(numbers)
        ]
    )
