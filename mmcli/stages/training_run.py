"""One training run: its epochs shown, its checkpoints kept, so that it can be interrupted at any moment."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from mmcli.errors import MmcliError
from mmcli.reporting import Progress, Reporter
from mmcli.runtime import Runtime
from mmcli.stages.augmenting import Augmentation
from mmcli.stages.train_data import TrainingData
from mmcli.stages.training_plan import TrainingPlan
from mmcli.store.artifact import Artifact
from mmcli.store.columns import ModalitySpec
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter

if TYPE_CHECKING:
    from torch import Tensor

    from mmcli.tasks import Task
    from mmcli.training import Checkpoint, Epoch, Outcome, TrainingOptions

_CHECKPOINT_SECONDS = 5.0


class TrainingRun:
    """One training run: shows its epochs and keeps checkpoints."""

    def __init__(self, writer: ArtifactWriter, request: str, task: Task, reporter: Reporter) -> None:
        self.writer = writer
        self.request = request
        self.task = task
        self.reporter = reporter
        self.last: Checkpoint | None = None
        self._saved = time.monotonic()

    @property
    def history(self) -> tuple[Epoch, ...]:
        """The epochs done."""
        return self.last.history if self.last is not None else ()

    @property
    def best(self) -> Epoch:
        """The best of them."""
        return [epoch for epoch in self.history if epoch.improved][-1]

    def fit(
        self,
        plan: TrainingPlan,
        modalities: Mapping[str, ModalitySpec],
        data: TrainingData,
        options: TrainingOptions,
        augmentation: Augmentation,
        checkpoint: Checkpoint | None,
        runtime: Runtime,
        class_weights: Literal["none", "balanced"],
    ) -> tuple[Outcome | None, Any]:
        """Train; return how it went (None: stopped by Ctrl-C) and the network with its best weights.

        Raises:
            KeyboardInterrupt: Before the first epoch was done.
        """
        import torch

        from mmcli.training import fit

        torch.manual_seed(options.seed)
        device = runtime.torch_device()
        network = plan.network.build(modalities, self.task.out_dim, pretrained=True).to(device)
        encoders: Any = dict(network.encoders.items())
        plan.start(encoders, self.reporter)
        data = data.to(device, encoders)
        augment = augmentation.on(encoders)
        scales = {f"encoders.{name}.": choice.lr_scale for name, choice in plan.encoders.items()}
        weight = self.task.class_weights(data.train.targets.numpy(), class_weights)
        weight = None if weight is None else weight.to(device)

        def loss(outputs: Tensor, targets: Tensor) -> Tensor:
            return self.task.loss(outputs, targets, weight)

        self.last = checkpoint
        outcome: Outcome | None
        with self.reporter.progress("train", options.epochs) as progress:
            progress.advance(len(self.history))
            try:
                outcome = fit(
                    network,
                    lambda generator: data.batches(runtime.batch_size, generator),
                    lambda model, batch: augment.loss(model, batch, loss),
                    lambda model: data.validate(model, self.task, runtime.batch_size),
                    options,
                    lr_scale=lambda name: next((s for start, s in scales.items() if name.startswith(start)), 1.0),
                    on_epoch=lambda epoch, now: self._after_epoch(epoch, now, options, progress),
                    checkpoint=checkpoint,
                )
            except KeyboardInterrupt:
                if self.last is None:
                    raise
                outcome = None
                network.load_state_dict(self.last.best)
        return outcome, network.cpu()

    def _after_epoch(self, epoch: Epoch, now: Checkpoint, options: TrainingOptions, progress: Progress) -> None:
        self.last = now
        shown = {
            options.monitor: epoch.values[options.monitor],
            **{k: v for k, v in epoch.values.items() if k == "accuracy"},
        }
        values = "  ".join(f"val {name} {value:.4f}" for name, value in shown.items())
        progress.advance(1, f"loss {epoch.loss:.4f}  {values}  best {self.best.number}")
        if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            self.save()

    def save(self) -> None:
        """Write the last checkpoint beside the one before, and then remove that: one is whole at every moment."""
        if self.last is None:
            return
        state = self.last.to_state()
        folder = self.writer.folder / "checkpoint"
        name = f"{len(self.last.history):05d}"
        values = {**state.values, "request": self.request, "digest": state.digest()}
        State(values, state.tensors).write(folder / f"{name}.writing")
        for suffix in (".safetensors", ".json"):  # the one with the values last: it makes the checkpoint one
            os.replace(folder / f"{name}.writing{suffix}", folder / f"{name}{suffix}")
        for path in folder.iterdir():
            if path.stem != name:
                path.unlink()
        self._saved = time.monotonic()


def checkpoint_before(writer: ArtifactWriter, before: Artifact | None, request: str) -> Checkpoint | None:
    """Return where killed or stopped runs of the same request were, if there were any; the latest."""
    from mmcli.training import Checkpoint

    found: list[Checkpoint] = []
    folders = [writer.resumed / "checkpoint"] + ([before.path / "checkpoint"] if before else [])
    for file in [file for folder in folders for file in folder.glob("*.json")]:
        try:
            state = State.read(file.with_suffix(""))
        except MmcliError:
            continue  # cut off by the kill: training begins at the start
        told = {name: state.values.pop(name, None) for name in ("request", "digest")}
        if told == {"request": request, "digest": state.digest()}:
            found.append(Checkpoint.from_state(state))
    return max(found, key=lambda checkpoint: len(checkpoint.history), default=None)
