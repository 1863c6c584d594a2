"""What one training is asked, and what that comes to on given samples: the same for train and compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.chain.compiling import require_compiler
from mmcli.chain.transforms import record_of
from mmcli.inference.modality_choice import check_modalities, parse_modalities
from mmcli.networks.estimator_choice import choose_model
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import EmptyTarget, TransformRecord
from mmcli.store.columns import ModalitySpec
from mmcli.store.keys import fingerprint
from mmcli.store.opening import join_by_id, open_samples
from mmcli.store.samples import Samples
from mmcli.store.state import State
from mmcli.store.training_rows import warn_of_lacking
from mmcli.tasks.targets import target_columns, target_role
from mmcli.training.asked_task import parse_tasks
from mmcli.training.augmenting import Augmentation, plan_augmentation
from mmcli.training.options import TrainOptions
from mmcli.training.plan import DEFAULT_METHOD, NetworkOptions, TrainingPlan, plan_training
from mmcli.training.sampling import check_sampling

if TYPE_CHECKING:
    from mmcli.loop import TrainingOptions
    from mmcli.tasks import Task
    from mmcli.training.data import TrainingData
    from mmcli.training.fit import Resumed, TrainingRun


@dataclass(frozen=True)
class TrainingRequest:
    """One training that can begin.

    Args:
        samples: What is learnt from.
        options: What was asked.
        plan: What is to be built.
        augmentation: What is done to train batches.
        assets: The hashes of the files that encoders start from.
    """

    samples: Samples
    options: TrainOptions
    plan: TrainingPlan
    augmentation: Augmentation
    assets: Mapping[str, Mapping[str, str]]

    @property
    def targets(self) -> tuple[str, ...]:
        """The columns to learn."""
        return target_columns(self.options.target) or self.samples.roles.targets

    @property
    def empty_target(self) -> EmptyTarget:
        """What a row without a target is; where nothing is said, what preprocess was told."""
        return self.options.empty_target or self.samples.roles.empty_target

    @property
    def keep(self) -> tuple[str, ...]:
        """The source modalities to learn from, sorted; () is all."""
        return parse_modalities(self.options.modalities)

    @property
    def compiled(self) -> bool:
        """Whether there are encoders, and they are compiled."""
        return self.options.compile and bool(self.plan.encoders)

    def to_json(self) -> dict[str, Any]:
        """Return everything that the result depends on: by it the same request is known again."""
        asked = self.options
        parameters: dict[str, Any] = {
            "task": parse_tasks(asked.task, self.targets).to_json(), "target": target_role(self.targets),
            "class_weights": asked.class_weights, "epochs": asked.epochs,
            "lr": asked.lr, "weight_decay": asked.weight_decay, "l1": asked.l1, "schedule": asked.schedule,
            "clip_norm": asked.clip_norm, "patience": asked.patience, "monitor": asked.monitor,
            "batch_size": asked.batch_size or "auto", "augmentation": self.augmentation.to_json(),
        }  # fmt: skip
        if self.compiled:
            parameters["compiled"] = True
        if asked.sampling != "none":
            parameters["sampling"] = asked.sampling
        if self.options.positive:
            parameters["positive"] = list(self.options.positive)
        if self.empty_target != "error":
            parameters["empty_target"] = self.empty_target
        if self.keep:
            parameters["modalities"] = list(self.keep)
        return {
            "source": self.samples.digest, "seed": asked.seed, "parameters": parameters,
            "network": self.plan.network.to_json(), "encoder_assets": self.assets,
        }  # fmt: skip

    def fingerprint(self) -> str:
        """Return a hash of all that."""
        return fingerprint(self.to_json())

    def load(self, modalities: Mapping[str, ModalitySpec], reporter: Reporter) -> TrainingData:
        """Read the train and val rows; ``modalities`` are what ``plan.fit`` returned.

        Raises:
            MmcliError: See ``load_training_data`` and ``check_sampling``.
        """
        from mmcli.training.loading import load_training_data

        data = load_training_data(
            self.samples,
            self.plan.fusing,
            modalities,
            set(self.plan.encoders),
            self.targets,
            parse_tasks(self.options.task, self.targets),
            reporter,
            pooling=self.plan.network.ready_pooling,
            keep=self.keep,
            named=bool(target_columns(self.options.target)),
            positive=self.options.positive,
            empty_target=self.empty_target,
        )
        check_sampling(self.options.sampling, data, self.plan.encoders)
        return data

    def fit(
        self,
        run: TrainingRun,
        modalities: Mapping[str, ModalitySpec],
        data: TrainingData,
        resumed: Resumed | None,
        runtime: Runtime,
    ) -> tuple[bool, Any]:
        """Train; see ``TrainingRun.fit``."""
        asked = self.options
        return run.fit(
            self.plan, modalities, data, self._training_options(data.task), self.augmentation, resumed, runtime,
            asked.class_weights, asked.batch_size, self.compiled, asked.sampling,
        )  # fmt: skip

    def chain(self) -> list[tuple[TransformRecord, dict[str, State]]]:
        """Return the transforms that make the network's inputs, each with what it learnt."""
        chain = [(record, self.samples.states(record)) for record in self.samples.chain]
        if self.plan.fusing is not None:
            chain.append((record_of(self.plan.fusing), self.plan.fusing.states()))
        return chain

    def _training_options(self, task: Task) -> TrainingOptions:
        from mmcli.loop import TrainingOptions
        from mmcli.tasks import mode_of

        asked = self.options
        monitor = asked.monitor or task.monitor
        return TrainingOptions(
            epochs=asked.epochs, lr=asked.lr, weight_decay=asked.weight_decay, l1=asked.l1, schedule=asked.schedule,
            clip_norm=asked.clip_norm or None, patience=asked.patience or None, monitor=monitor,
            mode=mode_of(task, monitor), seed=asked.seed,
        )  # fmt: skip


def open_sources(sources: Sequence[str], stages: Sequence[str], limit: int | None, reporter: Reporter) -> Samples:
    """Open what is learnt from: an artifact of one of these stages, or several joined by id, without the test rows.

    Raises:
        MmcliError: A source is not as it must be.
    """
    samples = join_by_id([open_samples(each, stages, limit) for each in sources])
    warn_of_lacking(samples, reporter)
    return samples.choose(np.flatnonzero(samples.splits() != "test"))


def request_training(
    samples: Samples,
    options: TrainOptions,
    runtime: Runtime,
    reporter: Reporter,
    assets: Mapping[str, Mapping[str, str]] | None = None,
) -> TrainingRequest:
    """Decide what a training is to build and do; ``assets`` need not be hashed again where they are given.

    Raises:
        MmcliError: An option names what is not there, or does not fit.
    """
    task = parse_tasks(options.task, target_columns(options.target) or samples.roles.targets)
    task.check_names()
    model = choose_model(options.model, task.model, reporter)
    network = NetworkOptions(
        options.method, options.encoder, options.projection, options.hidden, options.dropout,
        options.modality_dropout, options.precision, options.seed, options.pooling,
        task.method or DEFAULT_METHOD, model=model, attends=task.attends,
    )  # fmt: skip
    if options.compile:
        require_compiler(runtime.torch_device())
    check_modalities(parse_modalities(options.modalities), {spec.source for spec in samples.modalities.values()})
    plan = plan_training(samples, network, runtime.torch_device(), reporter)
    augmentation = plan_augmentation(
        options.augment,
        options.augment_strength,
        samples.modalities,
        plan.encoders,
        reporter,
        mixable=plan.network.ready_pooling is not None,
        texts=plan.network.attends,
    )
    return TrainingRequest(samples, options, plan, augmentation, plan.assets() if assets is None else assets)
