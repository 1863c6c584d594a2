"""An encoder network as an extractor: it computes features and is not trained."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from mmcli.chain.compiling import compile_network
from mmcli.chain.encoding import encode_rows
from mmcli.errors import MmcliError
from mmcli.models.abilities import Folds, Packs
from mmcli.registry import ENCODERS, Spec, options_of
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, Tensor, assemble
from mmcli.store.keys import fingerprint
from mmcli.store.state import State

if TYPE_CHECKING:
    import torch

    from mmcli.encoders import Encoder


class FrozenEncoder:
    """An encoder as an extractor: fixed weights, batches of one shape, any device and precision.

    A row's result does not depend on the other rows.

    Args:
        spec: The encoder's name and options.
        inputs: The modality it encodes.
        seed: Seed of random weights.
    """

    version: ClassVar[int] = 4
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(self, spec: Spec, inputs: ModalitySpec, seed: int) -> None:
        self.spec = spec
        self.inputs = inputs
        self.seed = seed
        self._built: Encoder | None = None
        self._placed: tuple[tuple[str, str, bool], Any] | None = None

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the network's features."""
        del spec
        return self.network.output()

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the network's features of each row, in float32.

        Raises:
            MmcliError: The device is not available, or its memory does not hold a batch.
        """
        import torch

        device, rows = runtime.torch_device(), runtime.batch_size
        try:
            items = encode_rows(self.network, self._place(device, runtime), column, rows, device)
        except torch.OutOfMemoryError:
            tried = f"--batch-size {rows // 2}" if rows > 1 else "--device cpu"
            raise MmcliError(
                f"--device {device}: its memory does not hold a batch of {rows} row{'s' * (rows > 1)}; try {tried}"
            ) from None
        return assemble(self.output(spec), items)

    def assets(self) -> dict[str, str]:
        """Return the hash of each file the network reads, and that of its code and options as ``network``."""
        network = self.network
        files = network.assets()
        options = {
            name: getattr(network, name) for name in options_of(type(network)) if name not in files and name != "seed"
        }
        argument = None if ENCODERS.argument_is_place(self.spec.name) else self.spec.argument
        return {**files, "network": fingerprint([self.spec.name, argument, network.version, options])}

    def state(self) -> State:
        """Return an empty state."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""

    @property
    def network(self) -> Encoder:
        """The network, in float32 on the CPU."""
        if self._built is None:
            network: Any = ENCODERS.build(self.spec, inputs=self.inputs, seed=self.seed)
            self._built = network.eval()
        assert self._built is not None
        return self._built

    def _place(self, device: str, runtime: Runtime) -> Any:
        """Return a copy of the network, optimized for device and precision; the last copy is cached."""
        import torch

        key = (device, runtime.precision, runtime.compiled)
        if self._placed is None or self._placed[0] != key:
            copy: Any = deepcopy(self.network)
            if isinstance(copy, Folds):
                copy.fold()
            precision: torch.dtype = getattr(torch, runtime.precision)
            placed = _channels_last(copy.to(device=device, dtype=precision))
            if runtime.compiled:
                compile_network(placed)
            elif device == "cpu" and isinstance(placed, Packs):
                placed.pack(runtime.batch_size)
            self._placed = key, placed
        return self._placed[1]


def _channels_last(network: Any) -> Any:
    """Put the convolution kernels of a network in channels-last memory format."""
    import torch

    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network
