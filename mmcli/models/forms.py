"""Finds the form of a network's features by running it on shapes only."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.store.columns import FieldSpec

_AXES = {1: "D", 3: "CHW"}


def traced_form(network: nn.Module, what: str, *inputs: tuple[int, ...]) -> FieldSpec:
    """Return the form of the output from shapes alone: no weights are copied and nothing is computed.

    Args:
        network: Takes uint8 tensors.
        what: The network and its inputs, for the message.
        inputs: The shape of each input, B first.

    Raises:
        MmcliError: The network does not accept inputs of these shapes.
    """
    tensors = [*network.parameters(), *network.buffers()]
    without = {
        id(tensor): nn.Parameter(tensor.to("meta"), False) if isinstance(tensor, nn.Parameter) else tensor.to("meta")
        for tensor in tensors
    }
    try:
        with torch.no_grad():
            found = deepcopy(network, without).eval()(
                *(torch.zeros(shape, dtype=torch.uint8, device="meta") for shape in inputs)
            )
    except RuntimeError as error:
        raise MmcliError(f"{what} does not work: {str(error).partition(chr(10))[0]}") from None
    if isinstance(found, Tensor):
        return FieldSpec("dense", "float32", tuple(found.shape[1:]), _AXES[found.dim() - 1])
    steps = found[0]
    return FieldSpec("ragged", "float32", tuple(steps.shape[2:]), "TD", bound=steps.shape[1])
