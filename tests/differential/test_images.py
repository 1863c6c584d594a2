"""Images of many programs' making, read by mmcli, against what their formats say worked out another way."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mmcli.errors import UnusableError
from mmcli.modalities.image import Preprocessor
from tests.differential import coloured_images, encoded_images, images

GROUPS = (*images.GROUPS, *coloured_images.GROUPS, *encoded_images.GROUPS)
QUICK = 25
"""Variants of each group in the quick run; the slow one takes all."""


def disagreement(make) -> str | None:
    variant = make()
    side = len(variant.expected)
    try:
        found = Preprocessor(("photo",), size=side).decode(variant.content)[""].transpose(1, 2, 0)
    except UnusableError as error:
        return f"{variant.name}: {error.status}, {error.reason}"
    away = np.abs(found - variant.expected).max()
    return f"{variant.name}: {away:.1f} away" if away > variant.within else None


def sampled(variants, count):
    """Spread over all of them, and not in step with any of their options."""
    everything = list(variants)
    return [everything[n] for n in np.random.default_rng(0).permutation(len(everything))[:count]]


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_images_are_what_their_bits_say(group):
    found = [disagreement(variant) for variant in sampled(group(), QUICK)]
    assert len(found) >= 6
    assert not [line for line in found if line]


@pytest.mark.slow
@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_every_image_is_what_its_bits_say(group):
    found = list(filter(None, map(disagreement, group())))
    assert not found, f"{len(found)} disagree: " + "\n".join(itertools.islice(found, 20))
