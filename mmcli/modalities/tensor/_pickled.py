"""Checks what the pickled part of a .pt file would build, without building it.

PyTorch refuses what could run code; what it accepts can still request any amount of memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from mmcli.errors import UnusableError

LARGEST = 2**20
"""Bytes of pickles that are read; a tensor's take a few hundred."""
_ALLOWED = re.compile(
    r"collections OrderedDict|torch (Size|[A-Z]\w*Storage|[a-z]\w*)|torch\.storage UntypedStorage"
    r"|torch\._utils _rebuild_(tensor_v[23]|parameter|parameter_with_state)"
)
_OTHER_TENSOR = "torch._utils _rebuild_"


def check_pickles(content: bytes, count: int) -> None:
    """Reject pickles that build anything but plain tensors, numbers, strings and containers of these.

    Args:
        content: Starts with the pickles.
        count: Number of consecutive pickles.

    Raises:
        UnusableError: They build something else, or are damaged or too large.
    """
    for name in _names(content, count):
        if not _ALLOWED.fullmatch(name):
            if name.startswith(_OTHER_TENSOR):
                raise UnusableError("corrupt", "a sparse, quantised or other special tensor; save a plain one")
            raise UnusableError("corrupt", "a .pt file with Python objects in it; save a tensor alone by torch.save")


def _names(content: bytes, count: int) -> Iterator[str]:
    """Yield the names of the classes and functions that pickles refer to."""
    import pickletools

    stream = io.BytesIO(content[:LARGEST])
    try:
        for _ in range(count):
            for instruction, argument, _ in pickletools.genops(stream):
                if instruction.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                    yield str(argument)
    except Exception:  # damaged bytes decode to arbitrary instructions, which raise anything
        if len(content) > LARGEST:
            raise UnusableError("skipped", "a .pt file with more than 1 MiB beside its tensors") from None
        raise UnusableError("corrupt", "damaged .pt file") from None
