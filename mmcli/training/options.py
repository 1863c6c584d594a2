"""The options of train, and which of them do not go together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mmcli.errors import UsageError
from mmcli.networks.estimator_choice import choose_model, refuse_losses_of_networks, refuse_options_of_networks
from mmcli.registry import FUSIONS, parse_spec
from mmcli.reporting import Silent
from mmcli.store.artifact import EmptyTarget
from mmcli.tasks.targets import target_columns
from mmcli.training.asked_task import parse_tasks
from mmcli.training.sampling import Sampling


@dataclass(frozen=True)
class TrainOptions:
    """The options of train that decide what comes of it; see ``mmcli train --help``."""

    task: str | Sequence[str]
    target: str | Sequence[str] | None
    method: str | None
    encoder: Sequence[str]
    projection: int
    hidden: str
    dropout: float | None
    modality_dropout: float
    class_weights: Literal["none", "balanced", "effective"]
    augment: Sequence[str]
    augment_strength: float
    epochs: int
    lr: float
    weight_decay: float
    l1: float
    schedule: Literal["cosine", "constant", "plateau"]
    clip_norm: float
    patience: int
    monitor: str | None
    batch_size: int | None
    seed: int
    precision: str
    pooling: str | None = None
    compile: bool = False
    sampling: Sampling = "none"
    modalities: Sequence[str] = ()
    model: str | None = None
    positive: Sequence[str] = ()
    empty_target: EmptyTarget | None = None

    def check_names(self) -> None:
        """Refuse what needs no samples to be known wrong.

        Raises:
            MmcliError: There is no such method or task, or training does not compute in this precision.
        """
        if self.method is not None:
            FUSIONS.summary(parse_spec(self.method).name)
        for name, value in asdict(self).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"--{name.replace('_', '-')} {value}: expected a number")
        tasks = parse_tasks(self.task, target_columns(self.target))
        if self.target or not tasks.of_target:  # else it takes the samples to know where a target's name ends
            tasks.check_names()
        if self.precision == "float16":
            raise UsageError("--precision float16: training computes in float32, or its encoders in bfloat16")

    def check_against(self, defaults: Mapping[str, Any]) -> None:
        """Refuse options that say how a network is trained, where none is.

        Raises:
            UsageError: One of them is not as in ``defaults``.
        """
        model = self._estimator
        refuse_options_of_networks(model, vars(self), defaults)
        refuse_losses_of_networks(model, parse_tasks(self.task, target_columns(self.target)).task)

    def can_take(self, method: str) -> bool:
        """Return whether a fusion method can stand before the model."""
        return self._estimator is None or FUSIONS.constant(method, "kind") == "static"

    @property
    def _estimator(self) -> str | None:
        return choose_model(self.model, parse_tasks(self.task, target_columns(self.target)).model, Silent())
