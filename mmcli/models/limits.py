"""Checks the ranges of encoder options."""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError

WIDEST = 2**16
DEEPEST = 64


def require_between(encoder: str, option: str, value: float, least: float, most: float) -> None:
    """Require a number from ``least`` to ``most``.

    Raises:
        MmcliError: It is out of range.
    """
    if not least <= value <= most:
        raise MmcliError(f"encoder {encoder!r}: {option}={value}: expected {least} to {most}")


def require_one_of(encoder: str, option: str, value: str, choices: Sequence[str]) -> None:
    """Require a word among ``choices``.

    Raises:
        MmcliError: It is not.
    """
    if value not in choices:
        raise MmcliError(f"encoder {encoder!r}: {option}={value}: expected one of {', '.join(choices)}")


def require_share(encoder: str, dropout: float) -> None:
    """Require a dropout probability from 0 to below 1.

    Raises:
        MmcliError: It is out of range.
    """
    if not 0 <= dropout < 1:
        raise MmcliError(f"encoder {encoder!r}: dropout={dropout}: expected 0 or more and less than 1")


def require_heads(encoder: str, dim: int, heads: int) -> None:
    """Require a width that is a multiple of the number of attention heads.

    Raises:
        MmcliError: There is no head, or ``dim`` is not a multiple of ``heads``.
    """
    require_between(encoder, "heads", heads, 1, WIDEST)
    require_even(encoder, "dim", dim)
    if dim % heads:
        raise MmcliError(f"encoder {encoder!r}: dim={dim}: expected a multiple of heads={heads}")


def require_even(encoder: str, option: str, value: int) -> None:
    """Require an even number from 2 to the maximum width.

    Raises:
        MmcliError: It is odd or out of range.
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
