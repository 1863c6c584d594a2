"""Builds the network of a plan: its encoders, and the fusion and head that its task and method need."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from mmcli.chain.collate import form_width, has_steps
from mmcli.chain.fusion_choice import require_shared_space
from mmcli.chain.transforms.fuse import build_fusion
from mmcli.errors import UsageError
from mmcli.networks.encoder_choice import build_encoder, parse_choice
from mmcli.networks.plan import NetworkPlan, feature_names
from mmcli.registry import parse_spec
from mmcli.store.columns import ModalitySpec
from mmcli.tasks.abilities import HasParts, LearnsNumbers, Writes

if TYPE_CHECKING:
    from torch import nn

    from mmcli.models.network import Network
    from mmcli.tasks import Task


def build_network(
    plan: NetworkPlan, modalities: Mapping[str, ModalitySpec], task: Task, *, pretrained: bool
) -> Network:
    """Build the network of a plan, with weights drawn from torch's random generator.

    Args:
        plan: The plan.
        modalities: Its inputs: features, and stored values for modalities with an encoder.
        task: The fitted task, which determines the outputs.
        pretrained: Read the encoders' initial weights; not needed if all weights are loaded next.

    Raises:
        MmcliError: The method does not suit the task.
    """
    from mmcli.models.network import Network
    from mmcli.models.pooling import build_pooling

    encoders = {
        name: build_encoder(parse_choice(text), modalities[name], plan.seed, pretrained)
        for name, text in plan.encoders.items()
    }
    forms = {
        name: encoders[name].output() if name in encoders else modalities[name].main
        for name in feature_names(modalities)
    }
    with_steps = [name for name, form in forms.items() if has_steps(form)]
    parts = _choose_parts(plan, modalities, task, with_steps)
    return Network(
        {name: form_width(form) for name, form in forms.items()},
        fusion=parts.fusion,
        head=parts.head,
        encoders=encoders,
        pooling={name: build_pooling(plan.pooling, form_width(forms[name])) for name in with_steps if not plan.attends},
        mixed_precision=plan.mixed_precision,
        projection_dim=plan.projection,
        dropout=plan.dropout,
        # Separately trained heads do not need it, but their combination does: see learn_combination.
        modality_dropout=0.0 if plan.late else plan.modality_dropout,
    )


@dataclass(frozen=True)
class _Parts:
    """Builds the fusion from the widths of the modalities, and the head from the width of the fused vector."""

    fusion: Callable[[dict[str, int]], nn.Module]
    head: Callable[[int], nn.Module]


def _choose_parts(
    plan: NetworkPlan, modalities: Mapping[str, ModalitySpec], task: Task, with_steps: Collection[str]
) -> _Parts:
    """Choose the fusion and the head by the task's outputs and the kind of method."""
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

    if isinstance(task, Writes):
        return _writing(plan, task.decoder, task.out_dim, fuse, with_steps)
    if task.link == "embedding":
        require_shared_space(method)
        return _Parts(shared, no_head)
    return _Parts(late, no_head) if plan.late else _Parts(fuse, head)


def _head(plan: NetworkPlan, task: Task, in_dim: int) -> nn.Module:
    """Return the estimator, or the task's hidden and linear layers; for several tasks, one head each."""
    from mmcli.models.estimator_head import EstimatorHead
    from mmcli.models.heads import MlpHead, SeveralHeads

    if isinstance(task, HasParts):
        return SeveralHeads([_head(plan, part, in_dim) for part in task.parts.values()], task.own_targets)
    if plan.model is not None:
        return EstimatorHead(
            in_dim, task.out_dim, spec=parse_spec(plan.model), link=task.link, seed=plan.seed,
            wanted=task.wanted if isinstance(task, LearnsNumbers) else None,
            levels=task.levels if isinstance(task, LearnsNumbers) else (),
        )  # fmt: skip
    return MlpHead(in_dim, task.out_dim, hidden=plan.hidden, dropout=plan.dropout)


def _link_of_late(plan: NetworkPlan, task: Task) -> Any:
    from mmcli.fusion import Link

    if task.link not in get_args(Link):
        raise UsageError(
            f"--method {plan.method}: combines a single kind of prediction, but this task has several targets or "
            "none; use a method that fuses features, such as concat"
        )
    return task.link


def _writing(
    plan: NetworkPlan,
    sizes: Mapping[str, Any],
    tokens: int,
    fuse: Callable[[dict[str, int]], nn.Module],
    with_steps: Collection[str],
) -> _Parts:
    """Return the memory to attend to, as the fusion, and a token decoder, as the head."""
    from mmcli.models.caption_decoder import CaptionDecoder
    from mmcli.models.caption_memory import CaptionMemory
    from mmcli.models.pooling import build_pooling

    def memory(in_dims: Mapping[str, int]) -> nn.Module:
        return CaptionMemory(
            in_dims, width=sizes["width"], method=fuse, pooling=lambda width: build_pooling(plan.pooling, width),
            sequences=with_steps,
        )  # fmt: skip

    def decoder(in_dim: int) -> nn.Module:
        del in_dim
        return CaptionDecoder(tokens, dropout=plan.dropout, **sizes)

    return _Parts(memory, decoder)
