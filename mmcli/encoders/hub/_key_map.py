"""Renames weights to the network's names, by rules or by matching order and shape."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmcli.errors import MmcliError

_ARROW = "=>"
_COUNT = "num_batches_tracked"
_HEAD = 2
_NAMED = 3


def rename_by_rules(weights: Mapping[str, Tensor], rules: Path) -> dict[str, Tensor]:
    """Rename tensors by a file of rules.

    Args:
        weights: Tensors by name.
        rules: A text file of lines ``PATTERN => REPLACEMENT``; each regular expression is replaced everywhere in a
            name, one rule after the other. Empty lines and lines that start with ``#`` are ignored.

    Raises:
        MmcliError: The file does not exist, a line is not a rule, or two tensors get the same name.
    """
    try:
        lines = rules.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise MmcliError(f"{rules}: no such UTF-8 text file; expected lines of PATTERN {_ARROW} REPLACEMENT") from None
    found = {name: name for name in weights}
    for number, line in enumerate(lines, start=1):
        pattern, arrow, replacement = (part.strip() for part in line.partition(_ARROW))
        if not line.strip() or line.startswith("#"):
            continue
        try:
            if not arrow:
                raise re.error("no arrow")
            found = {name: re.sub(pattern, replacement, new) for name, new in found.items()}
        except (re.error, IndexError) as error:
            raise MmcliError(
                f"{rules}, line {number}: {line.strip()!r}: not a rule ({error}); expected PATTERN {_ARROW} REPLACEMENT"
            ) from None
    renamed: dict[str, Tensor] = {}
    for name, new in found.items():
        if new in renamed:
            raise MmcliError(f"{rules}: two tensors get the name {new}, one of them {name}")
        renamed[new] = weights[name]
    return renamed


def match_by_order(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the tensors under the network's names, matched one by one in order.

    Each must have the shape and the last part of the name (``weight``, ``running_mean``) of its partner; two classifier
    tensors at the end may be left over. Batch counters are ignored.

    Args:
        weights: Tensors by name, in layer order.
        expected: The network's tensors, in layer order.
        path: The weights file, for the message.

    Raises:
        MmcliError: They do not match; the message names the first mismatches.
    """
    theirs = [name for name in weights if not name.endswith(_COUNT)]
    ours = [name for name in expected if not name.endswith(_COUNT)]
    wrong = [
        f"{place}: {_form(name, weights)} for {_form(own, expected)}"
        for place, (name, own) in enumerate(zip(theirs, ours, strict=False), start=1)
        if weights[name].shape != expected[own].shape or name.rpartition(".")[2] != own.rpartition(".")[2]
    ]
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise MmcliError(
            f"{path}: {len(wrong)} of {len(ours)} tensors do not match in order: {', '.join(wrong[:_NAMED])}{more}"
        )
    if not len(ours) <= len(theirs) <= len(ours) + _HEAD:
        raise MmcliError(f"{path}: has {len(theirs)} tensors; expected {len(ours)}, and 2 more of a classifier at most")
    return {own: weights[name] for name, own in zip(theirs, ours, strict=False)}


def tell_match(weights: Mapping[str, Tensor], matched: Mapping[str, Tensor]) -> str:
    """Describe the result of ``match_by_order``: the first pair, the last, and what was left out."""
    theirs = [name for name in weights if not name.endswith(_COUNT)]
    ours = list(matched)
    left = theirs[len(ours) :]
    return (
        f"{len(ours)} tensors matched in order and shape, from {theirs[0]} as {ours[0]} to "
        f"{theirs[len(ours) - 1]} as {ours[-1]}" + (f"; left out: {', '.join(left)}" if left else "")
    )


def _form(name: str, tensors: Mapping[str, Tensor]) -> str:
    return f"{name} {tuple(tensors[name].shape)}"
