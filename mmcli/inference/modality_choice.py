"""Which source modalities a command is to look at, the others being taken for absent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mmcli.errors import UsageError, unknown_name
from mmcli.store.columns import FUSED

if TYPE_CHECKING:
    from mmcli.inference.model import TrainedModel


def parse_modalities(asked: Sequence[str]) -> tuple[str, ...]:
    """Read ``--modalities``: names, also several parted by commas; return them sorted, () for all.

    Raises:
        UsageError: One text holds none.
    """
    names = [name.strip() for text in asked for name in text.split(",")]
    if not all(names):
        raise UsageError("--modalities: expected names, parted by commas")
    return tuple(sorted(set(names)))


def modalities_of(model: TrainedModel, asked: Sequence[str]) -> tuple[str, ...]:
    """Return the source modalities that a model is to look at, sorted; () is all that it can.

    Raises:
        MmcliError: There is no such modality, or it says nothing to the model.
    """
    chosen = parse_modalities(asked)
    check_modalities(chosen, set(model.source_of.values()))
    unlearnt = sorted(set(chosen) - set(model.sources))
    if unlearnt:
        raise UsageError(
            f"--modalities {','.join(chosen)}: the model learnt from {', '.join(model.learnt_sources)} alone, and its "
            f"fusion {model.plan.method} brings nothing of {', '.join(unlearnt)} to the same space; fuse with "
            "contrastive, cca or l2_align before training"
        )
    return chosen


def check_modalities(chosen: Collection[str], known: Collection[str]) -> None:
    """Refuse a modality that there is not.

    Raises:
        MmcliError: There is one.
    """
    for name in chosen:
        if name not in known or name == FUSED:
            raise unknown_name("modality", name, sorted(set(known) - {FUSED}))
