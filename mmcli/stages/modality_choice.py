"""Which source modalities a command is to look at, the others being taken for absent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mmcli.errors import UsageError, unknown_name
from mmcli.reporting import Reporter
from mmcli.stages.transforms.fuse import FUSED

if TYPE_CHECKING:
    from mmcli.stages.model import TrainedModel


def parse_modalities(asked: Sequence[str]) -> tuple[str, ...]:
    """Read ``--modalities``: names, also several parted by commas; return them sorted, () for all.

    Raises:
        UsageError: One text holds none.
    """
    names = [name.strip() for text in asked for name in text.split(",")]
    if not all(names):
        raise UsageError("--modalities: expected names, parted by commas")
    return tuple(sorted(set(names)))


def warn_of_unlearnt(model: TrainedModel, chosen: Collection[str], reporter: Reporter) -> None:
    """Warn of modalities that a model did not learn from, and that share no space with those it did."""
    learnt = model.artifact.header["parameters"].get("modalities") or model.sources
    unlearnt = sorted(set(chosen) - set(learnt))
    if unlearnt and getattr(model.network.fusion, "embed", None) is None:
        reporter.warn(
            f"the model learnt from {', '.join(learnt)} alone, and its fusion {model.plan.method} brings nothing of "
            f"{', '.join(unlearnt)} to the same space: predictions from it mean little; fuse with contrastive, cca "
            "or l2_align"
        )


def check_modalities(chosen: Collection[str], known: Collection[str]) -> None:
    """Refuse a modality that there is not.

    Raises:
        MmcliError: There is one.
    """
    for name in chosen:
        if name not in known or name == FUSED:
            raise unknown_name("modality", name, sorted(set(known) - {FUSED}))
