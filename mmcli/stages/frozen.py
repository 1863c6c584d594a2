"""A network of the encoders that computes features as it is, without being trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mmcli.registry import ENCODERS, Spec, options_of
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor, assemble
from mmcli.store.keys import fingerprint
from mmcli.store.state import State

if TYPE_CHECKING:
    import torch

    from mmcli.models import Encoder

_LENGTH_OF_FULL_BATCH = 64


class FrozenEncoder:
    """An encoder as an extractor: fixed weights, batches of one shape, any device and precision.

    A row's result does not depend on the rows beside it: rows whose sequences are filled up to the same length make
    batches of one number of rows, and the last of them is filled up with copies of its last row.

    Args:
        spec: The encoder's name and options.
        inputs: The modality it is for.
        seed: Of weights that are drawn at random.
    """

    version: ClassVar[int] = 2
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(self, spec: Spec, inputs: ModalitySpec, seed: int) -> None:
        self.spec = spec
        self.inputs = inputs
        self.seed = seed
        self._built: Encoder | None = None
        self._placed: tuple[tuple[str, str], Any] | None = None

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the network's features."""
        del spec
        return self.network.output()

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the network's features of each row, in float32.

        Raises:
            MmcliError: The device is not there.
        """
        import torch

        device = runtime.torch_device()
        network = self._place(device, runtime)
        items: list[Array | None] = [None] * len(column)
        with torch.inference_mode():
            for rows, length, size in _batches(self.network.lengths(column), len(column), runtime.batch_size):
                filled_up = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows))])
                inputs = self.network.collate(column.take(filled_up), length)
                features = _items(network(*(_to_device(value, device) for value in inputs)))
                for row, item in zip(rows, features, strict=False):
                    items[row] = item
        return assemble(self.output(spec), items)

    def assets(self) -> dict[str, str]:
        """Return the hash of each file the network reads, and under ``network`` that of its code and options."""
        network = self.network
        files = network.assets()
        options = {
            name: getattr(network, name) for name in options_of(type(network)) if name not in files and name != "seed"
        }
        return {**files, "network": fingerprint([self.spec.name, self.spec.argument, network.version, options])}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Take over nothing."""

    @property
    def network(self) -> Encoder:
        """The network, in float32 on the CPU."""
        if self._built is None:
            network: Any = ENCODERS.build(self.spec, inputs=self.inputs, seed=self.seed)
            self._built = network.eval()
        assert self._built is not None
        return self._built

    def _place(self, device: str, runtime: Runtime) -> Any:
        """Return a copy of the network on the device in the precision; the last one is kept."""
        import torch

        key = (device, runtime.precision)
        if self._placed is None or self._placed[0] != key:
            copy: Any = deepcopy(self.network)
            precision: torch.dtype = getattr(torch, runtime.precision)
            self._placed = key, copy.to(device=device, dtype=precision).to(memory_format=torch.channels_last)
        return self._placed[1]


def _batches(lengths: Array | None, count: int, size: int) -> Iterator[tuple[Array, int | None, int]]:
    """Return the numbers of the rows of each batch, their length, and how many rows such a batch must have.

    Sequences twice as long come half as many at a time.
    """
    groups: list[tuple[Array, int | None]] = [(np.arange(count), None)]
    if lengths is not None:
        groups = [(np.flatnonzero(lengths == length), int(length)) for length in np.unique(lengths)]
    for rows, length in groups:
        step = size if length is None else max(1, size * _LENGTH_OF_FULL_BATCH // max(length, _LENGTH_OF_FULL_BATCH))
        for start in range(0, len(rows), step):
            yield rows[start : start + step], length, step


def _items(features: Any) -> list[Array]:
    """Return the features of each row in float32: a sequence without what lies behind its end."""
    if isinstance(features, tuple):
        values, lengths = features[0].float().cpu().numpy(), features[1].cpu().tolist()
        return [value[:length] for value, length in zip(values, lengths, strict=True)]
    return list(features.float().cpu().numpy())


def _to_device(batch: torch.Tensor, device: str) -> torch.Tensor:
    import torch

    tensor = batch.to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor
