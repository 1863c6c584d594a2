"""The fitted state of a transform, as JSON values and arrays, never pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.checks import OBJECT, check
from mmcli.store.columns import Array
from mmcli.store.tensors import map_safetensors


@dataclass(frozen=True)
class State:
    """Fitted state: ``values`` go to a ``.json`` file, ``tensors`` to a ``.safetensors`` file beside it."""

    values: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Array] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.values or self.tensors)

    def digest(self) -> str:
        """Return a hash of everything in it."""
        total = hashlib.sha256(dump_json(self.values))
        for name in sorted(self.tensors):
            array = np.asarray(self.tensors[name], order="C")
            total.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
            total.update(array.tobytes())
        return total.hexdigest()

    def write(self, stem: Path) -> None:
        """Write ``stem.json`` and, where there are tensors, ``stem.safetensors``."""
        from safetensors.numpy import save

        stem.parent.mkdir(parents=True, exist_ok=True)
        stem.with_name(stem.name + ".json").write_bytes(dump_json(self.values) + b"\n")
        if self.tensors:
            arrays = {name: np.asarray(array, order="C") for name, array in self.tensors.items()}
            stem.with_name(stem.name + ".safetensors").write_bytes(save(arrays))

    @classmethod
    def read(cls, stem: Path) -> State:
        """Read what ``write`` wrote.

        Raises:
            MmcliError: It is missing or damaged.
        """
        file, tensors = (stem.with_name(stem.name + suffix) for suffix in (".json", ".safetensors"))
        try:
            values = json.loads(file.read_bytes())
            dump_json(values)  # fails on NaN and lone surrogates, which mmcli never writes
        except (OSError, ValueError, RecursionError) as error:
            raise MmcliError(f"{file}: cannot be read ({error}); make the artifact again") from None
        check(values, OBJECT, str(file))
        mapped = map_safetensors(tensors) if tensors.exists() else {}
        return cls(values, {name: np.array(array) for name, array in mapped.items()})


def dump_json(value: Any) -> bytes:
    """Return the canonical JSON of a value: keys in their order, no spaces, UTF-8."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
