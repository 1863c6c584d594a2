"""The frames that mmcli chooses, held against those that another FFmpeg shows at the same times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from mmcli.errors import UnusableError
from mmcli.modalities.video import Preprocessor
from tests.differential.ffmpeg import Shown, on_white, shown
from tests.differential.videos import H265_ALPHA, SIDE, Variant, random_variants, variants

TOLERANCE = 3.0
"""Levels of 255, on average; neighbouring frames are 6 or more apart."""
VARIANTS = variants()
QUICK = VARIANTS[::4]
Choice = dict[str, float | int]
CHOICES: tuple[Choice, ...] = ({"frames": 13}, {"fps": 10.0}, {"frames": 1}, {"frames": 4}, {"fps": 3.7})


def disagreements(variant: Variant, folder: Path, choices: Sequence[Choice]) -> list[str]:
    """Return how mmcli differs from the second decoder, by the choice of frames; nothing where it does not."""
    path = variant.write(folder)
    right = shown(path, SIDE, variant.before, variant.filters)
    found = []
    for choice in choices:
        part = Preprocessor(("clip",), size=SIDE, resize="stretch", **choice)
        problem = _difference(part.decode(path.read_bytes())[""], right, _times(right, **choice))
        found += [f"{choice}: {problem}"] if problem else []
    return found


def _difference(made: np.ndarray, right: Shown, times: Sequence[float]) -> str:
    if len(made) != len(times):
        return f"{len(made)} frames, expected {len(times)}"
    expected = np.stack([on_white(right.at(time)) for time in times])
    apart = np.abs(made.transpose(0, 2, 3, 1) - expected).mean(axis=(1, 2, 3))
    wrong = np.flatnonzero(apart > TOLERANCE)
    return f"frames {wrong.tolist()} differ by {apart[wrong].round(1).tolist()}" if len(wrong) else ""


def _times(right: Shown, fps: float = 0, frames: int = 0) -> list[float]:
    if frames:
        return [right.seconds * (2 * part + 1) / (2 * frames) for part in range(frames)]
    return [number / fps for number in range(min(64, max(1, math.ceil(right.seconds * fps - 1e-6))))]


@pytest.mark.parametrize("variant", QUICK, ids=[variant.name for variant in QUICK])
def test_a_video_is_read_as_another_decoder_shows_it(variant, tmp_path):
    assert disagreements(variant, tmp_path, CHOICES[:2]) == []


def test_transparency_of_h265_is_read_or_said(tmp_path):
    try:
        found = disagreements(H265_ALPHA, tmp_path, CHOICES[:2])
    except UnusableError as error:  # by FFmpeg before its version 9
        found = [error.reason]
    assert found in ([], ["its transparency cannot be read: convert it to ProRes 4444 or VP9"])


@pytest.mark.slow
def test_thousands_of_videos_are_read_as_another_decoder_shows_them(tmp_path):
    found = {}
    for number, variant in enumerate([*VARIANTS, *random_variants(1000)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        problems = disagreements(variant, folder, CHOICES)
        if problems:
            found[variant.name] = problems
    assert found == {}


def test_names_of_variants_are_unique():
    names = [variant.name for variant in [*VARIANTS, *random_variants(100)]]
    assert len(set(names)) == len(names)
