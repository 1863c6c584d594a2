"""Shrinks stored images by area averaging."""

from __future__ import annotations

import numpy as np

from mmcli.store.columns import Array


def shrink(image: Array, size: int | None) -> Array:
    """Shrink an image (3, H, W) uint8 to (3, size, size); unchanged if it is no larger, or ``size`` is None."""
    if size is None or min(image.shape[1:]) <= size:
        return image
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX)).transpose(2, 0, 1)
