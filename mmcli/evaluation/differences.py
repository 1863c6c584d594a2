"""Says in words how models that were measured on the same rows differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_SURE = 0.05


def told_differences(found: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each pair of models.

    Args:
        found: The content of ``comparison.json``.
    """
    return [_told(found, pair) for pair in found["pairs"]]


def _told(found: Mapping[str, Any], pair: str) -> str:
    better, worse = found["pairs"][pair]
    metric, own, small = found["metric"], found["differences"][pair], found["smaller_is_better"]
    # Of the difference and its interval, told as the gain of the better model.
    gain, bounds = own[metric], own["intervals"].get(metric)
    if small:
        gain, bounds = _turned(gain, bounds)
    swapped = gain < 0
    if swapped:
        better, worse = worse, better
        gain, bounds = _turned(gain, bounds)
    interval = "" if bounds is None else f" [{bounds[0]:.4f}, {bounds[1]:.4f}]"
    chance = ""
    if "p_value" in own:
        chance = f", p = {own['p_value']:.2g}"
    if "p_holm" in own:
        chance += f" ({own['p_holm']:.2g} adjusted for {len(found['pairs'])} pairs)"
    if own.get("p_holm", own.get("p_value", 0.0)) <= _SURE:
        told = f"{better} is better than {worse} by {gain:.4f}{interval} in {metric}{chance}"
    else:
        told = f"{better} and {worse} do not differ measurably in {metric}: {gain:+.4f}{interval}{chance}"
    if "mcnemar" in own:
        test = own["mcnemar"]
        mine, theirs = test["only_first_right"], test["only_second_right"]
        if swapped:
            mine, theirs = theirs, mine
        told += f"; only {better} is right in {mine} rows, only {worse} in {theirs} (McNemar p = {test['p_value']:.2g})"
    return told


def _turned(value: float, bounds: list[float] | None) -> tuple[float, list[float] | None]:
    return -value, None if bounds is None else [-bounds[1], -bounds[0]]
