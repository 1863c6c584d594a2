"""A network of the encoders that computes features as it is, without being trained."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.registry import ENCODERS, Spec, options_of
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, FieldSpec, ModalitySpec, Tensor
from mmcli.store.keys import fingerprint
from mmcli.store.state import State

if TYPE_CHECKING:
    import torch
    from torch import nn


class FrozenEncoder:
    """An encoder as an extractor: fixed weights, batches of one shape, any device and precision.

    A row's result does not depend on the rows beside it: every batch has ``runtime.batch_size`` rows, the last
    filled up with zeros.

    Args:
        spec: The encoder's name and options.
        seed: Of weights that are drawn at random.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(self, spec: Spec, seed: int) -> None:
        self.spec = spec
        self.seed = seed
        self._built: Any = None
        self._placed: tuple[tuple[str, str], nn.Module] | None = None

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the network's features."""
        form: FieldSpec = self._network().output(spec)
        return form

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the network's features of each row, in float32.

        Raises:
            MmcliError: The rows differ in length, or the device is not there.
        """
        if not isinstance(column.main, Dense):
            raise MmcliError(f"{self.spec}: needs rows of one shape, and these differ in length")
        import torch

        device = runtime.torch_device()
        network = self._place(device, runtime)
        values, size = column.main.values, runtime.batch_size
        features = [np.zeros((0, *self.output(spec).dims), np.float32)]
        with torch.inference_mode():
            for start in range(0, len(values), size):
                rows = values[start : start + size]
                batch = _to_device(_fill_up(rows, size), device)
                features.append(network(batch)[: len(rows)].float().cpu().numpy())
        return Dense(np.ascontiguousarray(np.concatenate(features)))

    def assets(self) -> dict[str, str]:
        """Return the hash of each file the network reads, and under ``network`` that of its code and options."""
        network = self._network()
        files: dict[str, str] = network.assets()
        options = {
            name: getattr(network, name) for name in options_of(type(network)) if name not in files and name != "seed"
        }
        return {**files, "network": fingerprint([self.spec.name, network.version, options])}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Take over nothing."""

    def _network(self) -> Any:
        if self._built is None:
            self._built = ENCODERS.build(self.spec, seed=self.seed).eval()
        return self._built

    def _place(self, device: str, runtime: Runtime) -> nn.Module:
        """Return a copy of the network on the device in the precision; the last one is kept."""
        import torch

        key = (device, runtime.precision)
        if self._placed is None or self._placed[0] != key:
            copy: nn.Module = deepcopy(self._network())
            precision: torch.dtype = getattr(torch, runtime.precision)
            self._placed = key, copy.to(device=device, dtype=precision).to(memory_format=torch.channels_last)
        return self._placed[1]


def _fill_up(rows: Array, size: int) -> Array:
    if len(rows) == size:
        return np.ascontiguousarray(rows)
    filled = np.zeros((size, *rows.shape[1:]), rows.dtype)
    filled[: len(rows)] = rows
    return filled


def _to_device(batch: Array, device: str) -> torch.Tensor:
    import torch

    tensor = torch.from_numpy(batch).to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
