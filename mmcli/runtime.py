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
_NOT_DETERMINISTIC = " does not have a deterministic implementation"
DEVICES = ("auto", "cpu", "cuda", "mps")
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Runtime:
    """The machine as one stage may use it.

    Args:
        jobs: Number of workers that decode and compute items, at least 1. Results do not depend on it.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``; ``torch_device`` resolves ``auto``.
        precision: The precision of frozen networks.
        batch_size: Rows per fixed-shape batch of a frozen network; part of its fingerprint.
        seed: The random seed.
        deterministic: On a GPU, use only algorithms that give bit-identical results, even if slower, and fail if there
            is none; on a CPU this is always so.
        compiled: Whether to compile frozen networks for the device; part of their fingerprint.
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
        """Return the device to compute on; torch is imported only here, so that work without it starts quickly.

        Raises:
            MmcliError: The device is not available.
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
            raise MmcliError(f"--device {self.device}: torch finds no such device on this machine; try --device auto")
        if self.deterministic and found != "cpu":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS is first used
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True)
        return found

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Apply ``function`` to each item in the pool; results are in item order."""
        if self.jobs == 1:
            return [function(item) for item in items]
        if not self._pool:
            self._pool.append(ThreadPoolExecutor(self.jobs, thread_name_prefix="mmcli"))
        return list(self._pool[0].map(function, items))


def device_failure(error: RuntimeError) -> str | None:
    """Return in one line what a GPU could not do, and what to try; None if the error is another one."""
    import torch

    first = str(error).partition("\n")[0]
    if isinstance(error, torch.OutOfMemoryError):
        return "--device cuda: its memory is full; stop other programs that use it, or try --device cpu"
    operation, found, _ = first.partition(_NOT_DETERMINISTIC)
    if found:
        return (
            f"--deterministic: {operation} has no deterministic algorithm on a GPU; leave out --deterministic, or try "
            "--device cpu"
        )
    return f"--device cuda: {first}" if isinstance(error, torch.AcceleratorError) else None


def computes_bfloat16(device: str) -> bool:
    """Return whether a device multiplies bfloat16 matrices faster than float32: AMX, AVX512-BF16, recent GPUs."""
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
    """Check that a seed is valid for all random generators.

    Raises:
        UsageError: It is negative or has more than 63 bits.
    """
    if not 0 <= seed < _SEEDS:
        raise UsageError(f"seed {seed}: expected an integer from 0 to {_SEEDS - 1}")


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
    """Return the Runtime for these option values on this machine.

    Raises:
        MmcliError: A name is unknown or a number out of range.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs must be at least 1, not {jobs}")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size must be at least 1, not {batch_size}")
    check_seed(seed)
    if device not in DEVICES:
        raise UsageError(f"unknown --device {device!r}: expected one of {', '.join(DEVICES)}")
    formats: dict[str, Precision] = {name: name for name in get_args(Precision)} | {"auto": "float32"}
    if precision not in formats:
        raise UsageError(f"unknown --precision {precision!r}: expected one of {', '.join(formats)}")
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
