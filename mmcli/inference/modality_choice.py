"""Parses and checks ``--modalities``, the source modalities to use."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mmcli.errors import UsageError, unknown_name
from mmcli.store.columns import FUSED

if TYPE_CHECKING:
    from mmcli.inference.model import TrainedModel


def parse_modalities(asked: Sequence[str]) -> tuple[str, ...]:
    """Parse the comma-separated names of ``--modalities``; return them sorted, () for all.

    Raises:
        UsageError: A name is empty.
    """
    names = [name.strip() for text in asked for name in text.split(",")]
    if not all(names):
        raise UsageError(f"--modalities {','.join(asked)}: expected comma-separated names")
    return tuple(sorted(set(names)))


def modalities_of(model: TrainedModel, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the source modalities that a model should use, sorted; () means all that it can use.

    Raises:
        MmcliError: There is no such modality, or the model cannot use it.
    """
    chosen = parse_modalities(asked)
    check_modalities(chosen, set(model.source_of.values()))
    unlearnt = sorted(set(chosen) - set(model.sources))
    if unlearnt:
        raise UsageError(
            f"--modalities {','.join(chosen)}: the model learnt only from {', '.join(model.learnt_sources)}, and its "
            f"fusion {model.plan.method} does not map {', '.join(unlearnt)} into the same space; fuse with "
            "contrastive, cca or l2_align before training"
        )
    return chosen


def check_modalities(chosen: Collection[str], known: Collection[str]) -> None:
    """Check that modalities exist.

    Raises:
        MmcliError: One does not.
    """
    for name in chosen:
        if name not in known or name == FUSED:
            raise unknown_name("modality", name, sorted(set(known) - {FUSED}))
