"""Checks fusion methods and their pooling, and loads the state of fitted ones."""

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
    """Check that a pooling exists and can be used with a method.

    Raises:
        MmcliError: There is no such pooling.
        UsageError: The method cannot use it.
    """
    if pooling not in POOLINGS:
        raise unknown_name("pooling", pooling, list(POOLINGS))
    if pooling != DEFAULT_POOLING and FUSIONS.constant(method, "sequences", False):
        raise UsageError(
            f"--pooling {pooling}: --method {method} uses all steps of sequences; leave out one of the two options"
        )
    if pooling == "attention" and FUSIONS.constant(method, "fitted", False):
        raise UsageError(
            f"--pooling attention: it is learnt in training, but --method {method} is fitted to pooled features "
            "before that; use --pooling mean or max"
        )


def check_method(method: Spec, modalities: Mapping[str, ModalitySpec]) -> None:
    """Check that a fusion method, its options and the modality it names exist.

    Raises:
        MmcliError: There is no such method, option or modality, or a value does not fit its option.
    """
    FUSIONS.check(method, {"link"})
    named = method.argument if method.argument is not None else method.options.get("main")
    sources = {spec.source for spec in modalities.values()}
    if named and named not in sources | modalities.keys():
        raise unknown_name("modality", named, sorted(sources))


def require_shared_space(method: Spec) -> None:
    """Check that a method maps modalities into a shared space.

    Raises:
        UsageError: It does not.
    """
    if not _embeds(method.name):
        embedding = ", ".join(filter(_embeds, FUSIONS.names()))
        raise UsageError(f"--method {method}: does not map modalities into a shared space; these do: {embedding}")


def _embeds(name: str) -> bool:
    return bool(FUSIONS.constant(name, "fitted", False)) and issubclass(FUSIONS.load(name), Embeds)


def load_fitted(fusion: nn.Module, learnt: State) -> None:
    """Load the state of a fitted method.

    Raises:
        MmcliError: The shapes do not fit the method.
    """
    import torch

    own = fusion.state_dict()
    if {name: tuple(value.shape) for name, value in own.items()} != {
        name: value.shape for name, value in learnt.tensors.items()
    }:
        raise MmcliError("the fitted state of the fusion method has wrong shapes; make the artifact again")
    fusion.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in learnt.tensors.items()})
