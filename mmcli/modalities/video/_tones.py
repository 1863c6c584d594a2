"""Converts high dynamic range pictures (PQ and HLG) to sRGB.

Reference white becomes white: 203 cd/m² in PQ, 75% in HLG. Anything brighter is clipped to white.

Source: ITU-R BT.2100-2, tables 4 and 5, for the transfer functions; BT.2408-7, section 3, for reference white and
for HLG as scene light; BT.2087-0, section 2, for the colours; IEC 61966-2-1 for sRGB.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np

from mmcli.store.columns import Array

Transfer = Literal["PQ", "HLG"]
_TRANSFERS: dict[int, Transfer] = {16: "PQ", 18: "HLG"}  # by FFmpeg's code, which is that of ISO 23091-2
_WHITE = 203.0  # cd/m²
_HLG_WHITE = 0.75
_TO_BT709 = {
    9: np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32),
    12: np.array([[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]], np.float32),
}  # from BT.2020 and from P3
_ROWS = 64  # at a time


def transfer_of(codec_context: Any) -> Transfer | None:
    """Return the transfer function of a high dynamic range stream; None for others."""
    return _TRANSFERS.get(int(codec_context.color_trc or 0))


def standard_range(pixels: Array, transfer: Transfer, codec_context: Any) -> Array:
    """Convert pixels to sRGB, (H, W, 3) uint8.

    Args:
        pixels: (H, W, 3) uint16, in the stream's transfer function and primaries.
        transfer: The transfer function.
        codec_context: The stream's.
    """
    matrix = _TO_BT709.get(int(codec_context.color_primaries or 0))
    made = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), _ROWS):
        rows = slice(start, start + _ROWS)
        light = _light(transfer)[pixels[rows]]
        if matrix is not None:
            light = light @ matrix.T
        light = np.clip(light, 0, 1)
        made[rows] = np.rint(255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055))
    return made


@cache
def _light(transfer: Transfer) -> Array:
    """Return the light of each 16-bit value, relative to reference white."""
    value = np.arange(2**16) / (2**16 - 1)
    light = _pq_light(value) / _WHITE if transfer == "PQ" else _hlg_light(value) / _hlg_light(np.array(_HLG_WHITE))
    return np.asarray(light, np.float32)


def _pq_light(value: Array) -> Array:
    """Return screen light in cd/m²."""
    root = value ** (32 / 2523)
    return np.asarray(10000 * (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (16384 / 2610))


def _hlg_light(value: Array) -> Array:
    """Return scene light, at most 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)
