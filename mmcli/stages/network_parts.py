"""What stands behind the encoders of a network: the fusion and the head that its task and its method call for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from mmcli.errors import UsageError
from mmcli.registry import parse_spec
from mmcli.stages.fusion_choice import require_shared_space
from mmcli.stages.transforms.fuse import build_fusion
from mmcli.store.columns import ModalitySpec

if TYPE_CHECKING:
    from torch import nn

    from mmcli.stages.network_plan import NetworkPlan
    from mmcli.tasks import Task


@dataclass(frozen=True)
class NetworkParts:
    """What makes the fusion from the widths of the modalities, and the head from the width of what is fused."""

    fusion: Callable[[dict[str, int]], nn.Module]
    head: Callable[[int], nn.Module]


def choose_parts(
    plan: NetworkPlan, modalities: Mapping[str, ModalitySpec], task: Task, with_steps: Collection[str]
) -> NetworkParts:
    """Return the fusion and the head of a network.

    Args:
        plan: Says the method, and the sizes.
        modalities: Those it reads.
        task: Its ``link`` says what the outputs are.
        with_steps: The modalities that are sequences or feature maps.

    Raises:
        MmcliError: The method does not suit the task.
    """
    from torch import nn

    from mmcli.models.late_heads import LateHeads
    from mmcli.models.shared_space import SharedSpace

    method = parse_spec(plan.method)

    def fuse(in_dims: Mapping[str, int]) -> nn.Module:
        return build_fusion(method, in_dims, plan.seed)

    def head(in_dim: int) -> nn.Module:
        return _head(plan, task, in_dim)

    def no_head(in_dim: int) -> nn.Module:
        del in_dim
        return nn.Identity()

    def late(in_dims: Mapping[str, int]) -> nn.Module:
        return LateHeads(
            in_dims, task.out_dim, head=head,
            combination=lambda outputs: build_fusion(method, outputs, plan.seed, _link_of_late(plan, task)),
        )  # fmt: skip

    def shared(in_dims: Mapping[str, int]) -> nn.Module:
        return SharedSpace(in_dims, method=fuse, source_of={name: modalities[name].source for name in in_dims})

    if task.link == "tokens":
        return _writing(plan, task, fuse, with_steps)
    if task.link == "embedding":
        require_shared_space(method)
        return NetworkParts(shared, no_head)
    return NetworkParts(late, no_head) if plan.late else NetworkParts(fuse, head)


def _head(plan: NetworkPlan, task: Task, in_dim: int) -> nn.Module:
    """Return the estimator, or the hidden and linear layers of the task; of several, those of each side by side."""
    from mmcli.models.estimator_head import EstimatorHead
    from mmcli.models.heads import MlpHead, SeveralHeads

    parts: Mapping[str, Task] = getattr(task, "parts", {})
    if parts:
        heads = [_head(plan, part, in_dim) for part in parts.values()]
        return SeveralHeads(heads, getattr(task, "own_targets", None))
    if plan.model is not None:
        return EstimatorHead(
            in_dim, task.out_dim, spec=parse_spec(plan.model), link=task.link, seed=plan.seed,
            wanted=getattr(task, "wanted", None), levels=getattr(task, "levels", ()),
        )  # fmt: skip
    return MlpHead(in_dim, task.out_dim, hidden=plan.hidden, dropout=plan.dropout)


def _link_of_late(plan: NetworkPlan, task: Task) -> Any:
    from mmcli.fusion import Link

    if task.link not in get_args(Link):
        raise UsageError(
            f"--method {plan.method}: it combines one kind of prediction a row, and this task has several targets, or "
            "none; take a method that fuses features, such as concat"
        )
    return task.link


def _writing(
    plan: NetworkPlan, task: Task, fuse: Callable[[dict[str, int]], nn.Module], with_steps: Collection[str]
) -> NetworkParts:
    """Return a decoder of tokens, and what it attends to."""
    from mmcli.models.caption_decoder import CaptionDecoder
    from mmcli.models.caption_memory import CaptionMemory
    from mmcli.models.pooling import build_pooling

    sizes: Mapping[str, Any] = getattr(task, "decoder", {})

    def memory(in_dims: Mapping[str, int]) -> nn.Module:
        return CaptionMemory(
            in_dims, width=sizes["width"], method=fuse, pooling=lambda width: build_pooling(plan.pooling, width),
            sequences=with_steps,
        )  # fmt: skip

    def decoder(in_dim: int) -> nn.Module:
        del in_dim
        return CaptionDecoder(task.out_dim, dropout=plan.dropout, **sizes)

    return NetworkParts(memory, decoder)
