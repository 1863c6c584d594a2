"""The columns of the train rows, the only data that may be fitted on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache

import numpy as np

from mmcli.reporting import Reporter
from mmcli.store.columns import Array, Column
from mmcli.store.samples import Samples

_ROWS = 1024


def warn_of_lacking(samples: Samples, reporter: Reporter) -> None:
    """Warn of samples that a joined source lacks: its modalities are missing there."""
    for folder, count in samples.lacking():
        reporter.warn(f"{count} of {len(samples)} samples are not in {folder}: they lack its modalities")


def warn_of_target(targets: Collection[str], sources: Collection[str], samples: Samples, reporter: Reporter) -> None:
    """Warn if a target's column is also an input of one of these source modalities."""
    for record in samples.chain:
        for name, part in record.config.get("modalities", {}).items() if record.stage == "preprocess" else ():
            for target in targets if name in sources else ():
                if target in part["config"].get("columns", ()):
                    reporter.warn(
                        f"the target {target!r} is also an input ({name}): the answer leaks into the inputs, and the "
                        "metrics say nothing about rows without it; preprocess without that column"
                    )


def train_columns(samples: Samples) -> Callable[[str], Iterator[Column]]:
    """Return a function that iterates over a modality's columns of the train rows that have it."""
    train = np.flatnonzero(samples.splits() == "train")

    def columns(name: str) -> Iterator[Column]:
        for start, stop in samples.ranges(_ROWS):
            inside = train[(train >= start) & (train < stop)] - start
            column = samples.columns(start, stop, [name])[name]
            there = inside[column.present[inside]]
            if len(there):
                yield column.take(there)

    return columns


def aligned_train_columns(samples: Samples) -> Callable[[Collection[str]], Iterator[dict[str, Column]]]:
    """Return a function that iterates over modalities' columns of the train rows that have any of them."""

    @cache
    def train() -> Array:
        return np.flatnonzero(samples.splits() == "train")

    def columns(names: Collection[str]) -> Iterator[dict[str, Column]]:
        for start, stop in samples.ranges(_ROWS):
            inside = train()[(train() >= start) & (train() < stop)] - start
            found = samples.columns(start, stop, list(names))
            there = inside[np.logical_or.reduce([column.present[inside] for column in found.values()])]
            if len(there):
                yield {name: column.take(there) for name, column in found.items()}

    return columns
