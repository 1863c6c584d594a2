"""The columns of the train rows: all that anything may be fitted on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache

import numpy as np

from mmcli.reporting import Reporter
from mmcli.store.columns import Array, Column
from mmcli.store.samples import Samples

_ROWS = 1024


def warn_of_lacking(samples: Samples, reporter: Reporter) -> None:
    """Warn of samples that one of several joined sources has not: its modalities are missing there."""
    for folder, count in samples.lacking():
        reporter.warn(f"{count} of {len(samples)} samples are not in {folder}: its modalities are missing there")


def warn_of_target(targets: Collection[str], sources: Collection[str], samples: Samples, reporter: Reporter) -> None:
    """Warn where a target's column is also what one of these source modalities was made from."""
    for record in samples.chain:
        for name, part in record.config.get("modalities", {}).items() if record.stage == "preprocess" else ():
            for target in targets if name in sources else ():
                if target in part["config"].get("columns", ()):
                    reporter.warn(
                        f"the target {target!r} is also an input ({name}): the answer is given away, and what is "
                        "measured says nothing of rows without it; preprocess without that column"
                    )


def train_columns(samples: Samples) -> Callable[[str], Iterator[Column]]:
    """Return a function that gives a modality's columns of the train rows that have it, as often as it is called."""
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
    """Return a function that gives modalities' columns of the same train rows, those that have any of them."""

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
