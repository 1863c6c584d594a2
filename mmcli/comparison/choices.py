"""Chooses the methods, seeds and metric of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mmcli.chain.fusion_choice import check_method
from mmcli.comparison.ranking import SINGLE
from mmcli.errors import UsageError, unknown_name
from mmcli.evaluation.headline import headline
from mmcli.registry import FUSIONS, parse_spec
from mmcli.store.samples import Samples
from mmcli.training.checks import can_take
from mmcli.training.config import TrainConfig

if TYPE_CHECKING:
    from mmcli.tasks import Task

_MOST_SEEDS = 1000


def parse_seeds(text: str, first: int) -> list[int]:
    """Parse a number of seeds, counted from ``first``, or a list of seeds.

    Raises:
        UsageError: ``text`` is neither.
    """
    try:
        listed = [int(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"--seeds {text}: expected a number of seeds, such as 5, or a list, such as 0,1,2") from None
    if "," not in text:
        if not 1 <= listed[0] <= _MOST_SEEDS:
            raise UsageError(f"--seeds {text}: expected 1 to {_MOST_SEEDS} seeds")
        return list(range(first, first + listed[0]))
    if len(set(listed)) < len(listed):
        raise UsageError(f"--seeds {text}: seeds must be unique")
    return listed


def choose_methods(asked: Sequence[str], samples: Samples, config: TrainConfig) -> list[str]:
    """Return the distinct methods in full notation.

    Raises:
        MmcliError: There is no such method.
    """
    singles = [f"{SINGLE}:{source}" for source in sorted(sources_of(samples))]
    others = [name for name in FUSIONS.names() if name != SINGLE and can_take(config, name)]
    specs = [parse_spec(text) for text in asked or [*singles, *others]]
    for spec in specs:
        check_method(spec, samples.modalities)
    return list(dict.fromkeys(map(str, specs)))


def sources_of(samples: Samples) -> set[str]:
    """Return the modalities of the source table that the features are of."""
    return {spec.source for spec in samples.modalities.values()}


def choose_metric(asked: str | None, known: Sequence[str], task: Task) -> str:
    """Return the metric asked for, or the task's headline.

    Raises:
        UsageError: The task has no such metric.
    """
    if asked is not None and asked not in known:
        raise unknown_name("metric", asked, known)
    return asked or next(iter(headline(task.headline, dict.fromkeys(known, 0.0))))
