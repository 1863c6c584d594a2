"""Prepacks the convolutions of networks that are no longer trained, for many batches on a CPU."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor, fx, nn

_PACKED_TYPES = (torch.float32, torch.bfloat16)


class PackedConvolution(nn.Module):
    """A convolution with its kernels in oneDNN's memory layout, fused with a following ReLU.

    It gives the same result as the two modules, up to rounding, without reordering the kernels for each batch and
    without a second pass over the result.

    Args:
        convolution: In eval mode, on the CPU.
        size: The input size (B, C, H, W) to optimise the layout for; any size works.
        relu: Whether a ReLU follows.
    """

    def __init__(self, convolution: nn.Conv2d, size: tuple[int, ...], relu: bool) -> None:
        super().__init__()
        assert not isinstance(convolution.padding, str)
        self.places = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self.bias = convolution.bias
        self.relu = "relu" if relu else "none"
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(convolution.weight.detach(), *self.places, size)

    def forward(self, values: Tensor) -> Tensor:
        """Return maps (B, C, H, W)."""
        convolve = torch.ops.mkldnn._convolution_pointwise
        maps: Tensor = convolve(values, self.weight, self.bias, *self.places, self.relu, [], "")
        return maps


def pack_convolutions(body: nn.Module, example: Tensor) -> nn.Module:
    """Return a copy of a network with packed convolutions and the same results up to rounding.

    Args:
        body: In eval mode, on the CPU, traceable by ``torch.fx``.
        example: An input of the expected precision and size; its values do not matter.
    """
    if not hasattr(torch.ops.mkldnn, "_convolution_pointwise") or example.dtype not in _PACKED_TYPES:
        return body
    sizes = _input_sizes(body, example)
    traced = fx.symbolic_trace(body)
    for node in list(traced.graph.nodes):
        name = str(node.target)
        layer = body.get_submodule(name) if node.op == "call_module" else None
        if type(layer) is not nn.Conv2d or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
            continue
        behind = next(iter(node.users)) if len(node.users) == 1 else None
        relu = behind is not None and behind.op == "call_module" and type(_module(body, behind)) is nn.ReLU
        traced.set_submodule(name, PackedConvolution(layer, sizes[name], relu))
        if relu:
            assert behind is not None
            behind.replace_all_uses_with(node)
            traced.graph.erase_node(behind)
    traced.graph.lint()
    traced.recompile()
    return traced


def _module(body: nn.Module, node: fx.Node) -> nn.Module:
    return body.get_submodule(str(node.target))


def _input_sizes(body: nn.Module, example: Tensor) -> dict[str, tuple[int, ...]]:
    """Return the input size of each convolution by name, found on a copy without storage."""
    found: dict[str, tuple[int, ...]] = {}
    planned = deepcopy(body).to("meta")
    for name, module in planned.named_modules():
        if type(module) is nn.Conv2d:
            module.register_forward_pre_hook(
                lambda module, inputs, name=name: found.update({name: tuple(inputs[0].shape)})
            )
    with torch.inference_mode():
        planned(example.to("meta"))
    return found
