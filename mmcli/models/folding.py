"""Folds batch norms into the preceding convolutions of networks that are no longer trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_PAIRS = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d))


def fold_batch_norms(network: nn.Module) -> None:
    """Fold each batch norm into the convolution before it if nothing else uses that result; in place.

    Args:
        network: In eval mode, in float32, traceable by ``torch.fx``.

    Source: Jacob et al. 2018, Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference, section 3.2.
    """
    norms = tuple(norm for _, norm in _PAIRS)
    if not any(isinstance(module, norms) for module in network.modules()):
        return
    for first, second in _adjacent(fx.symbolic_trace(network).graph):
        layer, norm = network.get_submodule(first), network.get_submodule(second)
        if (type(layer), type(norm)) in _PAIRS and norm.track_running_stats:
            network.set_submodule(first, fuse_conv_bn_eval(layer, norm))  # type: ignore[type-var, arg-type]
            network.set_submodule(second, nn.Identity())


def _adjacent(graph: fx.Graph) -> Iterator[tuple[str, str]]:
    """Yield the names of module pairs where only the second uses the first's result, each called once."""
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        before = node.args[0] if node.op == "call_module" and node.args else None
        if isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1:
            first, second = str(before.target), str(node.target)
            if calls[first] == calls[second] == 1:
                yield first, second
