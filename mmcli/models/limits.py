"""Refuses options of encoders that are out of their range."""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError

WIDEST = 2**16
DEEPEST = 64


def require_between(encoder: str, option: str, value: float, least: float, most: float) -> None:
    """Refuse a number below ``least`` or above ``most``.

    Raises:
        MmcliError: It is.
    """
    if not least <= value <= most:
        raise MmcliError(f"encoder {encoder!r}: {option}={value}: expected {least} to {most}")


def require_one_of(encoder: str, option: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is not among ``choices``.

    Raises:
        MmcliError: It is not.
    """
    if value not in choices:
        raise MmcliError(f"encoder {encoder!r}: {option}={value}: expected one of {', '.join(choices)}")


def require_share(encoder: str, dropout: float) -> None:
    """Refuse a dropout that leaves nothing, or is no share.

    Raises:
        MmcliError: It is below 0, or 1 or more.
    """
    if not 0 <= dropout < 1:
        raise MmcliError(f"encoder {encoder!r}: dropout={dropout}: expected 0 or more and less than 1")


def require_heads(encoder: str, dim: int, heads: int) -> None:
    """Refuse a width that its attention heads cannot share evenly.

    Raises:
        MmcliError: There is no head, or ``dim`` is no even multiple of them.
    """
    require_between(encoder, "heads", heads, 1, WIDEST)
    require_even(encoder, "dim", dim)
    if dim % heads:
        raise MmcliError(f"encoder {encoder!r}: dim={dim}: expected a multiple of heads={heads}")


def require_even(encoder: str, option: str, value: int) -> None:
    """Refuse a number below 2 or above the widest, and an odd one.

    Raises:
        MmcliError: It is one.
    """
    require_between(encoder, option, value, 2, WIDEST)
    if value % 2:
        raise MmcliError(f"encoder {encoder!r}: {option}={value}: expected an even number")


def number_of_layer(what: str, layer: int, count: int) -> int:
    """Return the number from 1 to ``count`` that the option ``layer`` means; negative ones count from the last.

    Raises:
        MmcliError: There is no such layer.
    """
    number = count + 1 + layer if layer < 0 else layer
    if not 1 <= number <= count:
        raise MmcliError(f"{what}: layer={layer}: expected 1 to {count}, or -1 for the last")
    return number
