"""One training run with progress and checkpoints, so that it can be interrupted at any moment.

A network with nothing to train in epochs, such as an estimator after a static fusion, is fitted at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from mmcli.errors import MmcliError
from mmcli.evaluation.headline import headline
from mmcli.inference.calibration import Calibration, calibrate
from mmcli.reporting import Progress, Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import Artifact
from mmcli.store.columns import ModalitySpec
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter
from mmcli.tasks.abilities import Tunes
from mmcli.training.augmenting import Augmentation
from mmcli.training.batch_size import choose_batch_size, does_not_fit, require_room
from mmcli.training.data import TrainingData
from mmcli.training.kept_folds import KeptFolds
from mmcli.training.late import learn_combination
from mmcli.training.learner import Learner
from mmcli.training.plan import TrainingPlan
from mmcli.training.sampling import Sampling

if TYPE_CHECKING:
    from mmcli.loop import Checkpoint, Epoch, TrainingOptions
    from mmcli.models.network import Network
    from mmcli.tasks import Task

_CHECKPOINT_SECONDS = 5.0


@dataclass(frozen=True)
class Resumed:
    """The checkpoint of an earlier run of the same request, and its batch size."""

    checkpoint: Checkpoint
    batch_size: int | None


class TrainingRun:
    """One training run: reports its epochs and keeps checkpoints.

    Args:
        writer: Writer of the model, and of the checkpoints meanwhile.
        request: The hash of the request.
        task: The fitted task; after the run, ``task`` is the one tuned on the val rows, and ``calibration`` what they
            tell beside it, if asked for.
        reporter: Receives the epochs.
    """

    def __init__(self, writer: ArtifactWriter, request: str, task: Task, reporter: Reporter) -> None:
        self.writer = writer
        self.request = request
        self.task = task
        self.reporter = reporter
        self.last: Checkpoint | None = None
        self.batch_size: int | None = None
        self.calibration: Calibration | None = None
        self._calibrates = False
        self._at_once: dict[str, float] = {}
        self._saved = time.monotonic()

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The finished epochs."""
        return self.last.history if self.last is not None else ()

    @property
    def best(self) -> Epoch | None:
        """The best epoch; None for a network fitted without epochs."""
        return next((epoch for epoch in reversed(self.history) if epoch.improved), None)

    @property
    def values(self) -> dict[str, float]:
        """The validation values: after the best epoch, or once without epochs."""
        return self._at_once if self.best is None else self.best.values

    def fit(
        self,
        plan: TrainingPlan,
        modalities: Mapping[str, ModalitySpec],
        data: TrainingData,
        options: TrainingOptions,
        augmentation: Augmentation,
        resumed: Resumed | None,
        runtime: Runtime,
        class_weights: Literal["none", "balanced", "effective"],
        batch_size: int | None = None,
        compiled: bool = False,
        sampling: Sampling = "none",
        calibrates: bool = False,
    ) -> tuple[bool, Any]:
        """Train; return whether training finished (false after Ctrl-C) and the network with its best weights.

        The batch size is ``batch_size``, else that of the ``resumed`` run, else what fits in memory, at most
        ``runtime.batch_size``; if a device still runs out of memory in the first epoch, training restarts with half
        the batch size.

        Raises:
            KeyboardInterrupt: Ctrl-C before the first epoch was finished.
            MmcliError: A batch does not fit in the device's memory.
        """
        import torch

        self._calibrates = calibrates
        self.last = resumed.checkpoint if resumed is not None else None
        self.batch_size = batch_size or (resumed.batch_size if resumed is not None else None)
        settled = self.batch_size is not None
        device = runtime.torch_device()
        learner = Learner(plan, modalities, self.task, options, augmentation, class_weights, device, compiled, sampling)
        require_room(learner.planned(), device)
        while True:
            try:
                return self._attempt(learner, data, runtime.batch_size)
            except torch.OutOfMemoryError:
                size = self.batch_size or 1
                if settled or self.history or size == 1:
                    raise does_not_fit(size, device) from None
            # The memory held by the error's frames is only freed after the except clause.
            torch.cuda.empty_cache()
            self.batch_size = size // 2
            self.reporter.note(f"batches of {self.batch_size} rows: {size} do not fit in memory (--batch-size chooses)")

    def _attempt(self, learner: Learner, data: TrainingData, most: int) -> tuple[bool, Any]:
        network = learner.build(self.reporter)
        data = learner.prepare(data, network)
        if any(parameter.requires_grad for parameter in network.parameters()):
            done = self._train(learner, network, data, most)
        else:
            done = True
            self.batch_size = self.batch_size or most
            with self.reporter.progress("train", 1) as progress:
                self._at_once = learner.fit_at_once(network, data, self.batch_size, self.reporter)
                progress.advance(1, self._shown(self._at_once, []))
        size = self.batch_size or most
        if self._calibrates:
            outputs, encoded = data.val_outputs(network.eval(), size)
            self.task, self.calibration = calibrate(
                self.task, outputs, encoded, self.reporter, smoothed=learner.plan.network.model is not None
            )
        elif isinstance(self.task, Tunes):
            self.task = self.task.tune(*data.predictions(network.eval(), self.task, size))
        return done, network.cpu()

    def _train(self, learner: Learner, network: Network, data: TrainingData, most: int) -> bool:
        if self.batch_size is None:
            self.batch_size = choose_batch_size(network, data, most, self.reporter)
        kept = KeptFolds(self.writer, self.request, self.batch_size)
        if learner.plan.network.late:
            learn_combination(network, learner, data, self.batch_size, self.reporter, kept, done=self.last is not None)
        learnt = learner.sampled(data, self.reporter)
        options = learner.options
        done = True
        with self.reporter.progress("train", options.epochs) as progress:
            progress.advance(len(self.history))
            try:
                learner.fit(
                    network, learnt, self.batch_size,
                    lambda epoch, now: self._after_epoch(epoch, now, options, progress), self.last,
                )  # fmt: skip
            except KeyboardInterrupt:
                if self.last is None:
                    raise
                done = False
                network.load_state_dict(self.last.best)
        kept.forget()
        return done

    def _after_epoch(self, epoch: Epoch, now: Checkpoint, options: TrainingOptions, progress: Progress) -> None:
        self.last = now
        values = self._shown(epoch.values, [options.monitor])
        best = "" if self.best is None else f"  best {self.best.number}"
        progress.advance(1, f"loss {epoch.loss:.4f}  {values}{best}")
        if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            self.save()

    def _shown(self, values: Mapping[str, float], names: list[str]) -> str:
        """Return these values and the task's main one, if available, as text."""
        chosen = dict.fromkeys([*names, *[*headline(self.task.headline, values)][:1]])
        return "  ".join(f"val {name} {values[name]:.4f}" for name in chosen)

    def save(self) -> None:
        """Write the last checkpoint next to the previous one, then remove that: one is always complete."""
        if self.last is None:
            return
        state = self.last.to_state()
        state.values["batch_size"] = self.batch_size
        folder = self.writer.folder / "checkpoint"
        name = f"{len(self.last.history):05d}"
        values = {**state.values, "request": self.request, "digest": state.digest()}
        State(values, state.tensors).write(folder / f"{name}.writing")
        for suffix in (".safetensors", ".json"):  # the JSON file last: it marks the checkpoint as complete
            os.replace(folder / f"{name}.writing{suffix}", folder / f"{name}{suffix}")
        for path in folder.iterdir():
            if path.stem != name:
                path.unlink()
        self._saved = time.monotonic()


def checkpoint_before(writer: ArtifactWriter, before: Artifact | None, request: str) -> Resumed | None:
    """Return the latest checkpoint of killed or stopped runs of the same request, if any."""
    from mmcli.loop import Checkpoint

    found: list[Resumed] = []
    folders = [writer.resumed / "checkpoint"] + ([before.path / "checkpoint"] if before is not None else [])
    for file in [file for folder in folders for file in folder.glob("*.json")]:
        try:
            state = State.read(file.with_suffix(""))
        except MmcliError:
            continue  # truncated by the kill: not usable
        told = {name: state.values.pop(name, None) for name in ("request", "digest")}
        if told == {"request": request, "digest": state.digest()}:
            size = state.values.pop("batch_size", None)
            found.append(Resumed(Checkpoint.from_state(state), size))
    return max(found, key=lambda resumed: len(resumed.checkpoint.history), default=None)
