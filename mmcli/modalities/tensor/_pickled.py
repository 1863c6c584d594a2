"""Looks at what the pickled part of a .pt file would build, without building it.

PyTorch refuses what could run code; what it lets pass can still ask for any amount of memory.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

from mmcli.errors import UnusableError

LARGEST = 2**20
"""Bytes of pickles that are looked at; those of a tensor take some hundred."""
_ALLOWED = re.compile(
    r"collections OrderedDict|torch (Size|[A-Z]\w*Storage|[a-z]\w*)|torch\.storage UntypedStorage"
    r"|torch\._utils _rebuild_(tensor_v[23]|parameter|parameter_with_state)"
)
_OTHER_TENSOR = "torch._utils _rebuild_"


def check_pickles(content: bytes, count: int) -> None:
    """Refuse pickles that make anything but plain tensors, numbers, texts and containers of these.

    Args:
        content: Begins with the pickles.
        count: How many there are, one after the other.

    Raises:
        UnusableError: Something else is in them, or they are damaged or too large.
    """
    for name in _names(content, count):
        if not _ALLOWED.fullmatch(name):
            if name.startswith(_OTHER_TENSOR):
                raise UnusableError("corrupt", "a sparse, quantised or other special tensor; save a plain one")
            raise UnusableError("corrupt", "a .pt file with Python objects in it; save a tensor alone by torch.save")


def _names(content: bytes, count: int) -> Iterator[str]:
    """Return the names of classes and functions that pickles call for."""
    import pickletools

    stream = io.BytesIO(content[:LARGEST])
    try:
        for _ in range(count):
            for instruction, argument, _ in pickletools.genops(stream):
                if instruction.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                    yield str(argument)
    except Exception:  # damaged bytes become any kind of instruction, each with errors of its own
        if len(content) > LARGEST:
            raise UnusableError("skipped", "a .pt file with more than 1 MiB beside its tensors") from None
        raise UnusableError("corrupt", "damaged .pt file") from None
