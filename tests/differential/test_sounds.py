"""The samples that mmcli reads, held against those of another decoder: FFmpeg's executable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mmcli.errors import UnusableError
from mmcli.modalities.audio import Preprocessor
from mmcli.modalities.audio._resample import resample
from tests.differential.sounds import Variant, heard, random_variants, variants

VARIANTS = variants()
LATE = 0.03
"""Seconds by which the ends may differ: decoders keep or drop what encoders pad."""
LOOSE = 0.1
OFF = 0.002
"""Of full scale: the root mean square of the difference."""


def disagreement(variant: Variant, folder: Path) -> str:
    """Return how mmcli differs from the second decoder; nothing where it does not."""
    parts = variant.parts(folder)
    found = [heard(part, folder) for part in parts]
    rate = found[0][1]
    right = np.concatenate([resample(samples, each, rate) for samples, each in found])
    try:
        made = Preprocessor(("clip",), sample_rate=rate, max_seconds=60).decode(variant.change(parts))[""] / 32768
    except UnusableError as error:
        return str(error)
    late = (LOOSE if variant.is_loose else LATE) * len(parts)
    if abs(len(made) - len(right)) > late * rate:
        return f"{len(made) / rate:.4f} s, expected {len(right) / rate:.4f} s"
    if variant.is_loose:
        return ""
    both = min(len(made), len(right))
    off = float(np.sqrt(np.mean((made[:both] - np.clip(right[:both], -1, 1)) ** 2)))
    return f"differs by {off:.4f}" if off > OFF else ""


@pytest.mark.parametrize("variant", VARIANTS, ids=[variant.name for variant in VARIANTS])
def test_a_sound_is_read_as_another_decoder_hears_it(variant, tmp_path):
    assert disagreement(variant, tmp_path) == ""


@pytest.mark.slow
def test_thousands_of_sounds_are_read_as_another_decoder_hears_them(tmp_path):
    found = {variant.name: disagreement(variant, tmp_path) for variant in random_variants(2000)}
    assert {name: problem for name, problem in found.items() if problem} == {}
