"""Which pooling suits a fusion method, and what a fitted one learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.models import DEFAULT_POOLING, POOLINGS
from mmcli.models.abilities import Embeds
from mmcli.registry import FUSIONS, Spec
from mmcli.store.state import State

if TYPE_CHECKING:
    from torch import nn

    from mmcli.store.columns import ModalitySpec


def check_pooling(method: str, pooling: str) -> None:
    """Refuse a pooling that there is not, or that does not suit a method.

    Raises:
        MmcliError: There is none of that name.
        UsageError: It does not suit the method.
    """
    if pooling not in POOLINGS:
        raise unknown_name("pooling", pooling, list(POOLINGS))
    if pooling != DEFAULT_POOLING and FUSIONS.constant(method, "sequences", False):
        raise UsageError(f"--pooling {pooling}: --method {method} takes all steps of sequences; leave one out")
    if pooling == "attention" and FUSIONS.constant(method, "fitted", False):
        raise UsageError(
            f"--pooling attention: it is learnt in training, before which --method {method} is fitted to pooled "
            "features; take --pooling mean or max"
        )


def check_method(method: Spec, modalities: Mapping[str, ModalitySpec]) -> None:
    """Refuse a fusion method that there is not, an option that it has not, or a modality that only it names.

    Raises:
        MmcliError: There is no such method, option or modality, or a value does not fit its option.
    """
    FUSIONS.check(method, {"link"})
    named = method.argument if method.argument is not None else method.options.get("main")
    sources = {spec.source for spec in modalities.values()}
    if named and named not in sources | modalities.keys():
        raise unknown_name("modality", named, sorted(sources))


def require_shared_space(method: Spec) -> None:
    """Refuse a method that brings modalities to no space that they share.

    Raises:
        UsageError: It does not.
    """
    if not _embeds(method.name):
        embedding = ", ".join(filter(_embeds, FUSIONS.names()))
        raise UsageError(f"--method {method}: brings modalities to no space that they share; these do: {embedding}")


def _embeds(name: str) -> bool:
    return bool(FUSIONS.constant(name, "fitted", False)) and issubclass(FUSIONS.load(name), Embeds)


def load_fitted(fusion: nn.Module, learnt: State) -> None:
    """Give a fitted method what it learnt.

    Raises:
        MmcliError: It is not of its form.
    """
    import torch

    own = fusion.state_dict()
    if {name: tuple(value.shape) for name, value in own.items()} != {
        name: value.shape for name, value in learnt.tensors.items()
    }:
        raise MmcliError("what the fusion learnt is not of its form; make the artifact again")
    fusion.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in learnt.tensors.items()})
