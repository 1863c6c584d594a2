"""Pixels whose values are known, and image files made of them byte by byte where no library writes the form."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

SIZE = 32
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
"""Of the quarters: top left, top right, bottom left, bottom right."""
WHITE = (255, 255, 255)
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def quarters(values, dtype=np.uint8, size=SIZE):
    """Return (size, size, ...) with one value in each quarter."""
    values = np.asarray(values, dtype)
    half = np.arange(size) * 2 // size
    return values[half[:, None] * 2 + half[None]]


def encode(image, form: str, **options) -> bytes:
    if not isinstance(image, Image.Image):
        image = Image.fromarray(np.ascontiguousarray(image))
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows, width, height, depth, colour, *, interlaced=0, before=b"") -> bytes:
    """A PNG of packed rows, written by hand."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + before + data + chunk(b"IEND", b"")


def interlaced_png(pixels) -> bytes:
    rows = [row.tobytes() for x, y, right, down in PASSES for row in pixels[y::down, x::right]]
    return png(rows, pixels.shape[1], pixels.shape[0], 8, 2, interlaced=1)


def wide_png(channels: int) -> bytes:
    """A PNG of 16 bits a channel; its lower bytes are noise that 8 bits do not show."""
    colours = quarters(COLOURS)[:, :, :channels] if channels == 3 else quarters([0, 100, 200, 255])[:, :, None]
    rows = [(row.astype(">u2") * 257).tobytes() for row in colours]
    return png(rows, SIZE, SIZE, 16, 2 if channels == 3 else 0)


def profile(space: bytes = b"RGB ", *, swapped: bool = False, linear: bool = True) -> bytes:
    """An ICC profile of version 2 with sRGB's primaries and a linear tone curve; red and green may change places."""
    s15 = [(0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)]
    red, green, blue = (s15[1], s15[0], s15[2]) if swapped else s15
    xyz = {b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue, b"wtpt": (0.9642, 1.0, 0.8249)}
    tags = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in value)) for name, value in xyz.items()
    }
    curve = b"curv\0\0\0\0" + struct.pack(">I", 0)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC", b"kTRC"), curve)
    tags[b"desc"] = b"desc\0\0\0\0" + struct.pack(">I", 7) + b"linear\0" + bytes(78)
    tags[b"cprt"] = b"text\0\0\0\0none\0\0\0\0"
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", place + len(body), len(data))
        body += data
    size = place + len(body)
    kinds = (b"\0\0\0\0", b"\2\x10\0\0", b"mntr", space, b"XYZ ", bytes(12), b"acsp")
    head = struct.pack(">I4s4s4s4s4s12s4s", size, *kinds)
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def from_linear(values):
    """Return what sRGB writes for linear light, both from 0 to 255. Source: IEC 61966-2-1."""
    light = np.asarray(values) / 255
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
