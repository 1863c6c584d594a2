"""The samples of a TIFF: strips and tiles decompressed, bits unpacked, differences summed."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcli.errors import UnusableError
from mmcli.store.columns import Array

_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD = 1, 5, 8, 32946, 32773, 34925, 50000
COMPRESSIONS = (_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS, _LZMA, _ZSTD)
"""Compressions of plain bytes."""
_FLOAT = 3
_DIFFERENCES, _FLOAT_DIFFERENCES = 2, 3
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_LARGEST_BLOCK = 2**30  # bytes
_LARGEST_TILE, _SMALL = 4, 2**16  # times the image's pixels, or times this many pixels
_BAND = 2**20


@dataclass(frozen=True)
class Coding:
    """How the samples of a TIFF are stored.

    Args:
        bits: Bits per sample.
        kind: 1 unsigned, 2 signed, 3 floating point.
        samples: Samples per pixel.
        big_endian: Byte order.
        compression: TIFF's code.
        reverse: The bits of each byte are in reverse order.
        predictor: 1 none, 2 differences, 3 differences of floating-point numbers.
        planes_apart: Each sample of all pixels is stored as a separate plane.
        tiled: Stored in tiles, not in strips.
        block: Width and height of a tile or strip.
        offsets: Offsets of the tiles or strips, row by row, plane by plane.
        counts: Bytes of each tile or strip.
    """

    bits: int
    kind: int
    samples: int
    big_endian: bool
    compression: int
    reverse: bool
    predictor: int
    planes_apart: bool
    tiled: bool
    block: tuple[int, int]
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the returned samples."""
        if self.kind == _FLOAT:
            return np.dtype(np.float32)
        sign = "i" if self.kind == 2 else "u"
        return np.dtype(f"{sign}{1 if self.bits <= 8 else 2 if self.bits <= 16 else 4}")


def samples_of(content: bytes, coding: Coding, size: tuple[int, int], wanted: tuple[int, ...]) -> Array:
    """Return the wanted samples of every pixel, (H, W, len(wanted)).

    Raises:
        UnusableError: ``corrupt`` if some are absent.
    """
    width, height = size
    values = np.empty((height, width, len(wanted)), coding.dtype)
    for plane, left, top, block in _blocks(content, coding, size):
        across, down = min(width - left, block.shape[1]), min(height - top, block.shape[0])
        target = values[top : top + down, left : left + across]
        if not coding.planes_apart:
            target[:] = block[:down, :across, list(wanted)]
        elif plane in wanted:
            target[..., wanted.index(plane)] = block[:down, :across, 0]
    return values


def _blocks(content: bytes, coding: Coding, size: tuple[int, int]) -> Iterator[tuple[int, int, int, Array]]:
    """Yield each strip or tile as (rows, width, samples), with its plane and position."""
    (width, height), (across, down) = size, coding.block
    planes = coding.samples if coding.planes_apart else 1
    samples = 1 if coding.planes_apart else coding.samples
    if min(len(coding.offsets), len(coding.counts)) < planes * -(-height // down) * -(-width // across):
        raise UnusableError("corrupt", "truncated TIFF")
    row_bytes = (across * samples * coding.bits + 7) // 8
    if across * down > _LARGEST_TILE * max(width * height, _SMALL) or row_bytes * down > _LARGEST_BLOCK:
        raise UnusableError("skipped", f"a TIFF with a strip or tile of {across} x {down} pixels")
    places = [(left, top) for top in range(0, height, down) for left in range(0, width, across)]
    for plane in range(planes):
        for number, (left, top) in enumerate(places, plane * len(places)):
            rows = down if coding.tiled else min(down, height - top)
            start = coding.offsets[number]
            data = content[start : start + coding.counts[number]]
            if coding.reverse:
                data = data.translate(_REVERSED)
            data = _decompressed(data, coding.compression, row_bytes, rows)
            if len(data) < row_bytes * rows:
                raise UnusableError("corrupt", "truncated TIFF")
            raw = np.frombuffer(data, np.uint8, row_bytes * rows).reshape(rows, row_bytes)
            yield plane, left, top, _unpacked(raw, coding, across, samples)


def _decompressed(data: bytes, compression: int, row_bytes: int, rows: int) -> bytes:
    if compression == _NONE:
        return data
    if compression in (_DEFLATE, _OLD_DEFLATE):
        return zlib.decompressobj().decompress(data, row_bytes * rows)
    from PIL import Image

    with Image.open(io.BytesIO(_as_bytes_of_grey(data, compression, row_bytes, rows)), formats=("TIFF",)) as image:
        return image.tobytes()


def _as_bytes_of_grey(data: bytes, compression: int, width: int, height: int) -> bytes:
    """Return a TIFF whose 8-bit grey pixels are the compressed bytes."""
    tags = (
        (256, width), (257, height), (258, 8), (259, compression), (262, 1), (273, 8), (277, 1), (278, height),
        (279, len(data)),
    )  # fmt: skip
    page = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    place = 8 + len(data) + len(data) % 2
    head = b"II*\0" + struct.pack("<I", place)
    return head + data + bytes(len(data) % 2) + struct.pack("<H", len(tags)) + page + bytes(4)


def _unpacked(raw: Array, coding: Coding, width: int, samples: int) -> Array:
    """Unpack rows (rows, bytes) uint8 to (rows, width, samples)."""
    values = np.empty((len(raw), width, samples), coding.dtype)
    band = max(1, _BAND // (width * samples))
    for start in range(0, len(raw), band):
        part = raw[start : start + band]
        if coding.predictor == _FLOAT_DIFFERENCES:
            part = _bytes_of_floats(part, coding, samples)
        numbers = _numbers(part, coding, width * samples).reshape(len(part), width, samples)
        if coding.predictor == _DIFFERENCES:
            numbers = np.add.accumulate(numbers, axis=1, dtype=numbers.dtype)
        values[start : start + band] = _as_float(numbers, coding.bits) if coding.kind == _FLOAT else numbers
    return values


def _numbers(raw: Array, coding: Coding, count: int) -> Array:
    """Return ``count`` integers of each row; floating-point numbers as their bits."""
    bits = coding.bits
    big = coding.big_endian or coding.predictor == _FLOAT_DIFFERENCES
    if bits in (8, 16, 32, 64):
        whole = np.ascontiguousarray(raw).view(f"{'>' if big else '<'}u{bits // 8}")
        numbers = whole.astype(f"u{bits // 8}")
    elif bits == 24:
        parts = raw.reshape(len(raw), count, 3).astype(np.uint32)
        numbers = parts @ np.array([65536, 256, 1] if big else [1, 256, 65536], np.uint32)
    else:
        places = np.unpackbits(raw, axis=1, count=count * bits).reshape(len(raw), count, bits)
        numbers = np.zeros((len(raw), count), np.uint16)
        for place in range(bits):
            numbers = numbers * 2 + places[..., place]
    return numbers.view(f"i{bits // 8}") if coding.kind == 2 else numbers


def _bytes_of_floats(raw: Array, coding: Coding, samples: int) -> Array:
    """Undo the byte differences of floating-point numbers, most significant bytes first."""
    each = coding.bits // 8
    summed = np.add.accumulate(raw.reshape(len(raw), -1, samples), axis=1, dtype=np.uint8)
    return np.ascontiguousarray(summed.reshape(len(raw), each, -1).swapaxes(1, 2)).reshape(len(raw), -1)


def _as_float(numbers: Array, bits: int) -> Array:
    if bits == 24:  # sign, 7 bits of exponent with bias 63, 16 bits of fraction
        sign, exponent, fraction = numbers >> 23, (numbers >> 16) & 127, numbers & 65535
        value = np.ldexp(1 + fraction / 65536, exponent.astype(int) - 63) * np.where(sign, -1.0, 1.0)
        return np.where(exponent == 0, 0.0, np.where(exponent == 127, np.nan, value)).astype(np.float32)
    return numbers.view(f"f{bits // 8}").astype(np.float32)
