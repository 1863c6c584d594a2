"""Modality subsets on which a model is measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

ALL_SUBSETS_UP_TO = 6


def subsets(sources: Sequence[str], *, whole: bool = False) -> list[tuple[str, ...]]:
    """Return the subsets to measure, small ones first, each sorted; the full set only if ``whole``.

    For up to six modalities these are all nonempty subsets, for more each modality alone and all but one.
    """
    names = sorted(set(sources))
    every = len(names) <= ALL_SUBSETS_UP_TO
    sizes = [*range(1, len(names))] if every else [1, len(names) - 1]
    sizes += [len(names)] if whole else []
    return [subset for size in sizes for subset in combinations(names, size)]


def subset_name(subset: Collection[str]) -> str:
    """Return the sorted names joined by ``+``."""
    return "+".join(sorted(subset))


def mask(
    present: Mapping[str, NDArray[np.bool_]], sources: Mapping[str, str], keep: Collection[str]
) -> dict[str, NDArray[np.bool_]]:
    """Return presence, (N,) each, of the modalities in ``keep`` only.

    Args:
        present: Presence by feature modality, such as ``image_hog``.
        sources: The source modality of each feature modality; features of one source are kept or masked together.
        keep: Source modalities to keep.
    """
    return {name: there & (sources[name] in keep) for name, there in present.items()}
