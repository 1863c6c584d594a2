"""Colour spaces given by a few numbers, as in PNG, AVIF and HEIC, and the equivalent ICC profiles."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from mmcli.store.columns import Array

_WHITE_D65 = (0.3127, 0.3290)
_SRGB = (*_WHITE_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES = {
    1: _SRGB,
    5: (*_WHITE_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_WHITE_D65, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (*_WHITE_D65, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (*_WHITE_D65, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_HIGH_DYNAMIC_RANGE = {16: "PQ", 18: "HLG"}
_SAME = 0.05  # gammas this close count as equal
_NEAR = 0.002  # chromaticities this close count as equal
_WHITE_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


@dataclass(frozen=True)
class ColourSpace:
    """The meaning of a pixel's numbers.

    Args:
        profile: An ICC profile; None for sRGB.
        dynamic_range: ``PQ`` or ``HLG`` for high dynamic range, else empty.
    """

    profile: bytes | None = None
    dynamic_range: str = ""


def code_point_space(primaries: int, transfer: int) -> ColourSpace:
    """Return the colour space of two code points; television and unknown ones count as sRGB.

    Source: ITU-T H.273 (2021), tables 2 and 3.
    """
    points = _PRIMARIES.get(primaries, _SRGB)
    if transfer in _HIGH_DYNAMIC_RANGE:
        return ColourSpace(dynamic_range=_HIGH_DYNAMIC_RANGE[transfer])
    gamma = _GAMMAS.get(transfer)
    if points == _SRGB and gamma is None:
        return ColourSpace()
    return ColourSpace(_profile(points, gamma))


def nclx_space(content: bytes) -> ColourSpace | None:
    """Return the colour space that an AVIF or HEIC file gives by code points, if any."""
    place = content.find(b"colrnclx")
    if place < 0 or place + 12 > len(content):
        return None
    primaries, transfer = struct.unpack_from(">HH", content, place + 8)
    return code_point_space(primaries, transfer)


def space_of(gamma: float, points: tuple[float, ...]) -> ColourSpace:
    """Return the colour space of an encoding gamma, such as 0.45455, and the x, y of white, red, green and blue.

    Without points, sRGB's are used; numbers that form no colour space count as sRGB.
    """
    points = points or _SRGB
    if not 0.05 <= gamma <= 20 or not all(0 < y <= 1 and 0 <= x <= 1 for x, y in zip(*_pairs(points), strict=True)):
        return ColourSpace()
    same_curve = abs(gamma * 2.2 - 1) < _SAME
    if same_curve and np.allclose(points, _SRGB, rtol=0, atol=_NEAR):
        return ColourSpace()
    try:
        return ColourSpace(_profile(points, None if same_curve else 1 / gamma))
    except np.linalg.LinAlgError:  # collinear primaries
        return ColourSpace()


def _pairs(points: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return points[::2], points[1::2]


def _profile(points: tuple[float, ...], gamma: float | None) -> bytes:
    """Return the ICC profile for white, red, green and blue and a gamma; None is sRGB's curve.

    Source: ICC.1:2022, 8.3.3, 9.2 and 10.18.
    """
    columns = _matrix(points)
    numbers: tuple[float, ...]
    if gamma is None:
        numbers, kind = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045), 3
    else:
        numbers, kind = (gamma,), 0
    curve = struct.pack(f">4sIHH{len(numbers)}i", b"para", 0, kind, 0, *_fixed(numbers))
    tags = {b"wtpt": _xyz(_WHITE_D50), b"rXYZ": _xyz(columns[:, 0]), b"gXYZ": _xyz(columns[:, 1])}
    tags |= {b"bXYZ": _xyz(columns[:, 2]), **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)}
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, place + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s12s4s28s3i48s", place + len(body), b"", 0x04400000, b"mntr", b"RGB ", b"XYZ ", b"", b"acsp", b"",
        *_fixed(_WHITE_D50), b"",
    )  # fmt: skip
    return head + struct.pack(">I", len(tags)) + table + body


def _matrix(points: tuple[float, ...]) -> Array:
    """Return the XYZ of red, green and blue as columns, with white adapted to D50 by Bradford's method."""
    x, y = (np.array(side) for side in _pairs(points))
    colours = np.array([x / y, np.ones(4), (1 - x - y) / y])
    white = colours[:, 0]
    weights = np.linalg.solve(colours[:, 1:], white)
    cones = np.diag((_BRADFORD @ _WHITE_D50) / (_BRADFORD @ white))
    adapted: Array = np.linalg.inv(_BRADFORD) @ cones @ _BRADFORD @ (colours[:, 1:] * weights)
    return adapted


def _xyz(colour: Array) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *_fixed(colour))


def _fixed(numbers: tuple[float, ...] | Array) -> list[int]:
    return [max(-(2**31), min(2**31 - 1, round(float(number) * 65536))) for number in numbers]
