"""Explanations in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MEANING = (
    "after a modality: what it adds to the score without inputs; after a part: by how much the score falls without it"
)
_SHOWN = 4
_LARGE = 100  # from here on, numbers are shown without decimals
_LEAST = 0.01  # of what all inputs together give
_DOWN, _ACROSS = ("top", "middle", "bottom"), ("left", "middle", "right")


def told_explanation(row: Mapping[str, Any]) -> list[str]:
    """Return lines that tell why a row is predicted as it is: one of the prediction, then one per modality.

    Args:
        row: A line of ``explanations.jsonl``.
    """
    lines = [f"{row['id']}: {row['target']} {_number(row['score'])}, without inputs {_number(row['without_inputs'])}"]
    names = {**row["modalities"], **row["inputs"]}
    least = _LEAST * abs(row["score"] - row["without_inputs"])
    order = sorted(names, key=lambda name: -abs(row["modalities"].get(name, 0.0)))
    for name in order:
        share = f" {_signed(row['modalities'][name])}" if name in row["modalities"] else ""
        told = _told_parts(row["inputs"][name], least) if name in row["inputs"] else ""
        lines.append(f"  {name}{share}{f': {told}' if told else ''}")
    return lines


def _told_parts(explained: Mapping[str, Any], least: float) -> str:
    """Return the parts with the largest effects, the largest first."""
    effects = [(_place(part, explained.get("size", ())), part["effect"]) for part in explained["parts"]]
    if explained["kind"] == "image":
        regions = dict.fromkeys(place for place, _ in effects)
        effects = [(region, sum(effect for place, effect in effects if place == region)) for region in regions]
    order = sorted(effects, key=lambda each: -abs(each[1]))
    shown = [f"{place} {_signed(effect)}" for place, effect in order[:_SHOWN] if abs(effect) > least]
    return ", ".join(shown) or "no single part matters"


def _place(part: Mapping[str, Any], size: Sequence[int]) -> str:
    if "word" in part:
        return f"“{part['word']}”"
    if "left" in part:
        down, across = (
            names[min(2, 3 * (part[low] + part[high]) // (2 * length))]
            for names, low, high, length in (
                (_DOWN, "top", "bottom", size[0]), (_ACROSS, "left", "right", size[1])
            )
        )  # fmt: skip
        return "centre" if (down, across) == ("middle", "middle") else f"{down} {across}"
    if "column" in part:
        return str(part["column"])
    if "end" in part:
        return f"{part['start']:.2f}-{part['end']:.2f} s"
    (name,) = part.keys() & {"frame", "step"}
    last = f"-{part['last'] + 1}" if "last" in part else ""
    return f"{name} {part[name] + 1}{last}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:.4g}"


def _signed(value: float) -> str:
    return f"{value:+,.0f}" if abs(value) >= _LARGE else f"{value:+.2g}"
