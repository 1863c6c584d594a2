"""Integrated gradients of a network trained end to end, with respect to its pixels or token vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.chain.encoding import to_device
from mmcli.explanation.input_chain import InputChain
from mmcli.explanation.score import Score
from mmcli.inference.model import TrainedModel, Vectors
from mmcli.models.abilities import ReadsTokens
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 32
_AT_ONCE = 8
_LINKS = ("softmax", "sigmoid", "identity")
_LEAST = 1e-9


class Gradients:
    """Attributes a prediction's number to the pixels or token vectors of one modality; the rest of the row is fixed.

    The baseline is a picture of its own mean colour, or a text of padding. Attributions sum, up to the error of the
    integral, to the difference that the input makes against its baseline.

    Args:
        model: Its network is differentiated.
        inputs: The model's chain.
        score: The number.
        runtime: Where encoders compute.

    Source: Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks, section 3; computed by captum.
    """

    def __init__(self, model: TrainedModel, inputs: InputChain, score: Score, runtime: Runtime) -> None:
        self.model = model
        self.inputs = inputs
        self.score = score
        self.device = runtime.torch_device()
        network = model.network
        links = model.task.link in _LINKS and score.target is None
        self._possible = links and model.plan.model is None and not network.taught

    def reach(self, source: str) -> bool:
        """Return whether gradients reach a modality's words or pixels."""
        names = self.inputs.features_of(source)
        if not self._possible or len(names) != 1 or names[0] not in self.model.plan.encoders:
            return False
        kind = self.inputs.specs[source].kind
        return kind in ("image", "video") or isinstance(self.model.network.encoders[names[0]], ReadsTokens)

    def of(self, source: str, column: Column, vectors: Vectors, chosen: int, keep: list[str]) -> Array:
        """Return the attribution of each pixel, (…, H, W), or each token, (T,), summed over channels or dimensions.

        Args:
            source: A modality that gradients reach.
            column: The input, one row.
            vectors: The fusion's inputs of all modalities, one row.
            chosen: Which number of the prediction.
            keep: The source modalities in use.
        """
        import torch
        from captum.attr import IntegratedGradients, LayerIntegratedGradients

        (name,) = self.inputs.features_of(source)
        encoder: Any = self.model.network.encoders[name].to(self.device)
        self.model.network.pooling_of(name).to(self.device)
        lengths = encoder.lengths(column)
        first, *others = (
            to_device(each, self.device)
            for each in encoder.collate(column, None if lengths is None else int(lengths[0]))
        )
        forward = self._forward(name, vectors, chosen, keep)
        settings: dict[str, Any] = {"n_steps": STEPS, "internal_batch_size": _AT_ONCE}
        given = {"additional_forward_args": tuple(others)} if others else {}
        with torch.enable_grad():
            if isinstance(encoder, ReadsTokens):
                baseline = torch.zeros_like(first)
                layer = LayerIntegratedGradients(forward, encoder.token_vectors())
                found = layer.attribute(first, baseline, **given, **settings).sum(dim=2)
            else:
                first = first.float()
                baseline = first.mean(dim=(-2, -1), keepdim=True).expand_as(first)
                found = IntegratedGradients(forward).attribute(first, baseline, **given, **settings).sum(dim=-3)
        own = found[0].detach().cpu().double().numpy()
        with torch.inference_mode():
            whole, without = (float(forward(values, *others)[0]) for values in (first, baseline))
        return self._in_units(own, whole, without, chosen)

    def _in_units(self, own: Array, whole: float, without: float, chosen: int) -> Array:
        """Return attributions of a network's output in the units of the number that is explained."""
        import torch

        if self.model.task.link != "identity" or abs(whole - without) < _LEAST:
            return own
        outputs = torch.tensor([[whole], [without]]).expand(2, self.model.task.out_dim)
        numbers = self.score.of(self.model.task.predictions(outputs), np.full(2, chosen))
        found: Array = own * float((numbers[0] - numbers[1]) / (whole - without))
        return found

    def _forward(self, name: str, vectors: Vectors, chosen: int, keep: list[str]) -> Callable[..., Tensor]:
        """Return the number as a function of one encoder's inputs, (B,)."""
        import torch

        network, task, calibration = self.model.network, self.model.task, self.model.calibration
        link = task.link
        sources = self.model.source_of
        place = task.out_dim // 2 if link == "identity" else chosen
        present = {
            other: torch.tensor([bool(there[0]) and sources[other] in keep]) for other, there in vectors.present.items()
        }

        def forward(*inputs: Tensor) -> Tensor:
            count = len(inputs[0])
            features: dict[str, Any] = {}
            for other, value in vectors.values.items():
                if other == name:
                    found = network.vector(name, inputs)
                    features[name] = tuple(each.cpu() for each in found) if isinstance(found, tuple) else found.cpu()
                elif isinstance(value, list):
                    steps = value[0].clone()[None].expand(count, -1, -1)
                    features[other] = steps, torch.full((count,), steps.shape[1])
                else:
                    features[other] = value.clone().expand(count, -1)
            outputs = network.from_vectors(features, {other: there.expand(count) for other, there in present.items()})
            if calibration is not None:
                outputs = calibration.scaled(task, outputs)
            outputs = outputs.double()
            if link == "softmax":
                outputs = outputs.softmax(dim=1)
            elif link == "sigmoid":
                outputs = outputs.sigmoid()
            return outputs[:, place]

        return forward
