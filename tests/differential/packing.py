"""Files of pixels packed bit by bit, as the formats' specifications say, and what a screen should show of them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.forms.pictures import PASSES, png

NONE, LZW, DEFLATE, PACKBITS = 1, 5, 8, 32773
_NAMES = {LZW: "tiff_lzw", PACKBITS: "packbits"}


def packed(values, bits: int) -> bytes:
    """Return rows of whole numbers, most significant bits first, each row filled up to a byte."""
    places = (values[..., None].astype(np.int64) >> np.arange(bits)[::-1]) & 1
    return np.packbits(places.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def _number_bytes(values, bits: int, kind: int, order: str) -> bytes:
    if kind == 3 and bits != 24:
        return values.astype(f"{order}f{bits // 8}").tobytes()
    if bits in (8, 16, 32):
        return values.astype(f"{order}{'ui'[kind == 2]}{bits // 8}").tobytes()
    if bits == 24:
        whole = np.ascontiguousarray(values.astype(f"{order}u4")).view(np.uint8).reshape(-1, 4)
        return (whole[:, 1:] if order == ">" else whole[:, :3]).tobytes()
    return packed(values, bits)


def _differences(values):
    """Return (rows, width, samples) as what is added to the pixel before."""
    before = np.zeros_like(values)
    before[:, 1:] = values[:, :-1]
    return values - before


def _float_differences(values, bits: int) -> bytes:
    rows, _, samples = values.shape
    parts = values.astype(f">f{bits // 8}").view(np.uint8).reshape(rows, -1, bits // 8).swapaxes(1, 2)
    return _differences(parts.reshape(rows, -1, samples)).tobytes()


def _compressed(data: bytes, compression: int, row_bytes: int) -> bytes:
    if compression == DEFLATE:
        return zlib.compress(data)
    if compression == NONE:
        return data
    file = io.BytesIO()
    grey = Image.frombytes("L", (row_bytes, len(data) // row_bytes), data)
    grey.save(file, "TIFF", compression=_NAMES[compression], strip_size=2**24)
    written = Image.open(io.BytesIO(file.getvalue()))
    (start,), (count,) = written.tag_v2[273], written.tag_v2[279]
    return file.getvalue()[start : start + count]


def tiff(
    values, bits: int, *, kind=1, photometric=1, order="<", reverse=False, apart=False, compression=NONE, predictor=1,
    rows=None, tile=None, extra=(), colour_map=None, big=False, tags=None,
) -> bytes:  # fmt: skip
    """Return a TIFF of values (H, W, samples): whole numbers, or floating-point ones where ``kind`` is 3."""
    height, width, samples = values.shape
    planes = [values[..., n : n + 1] for n in range(samples)] if apart else [values]
    blocks = [block for plane in planes for block in _blocks(plane, rows or height, tile)]
    parts = []
    for block in blocks:
        if predictor == 3:
            data = _float_differences(block, bits)
        else:
            block = _differences(block) if predictor == 2 else block
            data = _number_bytes(block.reshape(len(block), -1), bits, kind, order)
        data = _compressed(data, compression, len(data) // len(block))
        parts.append(data.translate(bytes(int(f"{n:08b}"[::-1], 2) for n in range(256))) if reverse else data)
    entries = {
        256: width, 257: height, 258: (bits,) * samples, 259: compression, 262: photometric, 266: 1 + reverse,
        277: samples, 284: 1 + apart, 317: predictor, 339: (kind,) * samples,
    }  # fmt: skip
    if extra:
        entries[338] = tuple(extra)
    if colour_map is not None:
        entries[320] = tuple(int(level) for level in colour_map)
    start = 16 if big else 8
    offsets = tuple(start + sum(map(len, parts[:n])) for n in range(len(parts)))
    counts = tuple(map(len, parts))
    entries |= {322: tile, 323: tile, 324: offsets, 325: counts} if tile else {273: offsets, 278: rows or height}
    if not tile:
        entries[279] = counts
    return _directory(entries | (tags or {}), b"".join(parts), order, big)


def _blocks(plane, rows: int, tile: int | None):
    if not tile:
        return [plane[top : top + rows] for top in range(0, len(plane), rows)]
    down, across = (-len(plane)) % tile, (-plane.shape[1]) % tile
    whole = np.pad(plane, ((0, down), (0, across), (0, 0)), mode="edge")
    return [
        whole[top : top + tile, left : left + tile]
        for top in range(0, len(whole), tile) for left in range(0, whole.shape[1], tile)
    ]  # fmt: skip


def _directory(entries, pixels: bytes, order: str, big: bool) -> bytes:
    mark = b"II" if order == "<" else b"MM"
    wide = "Q" if big else "I"
    start = 16 if big else 8
    pixels += bytes(-len(pixels) % 8)
    place = start + len(pixels)
    inline = 8 if big else 4
    size = (8 if big else 2) + len(entries) * (20 if big else 12) + inline
    later, table = b"", b""
    for tag, value in sorted(entries.items()):
        if isinstance(value, bytes):
            kind, count, data = 7, len(value), value
        else:
            numbers = value if isinstance(value, tuple) else (value,)
            kind, count = (4 if max(numbers) > 65535 else 3), len(numbers)
            data = struct.pack(f"{order}{count}{'I' if kind == 4 else 'H'}", *numbers)
        if len(data) > inline:
            there = place + size + len(later)
            later += data + bytes(len(data) % 2)
            data = struct.pack(order + wide, there)
        table += struct.pack(f"{order}HH{wide}", tag, kind, count) + data.ljust(inline, b"\0")
    if big:
        head = mark + struct.pack(f"{order}HHHQ", 43, 8, 0, place)
        return head + pixels + struct.pack(f"{order}Q", len(entries)) + table + bytes(8) + later
    head = mark + struct.pack(f"{order}HI", 42, place)
    return head + pixels + struct.pack(f"{order}H", len(entries)) + table + bytes(4) + later


def packed_png(values, bits: int, colour: int, *, interlaced=False, before=b"") -> bytes:
    """Return a PNG of values (H, W, samples), unfiltered."""
    height, width = values.shape[:2]
    parts = [values[y::down, x::right] for x, y, right, down in PASSES] if interlaced else [values]
    rows = []
    for part in parts:
        if part.size:
            data = packed(part.reshape(len(part), -1), bits)
            rows += [data[n : n + len(data) // len(part)] for n in range(0, len(data), len(data) // len(part))]
    return png(rows, width, height, bits, colour, interlaced=int(interlaced), before=before)
