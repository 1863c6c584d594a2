"""What each modality gives: Shapley values of a metric over subsets of modalities."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from math import comb
from typing import Any

_CHANCE = 0.05
_LARGE = 0.2  # of what all modalities give together: a pair's interaction that is worth telling


def shapley_values(names: Sequence[str], worth: Mapping[frozenset[str], float]) -> dict[str, float]:
    """Return each modality's share of what all together are worth more than none.

    Args:
        names: The modalities M.
        worth: Of every subset, the empty one included.

    Source: Shapley 1953: a member's mean gain over all orders in which the members join.
    """
    count = len(names)
    return {
        name: sum(
            (worth[frozenset(subset) | {name}] - worth[frozenset(subset)]) / (count * comb(count - 1, size))
            for size in range(count)
            for subset in combinations([other for other in names if other != name], size)
        )
        for name in names
    }


def interaction(pair: Collection[str], worth: Mapping[frozenset[str], float]) -> float:
    """Return what two modalities are worth together beyond what each is alone: positive if they complement each other.

    Args:
        pair: The two.
        worth: Of both, each and none.
    """
    one, other = (frozenset({name}) for name in pair)
    return worth[one | other] - worth[one] - worth[other] + worth[frozenset()]


def told_shapley(found: Mapping[str, Any]) -> list[str]:
    """Return sentences about modalities that add nothing to the others, and pairs that are complementary or redundant.

    Args:
        found: What ``metrics.json`` holds as ``shapley``.
    """
    told = []
    metric, gained = found["metric"], abs(found["all"] - found["none"])
    for name, gain in found["last"].items():
        p_value = found["last_p_values"].get(name)
        if gain == 0 or (p_value is not None and p_value > _CHANCE):
            others = [other for other in found["last"] if other != name]
            p_told = "" if p_value is None else f" (p = {p_value:.2g})"
            told.append(f"{name} adds nothing measurable to {metric} once {_listed(others)}{p_told}")
    for pair, value in found["interactions"].items():
        if abs(value) > _LARGE * gained:
            one, other = pair.split("+", 1)
            kind = "complement each other" if value * (found["all"] - found["none"]) > 0 else "are redundant"
            told.append(f"{one} and {other} {kind}: together {value:+.4f} beyond the sum of both alone")
    return told


def _listed(names: Sequence[str]) -> str:
    """Return ``a is there``, ``a and b are there`` or ``a, b and c are there``."""
    if len(names) == 1:
        return f"{names[0]} is there"
    return f"{', '.join(names[:-1])} and {names[-1]} are there"
