"""Where and how numbers are computed: device, precision, batch size and a pool of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, TypeVar, get_args

from mmcli.errors import MmcliError, UsageError

Precision = Literal["float32", "bfloat16", "float16"]
_SEEDS = 2**63
DEVICES = ("auto", "cpu", "cuda", "mps")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Runtime:
    """The machine as one stage may use it.

    Args:
        jobs: Workers that decode and compute items, at least 1. Results do not depend on it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; ``torch_device`` says which one that is here.
        precision: The number format of frozen networks.
        batch_size: Rows in each fixed-shape batch of a frozen network; part of its fingerprint.
        seed: What every random choice starts from.
        deterministic: On a GPU, take only algorithms that give the same bits each time, slower ones if need be, and
            fail where there is none; on a CPU nothing else is ever taken.
        compiled: Frozen networks are compiled for the device first; part of their fingerprint.
    """

    jobs: int = 1
    device: str = "cpu"
    precision: Precision = "float32"
    batch_size: int = 32
    seed: int = 0
    deterministic: bool = False
    compiled: bool = False
    _pool: list[ThreadPoolExecutor] = field(default_factory=list, repr=False, compare=False)

    def torch_device(self) -> str:
        """Return the device to compute on; torch is imported only here, so work without it starts at once.

        Raises:
            MmcliError: The device asked for is not present.
        """
        if self.device == "cpu":
            return "cpu"
        import torch

        present: dict[str, Callable[[], bool]] = {
            "cuda": torch.cuda.is_available,
            "mps": torch.backends.mps.is_available,
        }
        if self.device == "auto":
            found = next((name for name, available in present.items() if available()), "cpu")
        elif present[self.device]():
            found = self.device
        else:
            raise MmcliError(f"--device {self.device}: torch finds none on this machine; try --device auto")
        if self.deterministic and found != "cpu":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True)
        return found

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply ``function`` to each item in the pool; results come in the order of the items."""
        if self.jobs == 1:
            return [function(item) for item in items]
        if not self._pool:
            self._pool.append(ThreadPoolExecutor(self.jobs, thread_name_prefix="mmcli"))
        return list(self._pool[0].map(function, items))


def computes_bfloat16(device: str) -> bool:
    """Tell whether a device multiplies bfloat16 matrices faster than float32 ones: AMX, AVX512-BF16, recent GPUs."""
    if device == "cpu":
        try:
            with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
                flags = next((line for line in file if line.startswith("flags")), "").split()
        except OSError:
            return False
        return "amx_bf16" in flags or "avx512_bf16" in flags
    if device == "cuda":
        import torch

        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return False


def check_seed(seed: int) -> None:
    """Refuse a seed that no generator takes.

    Raises:
        UsageError: It is negative, or of more than 63 bits.
    """
    if not 0 <= seed < _SEEDS:
        raise UsageError(f"seed {seed}: expected a whole number from 0 to {_SEEDS - 1}")


def detect(
    jobs: int | None,
    device: str,
    precision: str,
    batch_size: int | None,
    seed: int,
    default_batch_size: int = 32,
    deterministic: bool = False,
    compiled: bool = False,
) -> Runtime:
    """Return the Runtime that these option values mean on this machine.

    Raises:
        MmcliError: A name is unknown or a number out of its range.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {jobs}")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, not {batch_size}")
    check_seed(seed)
    if device not in DEVICES:
        raise UsageError(f"unknown --device {device!r}: it is one of {', '.join(DEVICES)}")
    formats: dict[str, Precision] = {name: name for name in get_args(Precision)} | {"auto": "float32"}
    if precision not in formats:
        raise UsageError(f"unknown --precision {precision!r}: it is one of {', '.join(formats)}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Runtime(
        jobs=jobs or cores,
        device=device,
        precision=formats[precision],
        batch_size=batch_size or default_batch_size,
        seed=seed,
        deterministic=deterministic,
        compiled=compiled,
    )
