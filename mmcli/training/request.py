"""A training request and its resolution on given samples, shared by train and compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.chain.compiling import require_compiler
from mmcli.chain.transforms import record_of
from mmcli.inference.modality_choice import check_modalities, parse_modalities
from mmcli.models.estimators import origin_of
from mmcli.networks.estimator_choice import choose_model
from mmcli.registry import ENCODERS, FUSIONS, TASKS, parse_spec
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import TransformRecord
from mmcli.store.columns import ModalitySpec
from mmcli.store.keys import fingerprint
from mmcli.store.labels import EmptyTarget
from mmcli.store.opening import join_by_id, open_samples
from mmcli.store.samples import Samples
from mmcli.store.state import State
from mmcli.store.training_rows import warn_of_lacking
from mmcli.tasks.targets import target_role
from mmcli.training.asked_task import parse_tasks
from mmcli.training.augmenting import Augmentation, plan_augmentation
from mmcli.training.config import TrainConfig
from mmcli.training.plan import DEFAULT_METHOD, Needs, TrainingPlan, plan_training
from mmcli.training.sampling import check_sampling

if TYPE_CHECKING:
    from mmcli.loop import TrainingOptions
    from mmcli.tasks import Task
    from mmcli.training.data import TrainingData
    from mmcli.training.fit import Resumed, TrainingRun


@dataclass(frozen=True)
class TrainingRequest:
    """A training that is ready to start.

    Args:
        samples: The samples to train on.
        config: The options.
        plan: The plan.
        augmentation: Augmentation of train batches.
        assets: The hashes of the files that encoders start from.
    """

    samples: Samples
    config: TrainConfig
    plan: TrainingPlan
    augmentation: Augmentation
    assets: Mapping[str, Mapping[str, str]]

    @property
    def targets(self) -> tuple[str, ...]:
        """The target columns."""
        return tuple(self.config.task.target) or self.samples.roles.targets

    @property
    def empty_target(self) -> EmptyTarget:
        """How to treat a row without a target; by default as in preprocess."""
        return self.config.task.empty_target or self.samples.roles.empty_target

    @property
    def keep(self) -> tuple[str, ...]:
        """The source modalities to train on, sorted; () is all."""
        return parse_modalities(self.config.data.modalities)

    @property
    def compiled(self) -> bool:
        """Whether there are encoders, and they are compiled."""
        return self.config.compile and bool(self.plan.encoders)

    def to_json(self) -> dict[str, Any]:
        """Return everything that the result depends on, by which the same request is recognised."""
        data, fit, task = self.config.data, self.config.fit, self.config.task
        parameters: dict[str, Any] = {
            "task": parse_tasks(task.task, self.targets).to_json(), "target": target_role(self.targets),
            "class_weights": data.class_weights, **asdict(fit),
        }  # fmt: skip
        if not fit.calibrate:
            del parameters["calibrate"]
        parameters["batch_size"] = parameters.pop("batch_size") or "auto"
        parameters["augmentation"] = self.augmentation.to_json()
        if self.compiled:
            parameters["compiled"] = True
        if data.sampling != "none":
            parameters["sampling"] = data.sampling
        if task.positive:
            parameters["positive"] = list(task.positive)
        if self.empty_target != "error":
            parameters["empty_target"] = self.empty_target
        if self.keep:
            parameters["modalities"] = list(self.keep)
        if plugins := self.plugins():
            parameters["plugins"] = plugins
        return {
            "source": self.samples.digest, "seed": data.seed, "parameters": parameters,
            "network": self.plan.network.to_json(), "encoder_assets": self.assets,
        }  # fmt: skip

    def plugins(self) -> dict[str, dict[str, str]]:
        """Return the plugins that provide names used here, by ``encoder NAME`` and so on."""
        tasks = parse_tasks(self.config.task.task, self.targets)
        names = [(ENCODERS, choice.spec.name) for choice in self.plan.encoders.values()]
        names.append((FUSIONS, parse_spec(self.plan.network.method).name))
        names += [(TASKS, spec.name) for spec in (tasks.task, *tasks.of_target.values())]
        found = {f"{registry.what} {name}": registry.origin_of(name) for registry, name in names}
        if self.plan.network.model is not None:
            estimator = str(parse_spec(self.plan.network.model).argument)
            found[f"estimator {estimator}"] = origin_of(estimator)
        found |= self.augmentation.plugins()
        return {told: origin.to_json() for told, origin in found.items() if origin is not None}

    def fingerprint(self) -> str:
        """Return the hash of ``to_json``."""
        return fingerprint(self.to_json())

    def load(self, modalities: Mapping[str, ModalitySpec], reporter: Reporter) -> TrainingData:
        """Read the train and val rows; ``modalities`` is the result of ``plan.fit``.

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
            parse_tasks(self.config.task.task, self.targets),
            reporter,
            pooling=self.plan.network.ready_pooling,
            keep=self.keep,
            named=bool(self.config.task.target),
            positive=self.config.task.positive,
            empty_target=self.empty_target,
        )
        check_sampling(self.config.data.sampling, data, self.plan.encoders)
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
        asked = self.config.data
        return run.fit(
            self.plan, modalities, data, self._training_options(data.task), self.augmentation, resumed, runtime,
            asked.class_weights, self.config.fit.batch_size, self.compiled, asked.sampling, self.config.fit.calibrate,
        )  # fmt: skip

    def chain(self) -> list[tuple[TransformRecord, dict[str, State]]]:
        """Return the transforms that produce the network's inputs, each with its state."""
        chain = [(record, self.samples.states(record)) for record in self.samples.chain]
        if self.plan.fusing is not None:
            chain.append((record_of(self.plan.fusing), self.plan.fusing.states()))
        return chain

    def _training_options(self, task: Task) -> TrainingOptions:
        from mmcli.loop import TrainingOptions
        from mmcli.tasks import mode_of

        asked = self.config.fit
        monitor = asked.monitor or task.monitor
        return TrainingOptions(
            epochs=asked.epochs, lr=asked.lr, weight_decay=asked.weight_decay, l1=asked.l1, schedule=asked.schedule,
            clip_norm=asked.clip_norm or None, patience=asked.patience or None, monitor=monitor,
            mode=mode_of(task, monitor), seed=self.config.data.seed,
        )  # fmt: skip


def open_sources(sources: Sequence[str], stages: Sequence[str], limit: int | None, reporter: Reporter) -> Samples:
    """Open the source to train on: an artifact of one of these stages, or several joined by id, without test rows.

    Raises:
        MmcliError: A source is invalid.
    """
    samples = join_by_id([open_samples(each, stages, limit) for each in sources])
    warn_of_lacking(samples, reporter)
    return samples.choose(np.flatnonzero(samples.splits() != "test"))


def request_training(
    samples: Samples,
    config: TrainConfig,
    runtime: Runtime,
    reporter: Reporter,
    assets: Mapping[str, Mapping[str, str]] | None = None,
) -> TrainingRequest:
    """Resolve a training request on samples; given ``assets`` are not hashed again.

    Raises:
        MmcliError: An option names something that does not exist, or does not fit.
    """
    task = parse_tasks(config.task.task, config.task.target or samples.roles.targets)
    task.check_names()
    model = choose_model(config.network.model, task.model, reporter)
    if config.compile:
        require_compiler(runtime.torch_device())
    check_modalities(parse_modalities(config.data.modalities), {spec.source for spec in samples.modalities.values()})
    needs = Needs(task.method or DEFAULT_METHOD, task.attends, model)
    plan = plan_training(samples, config, needs, runtime.torch_device(), reporter)
    augmentation = plan_augmentation(
        config.data.augment,
        config.data.augment_strength,
        samples.modalities,
        plan.encoders,
        reporter,
        mixable=plan.network.ready_pooling is not None,
        texts=plan.network.attends,
    )
    return TrainingRequest(samples, config, plan, augmentation, plan.assets() if assets is None else assets)
