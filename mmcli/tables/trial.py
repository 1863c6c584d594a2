"""Decodes a sample of a table's rows as preprocess would, and measures time and space."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmcli.chain.transforms import NothingEarlier
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.columns import Batch, LedgerEntry, Ragged, Row
from mmcli.tables.preparation import Preparation

_BATCH = 64


@dataclass
class Trial:
    """The result of decoding a sample.

    Args:
        ledger: The inputs and single cells that are not ok.
        lengths: Number of steps of each item, for modalities with items of varying length.
        file_bytes: Size of each file that was read, by the path in the cell.
        stored_bytes: Size of the decoded items.
        seconds: Time to fit on the sample's train rows and to decode, without loading code.
    """

    ledger: list[LedgerEntry] = field(default_factory=list)
    lengths: dict[str, list[int]] = field(default_factory=dict)
    file_bytes: dict[str, int] = field(default_factory=dict)
    stored_bytes: int = 0
    seconds: float = 0.0


class _Weighed(MediaFolder):
    """A media folder that records the size of each file it reads."""

    def __init__(self, media: MediaFolder, sizes: dict[str, int]) -> None:
        super().__init__(
            media.root, confine=media.confine, max_bytes=media.max_bytes, fix_paths=media.fix_paths,
            members_root=media.members_root,
        )  # fmt: skip
        self._sizes = sizes

    def read(self, path: str) -> bytes:
        content = super().read(path)
        self._sizes[path] = len(content)
        return content


def try_out(prepared: Preparation, rows: Sequence[Row], runtime: Runtime, reporter: Reporter) -> Trial:
    """Fit on the train rows among ``rows``, and decode all of them."""
    trial, transform = Trial(), prepared.transform
    split = prepared.intake.roles.split
    if prepared.fitted or not any(kind == "tensor" for kind in transform.kinds.values()):
        # A first row loads what is loaded on first use; tensors cannot be applied before they are fitted.
        transform.apply(Batch(list(rows[:1]), {}), runtime, NothingEarlier())
    transform.media = _Weighed(prepared.media, trial.file_bytes)
    began = time.perf_counter()
    if not prepared.fitted:
        transform.fit(lambda: [[row for row in rows if row[split] == "train"]], {})
    with reporter.progress("check", len(rows)) as progress:
        for start in range(0, len(rows), _BATCH):
            batch = transform.apply(Batch(list(rows[start : start + _BATCH]), {}), runtime, NothingEarlier())
            _note(trial, batch, start)
            progress.advance(len(batch))
    trial.seconds = time.perf_counter() - began
    return trial


def _note(trial: Trial, batch: Batch, start: int) -> None:
    trial.ledger += [replace(entry, row=start + entry.row) for entry in [*batch.ledger, *batch.cells]]
    for name, column in batch.columns.items():
        for part, tensor in column.fields.items():
            if isinstance(tensor, Ragged):
                trial.stored_bytes += tensor.values.nbytes + tensor.offsets.nbytes
                if part == "":
                    lengths = (tensor.offsets[1:] - tensor.offsets[:-1])[column.present]
                    trial.lengths.setdefault(name, []).extend(lengths.tolist())
            else:
                trial.stored_bytes += tensor.values.nbytes
        trial.stored_bytes += column.key.nbytes + column.present.nbytes
