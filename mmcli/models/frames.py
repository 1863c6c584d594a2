"""Turns stored videos into clips of the number of frames that a network takes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmcli.store.columns import Column, Ragged


def clip_inputs(column: Column, frames: int) -> Tensor:
    """Return clips (B, ``frames``, 3, H, W) uint8.

    A longer video is sampled evenly, including its first and last frame; a shorter one repeats its last frame; one
    without frames is black.
    """
    tensor = column.main
    assert isinstance(tensor, Ragged)
    lengths = np.diff(tensor.offsets)
    clips = np.zeros((len(lengths), frames, *tensor.values.shape[1:]), tensor.values.dtype)
    for row, count in enumerate(lengths):
        if count:
            clips[row] = tensor.values[tensor.offsets[row] + frame_numbers(int(count), frames)]
    return torch.from_numpy(clips)


def frame_numbers(count: int, frames: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return which of a video's ``count`` frames, at least 1, make a clip of ``frames``."""
    if count < frames:
        return np.minimum(np.arange(frames), count - 1)
    return np.round(np.linspace(0, count - 1, frames)).astype(np.int64)
