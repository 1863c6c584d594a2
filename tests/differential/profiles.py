"""ICC profiles built number by number, and what their colours are in sRGB by arithmetic."""

from __future__ import annotations

import struct

import numpy as np

SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
PRIMARIES = {
    "sRGB": SRGB,
    "Display P3": ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
    "Adobe RGB": ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)),
    "ProPhoto": ((0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)),
    "red and green exchanged": (SRGB[1], SRGB[0], SRGB[2]),
}
"""XYZ of red, green and blue under D50. Source: B. Lindbloom, RGB/XYZ matrices; ICC registry for Display P3."""
_STEPS = 1024
_SRGB_NUMBERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
CURVES = ("linear", "gamma 1.8", "gamma 2.2", "table 2.2", "table sRGB", "parameters sRGB", "parameters 2.4")


def light(curve: str, shares: np.ndarray) -> np.ndarray:
    """Return linear light of shares from 0 to 1."""
    if curve.endswith("sRGB"):
        return np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return shares if curve == "linear" else shares ** float(curve.split()[-1])


def _curve(curve: str) -> bytes:
    if curve == "linear":
        return b"curv\0\0\0\0" + struct.pack(">I", 0)
    if curve.startswith("gamma"):
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(float(curve.split()[-1]) * 256))
    if curve.startswith("table"):
        table = np.rint(light(curve, np.linspace(0, 1, _STEPS)) * 65535).astype(">u2").tobytes()
        return b"curv\0\0\0\0" + struct.pack(">I", _STEPS) + table
    numbers = _SRGB_NUMBERS if curve.endswith("sRGB") else (float(curve.split()[-1]),)
    return b"para\0\0\0\0" + struct.pack(">HH", 3 if len(numbers) > 1 else 0, 0) + _fixed(numbers)


def _fixed(numbers) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _look_up_table(primaries: str, curve: str) -> bytes:
    """An A2B0 of 16 bits: the curve, then the corners of the cube, between which light is added."""
    corners = [np.dot((r, g, b), PRIMARIES[primaries]) for r in (0, 1) for g in (0, 1) for b in (0, 1)]
    cube = np.rint(np.clip(np.array(corners) / (1 + 32767 / 32768), 0, 1) * 65535).astype(">u2").tobytes()
    table = np.rint(light(curve, np.linspace(0, 1, _STEPS)) * 65535).astype(">u2").tobytes()
    head = struct.pack(">4sI4B", b"mft2", 0, 3, 3, 2, 0) + _fixed((1, 0, 0, 0, 1, 0, 0, 0, 1))
    return head + struct.pack(">HH", _STEPS, 2) + table * 3 + cube + struct.pack(">2H", 0, 65535) * 3


def profile(primaries: str, curve: str, name: str, *, space: bytes = b"RGB ", table: bool = False) -> bytes:
    """Return an ICC profile of version 2, or 4 where its curve is of parameters."""
    four = curve.startswith("parameters")
    text = name.encode()
    tags = {b"wtpt": b"XYZ \0\0\0\0" + _fixed((0.9642, 1, 0.8249))}
    if four:
        wide = name.encode("utf-16-be")
        tags[b"desc"] = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(wide), 28) + wide
    else:
        tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(78)
    if table:
        tags[b"A2B0"] = _look_up_table(primaries, curve)
    elif space == b"GRAY":
        tags[b"kTRC"] = _curve(curve)
    else:
        for letter, colour in zip("rgb", PRIMARIES[primaries], strict=True):
            tags[f"{letter}XYZ".encode()] = b"XYZ \0\0\0\0" + _fixed(colour)
            tags[f"{letter}TRC".encode()] = _curve(curve)
    index, body, place = b"", b"", 132 + 12 * len(tags)
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        index += struct.pack(">4sII", tag, place + len(body), len(data))
        body += data
    size = place + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"", 0x04300000 if four else 0x02100000, b"mntr", space, b"XYZ ")
    head = (head + bytes(12) + b"acsp").ljust(68, b"\0") + _fixed((0.9642, 1, 0.8249))
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + body


def in_srgb(primaries: str, curve: str, shares: np.ndarray) -> np.ndarray:
    """Return what sRGB writes for a profile's colours, (H, W, 3) from 0 to 1, those outside of it clipped."""
    xyz = light(curve, shares) @ np.array(PRIMARIES[primaries])
    linear = np.clip(xyz @ np.linalg.inv(np.array(SRGB)), 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
