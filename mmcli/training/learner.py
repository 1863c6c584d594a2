"""Builds the network of a plan and trains it: once for a model, and on parts of the train rows if a method needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from mmcli.chain.compiling import compile_network
from mmcli.models.abilities import FitsAtOnce
from mmcli.networks.building import build_network
from mmcli.reporting import Reporter
from mmcli.store.columns import ModalitySpec
from mmcli.training.augmenting import Augmentation
from mmcli.training.data import Inputs, TrainingData
from mmcli.training.plan import TrainingPlan
from mmcli.training.sampling import Sampling, resample

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mmcli.loop import Checkpoint, Epoch, Outcome, TrainingOptions
    from mmcli.models.network import Network
    from mmcli.tasks import Task

    Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Learner:
    """Trains networks; holds everything that does not depend on the train rows.

    Args:
        plan: What to build.
        modalities: The network's inputs.
        task: The fitted task.
        options: Training options.
        augmentation: Augmentation of train batches.
        class_weights: Class weights in the loss.
        device: The training device.
        compiled: Compile encoders first.
        sampling: How classes are balanced in the train rows.
    """

    plan: TrainingPlan
    modalities: Mapping[str, ModalitySpec]
    task: Task
    options: TrainingOptions
    augmentation: Augmentation
    class_weights: Literal["none", "balanced", "effective"]
    device: str
    compiled: bool = False
    sampling: Sampling = "none"

    def planned(self) -> Network:
        """Return the network without its weights, on device ``meta``."""
        import torch

        with torch.device("meta"):
            return build_network(self.plan.network, self.modalities, self.task, pretrained=False)

    def build(self, reporter: Reporter, method: str | None = None) -> Network:
        """Build the untrained network on the device; ``method`` replaces the plan's."""
        import torch

        torch.manual_seed(self.options.seed)
        planned = self.plan.network if method is None else replace(self.plan.network, method=method)
        network = build_network(planned, self.modalities, self.task, pretrained=True).to(self.device)
        self.plan.start(dict(network.encoders.items()), reporter)
        self.plan.load_fitted(network.fusion)
        return network

    def prepare(self, data: TrainingData, network: Network) -> TrainingData:
        """Return the data for a built network."""
        encoders: Any = dict(network.encoders.items())
        return data.to(self.device, encoders)

    def sampled(self, data: TrainingData, reporter: Reporter) -> TrainingData:
        """Return prepared data with resampled train rows; see ``resample``."""
        return resample(data, self.sampling, self.options.seed, reporter)

    def fit(
        self,
        network: Network,
        data: TrainingData,
        size: int,
        on_epoch: Callable[[Epoch, Checkpoint], None],
        checkpoint: Checkpoint | None = None,
    ) -> Outcome:
        """Train a network in place, on prepared data in batches of ``size`` rows; see ``training.fit``."""
        from mmcli.loop import fit

        if self.compiled:
            for encoder in network.encoders.values():
                compile_network(encoder)
        augment = self.augmentation.on(dict(network.encoders.items()))
        scales = {f"encoders.{name}.": choice.lr_scale for name, choice in self.plan.encoders.items()}
        loss = self.loss(data)

        late, taught = self.plan.network.late, network.taught

        def batch_loss(model: nn.Module, batch: Inputs) -> Tensor:
            if taught:
                return augment.loss(partial(model, targets=batch.targets), batch, loss)
            if not late:
                return augment.loss(model, batch, loss)
            return augment.loss(partial(outputs_of_each, model), batch, partial(_loss_of_each, loss, batch.present))

        return fit(
            network,
            lambda generator: data.batches(size, generator),
            batch_loss,
            lambda model: data.validate(model, self.task, size),
            self.options,
            lr_scale=lambda name: next((s for start, s in scales.items() if name.startswith(start)), 1.0),
            on_epoch=on_epoch,
            checkpoint=checkpoint,
        )

    def fit_at_once(self, network: Network, data: TrainingData, size: int, reporter: Reporter) -> dict[str, float]:
        """Fit a network that has nothing to train in epochs; return the task's metrics on the val rows.

        A head with ``fit(fused, encoded, weight)`` is fitted to the fused train rows, (N, D), with the weight of each
        output, (K,), or None; the note it returns is reported.
        """
        import torch

        network.eval()
        head = network.head
        if isinstance(head, FitsAtOnce):
            learnt = self.sampled(data, reporter)
            with torch.no_grad():
                fused = learnt.outputs(network.fused, learnt.train, size).cpu()
            fused, encoded = fused if learnt.drawn is None else fused[learnt.drawn], learnt.encoded
            weight = self.task.class_weights(encoded, self.class_weights)
            told = head.fit(fused.numpy(), encoded, None if weight is None else weight.numpy())
            if told:
                reporter.note(told)
        return self.task.metrics(*data.predictions(network, self.task, size))

    def loss(self, data: TrainingData) -> Loss:
        """Return the task's loss with the class weights for these train rows."""
        weight = self.task.class_weights(data.encoded, self.class_weights)
        weight = None if weight is None else weight.to(self.device)
        return lambda outputs, targets: self.task.loss(outputs, targets, None if weight is None else weight.to(outputs))


def outputs_of_each(network: Any, features: Mapping[str, Any], present: Mapping[str, Tensor]) -> Tensor:
    """Return (B, M, K), the outputs of each modality's head in a network with a late method."""
    outputs: Tensor = network.fusion.each(network.fusion_inputs(features, present))
    return outputs


def _loss_of_each(loss: Loss, present: Mapping[str, Tensor], outputs: Tensor, targets: Tensor) -> Tensor:
    """Return the sum over modalities of the loss on the rows that have it, so that heads train independently."""
    rows = [present[name] for name in sorted(present)]
    losses = [loss(outputs[there, place], targets[there]) for place, there in enumerate(rows) if there.any()]
    return sum(losses[1:], losses[0])
