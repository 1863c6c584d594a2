"""Image files in many depths, layouts, encoders and colour spaces, each with what a screen should show of it."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests.differential.packing import DEFLATE, LZW, NONE, PACKBITS, packed_png, tiff
from tests.forms.pictures import chunk

SIDE = 13
WHITE_IS_ZERO, GREY, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
ASSOCIATED, UNASSOCIATED, UNSPECIFIED = 1, 2, 0


@dataclass(frozen=True)
class Variant:
    """A file, its pixels in sRGB on white, (H, W, 3) from 0 to 255, and how far from them is right as well."""

    name: str
    content: bytes
    expected: np.ndarray
    within: float = 1.0


Variants = Iterator[Callable[[], Variant]]


def levels(samples: int, highest: int, seed: int) -> np.ndarray:
    """Return whole numbers from 0 to the highest, both of them among the first, (SIDE, SIDE, samples)."""
    drawn = np.random.default_rng(seed).integers(0, highest, (SIDE, SIDE, samples), endpoint=True)
    drawn[0, 0], drawn[0, 1], drawn[1, 0] = 0, highest, highest // 3
    return drawn


def shown(shares: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """Return shares of full brightness, (H, W, 1 or 3), on white, as levels of RGB."""
    colours = np.broadcast_to(shares, (*shares.shape[:2], 3))
    return 255 * (colours if alpha is None else colours * alpha + 1 - alpha)


def tiff_numbers() -> Variants:
    """Whole numbers of every depth, in every layout."""
    layouts = [
        dict(zip(("order", "reverse", "apart", "compression", "rows", "tile", "big"), chosen, strict=True))
        for chosen in itertools.product(
            "<>", (False, True), (False, True), (NONE, DEFLATE, LZW, PACKBITS), (None, 5), (None, 16), (False, True)
        )
    ]  # fmt: skip
    depths = [(bits, 1) for bits in (*range(1, 17), 24, 32)] + [(8, 2), (16, 2), (32, 2)]
    meanings = [
        (GREY, ()), (WHITE_IS_ZERO, ()), (RGB, ()), (CMYK, ()), (GREY, (UNASSOCIATED,)), (RGB, (UNASSOCIATED,)),
        (GREY, (ASSOCIATED,)), (RGB, (ASSOCIATED,)), (RGB, (UNSPECIFIED,)), (GREY, (UNSPECIFIED, UNASSOCIATED)),
        (WHITE_IS_ZERO, (UNASSOCIATED,)), (CMYK, (UNASSOCIATED,)),
    ]  # fmt: skip
    cases = itertools.product(depths, meanings, layouts)
    for number, ((bits, kind), (photometric, extra), layout) in enumerate(cases):
        if layout["rows"] and layout["tile"]:
            continue
        yield partial(_tiff_number, number, bits, kind, photometric, extra, layout)


def _tiff_number(seed, bits, kind, photometric, extra, layout) -> Variant:
    colours = {RGB: 3, CMYK: 4}.get(photometric, 1)
    highest = 2 ** (bits - (kind == 2)) - 1
    values = levels(colours + len(extra), highest, seed)
    at = next((n for n, what in enumerate(extra, colours) if what != UNSPECIFIED), None)
    associated = ASSOCIATED in extra
    if associated:
        values[..., :colours] = (values[..., :colours] / highest * values[..., at : at + 1]).astype(np.int64)
    predictor = 2 if bits in (8, 16, 32) and layout["compression"] in (DEFLATE, LZW) and seed % 2 else 1
    content = tiff(
        values, bits, kind=kind, photometric=photometric, extra=extra, predictor=predictor, **layout,
    )  # fmt: skip
    shares = values[..., :colours] / highest
    alpha = None if at is None else values[..., at : at + 1] / highest
    if associated:
        shares = np.divide(shares, alpha, out=np.zeros_like(shares), where=alpha > 0)
    if photometric == WHITE_IS_ZERO:
        shares = 1 - shares
    if photometric == CMYK:
        shares = (1 - shares[..., :3]) * (1 - shares[..., 3:])
    within = 1 + 0.5 * (alpha is not None) + 0.5 * (photometric == CMYK)  # each step rounds
    name = f"TIFF {bits} bits, kind {kind}, photometric {photometric}, extra {extra}, predictor {predictor}, {layout}"
    return Variant(name, content, shown(shares, alpha), within)


def tiff_palettes() -> Variants:
    """Palettes of every depth, of 16 bits or, as some programs write them, of 8."""
    for chosen in itertools.product(
        (1, 2, 3, 4, 6, 8, 10, 16), (True, False), "<>", (False, True), (NONE, DEFLATE, LZW)
    ):
        yield partial(_tiff_palette, *chosen)


def _tiff_palette(bits, wide, order, reverse, compression) -> Variant:
    colours = np.random.default_rng(bits).integers(0, 256, (3, 2**bits))
    colours[0, 0] = 255
    values = levels(1, 2**bits - 1, bits)
    content = tiff(
        values, bits, photometric=PALETTE, colour_map=(colours * (257 if wide else 1)).ravel(), order=order,
        reverse=reverse, compression=compression,
    )  # fmt: skip
    name = f"TIFF palette {bits} bits, {wide=}, {order}, {reverse=}, compression {compression}"
    return Variant(name, content, colours.T[values[..., 0]].astype(float), 0)


def tiff_floats() -> Variants:
    """Floating point of three depths, in ranges that people and resampling leave."""
    ranges = [(0, 1), (0, 1.0002), (0, 1 + 1e-6), (-0.03, 1.04), (0, 255), (-2, 258), (0.2, 0.9)]
    for chosen in itertools.product(
        (16, 32, 64), ranges, (GREY, WHITE_IS_ZERO, RGB), "<>", (False, True),
        ((NONE, 1), (DEFLATE, 1), (DEFLATE, 3), (LZW, 3)),
    ):  # fmt: skip
        yield partial(_tiff_float, *chosen)


def _tiff_float(bits, ends, photometric, order, apart, coding) -> Variant:
    (low, high), (compression, predictor) = ends, coding
    values = low + (high - low) * levels(3 if photometric == RGB else 1, 10_000, bits) / 10_000
    shares = np.clip(values / (1 if high < 2 else 255), 0, 1)
    content = tiff(
        values, bits, kind=3, photometric=photometric, order=order, apart=apart, compression=compression,
        predictor=predictor,
    )  # fmt: skip
    name = f"TIFF float {bits}, {low} to {high}, photometric {photometric}, {order}, {apart=}, {coding}"
    return Variant(name, content, shown(1 - shares if photometric == WHITE_IS_ZERO else shares))


def png_numbers() -> Variants:
    """Every colour type and depth of PNG, with and without a level that stands for transparent."""
    forms = [(0, bits, 1) for bits in (1, 2, 4, 8, 16)] + [(2, 8, 3), (2, 16, 3), (4, 8, 2), (4, 16, 2)]
    forms += [(6, 8, 4), (6, 16, 4)]
    for form, keyed, interlaced, seed in itertools.product(forms, (False, True), (False, True), range(4)):
        if not keyed or form[0] <= RGB:
            yield partial(_png_number, *form, keyed, interlaced, seed)


def _png_number(colour, bits, samples, keyed, interlaced, seed) -> Variant:
    values = levels(samples, 2**bits - 1, seed)
    alpha, before = None, b""
    if colour > RGB:
        alpha = values[..., -1:] / (2**bits - 1)
    if keyed:
        key = values[3, 4]
        values[5, 5:8] = key  # and neighbours that only the lowest bit tells apart
        values[6, 5:8] = key ^ 1
        before = chunk(b"tRNS", b"".join(struct.pack(">H", level) for level in key))
        alpha = (values != key).any(axis=2, keepdims=True).astype(float)
    shares = values[..., : samples - (colour > RGB)] / (2**bits - 1)
    content = packed_png(values, bits, colour, interlaced=interlaced, before=before)
    within = 2 if colour > RGB and bits == 16 else 1  # colour and alpha are each rounded down to 8 bits
    name = f"PNG type {colour}, {bits} bits, {keyed=}, {interlaced=}, {seed}"
    return Variant(name, content, shown(shares, alpha), within)


def png_palettes() -> Variants:
    """Palettes of every depth, some of whose colours are half transparent, some lists of alpha shorter."""
    for chosen in itertools.product((1, 2, 4, 8), (0, 1, 2, 200), (False, True)):
        yield partial(_png_palette, *chosen)


def _png_palette(bits, clear, interlaced) -> Variant:
    colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 3))
    alphas = np.full(2**bits, 255)
    given = min(clear, 2**bits)
    alphas[:given] = np.random.default_rng(clear).integers(0, 256, given)
    before = chunk(b"PLTE", colours.astype(np.uint8).tobytes())
    before += chunk(b"tRNS", alphas[:given].astype(np.uint8).tobytes()) if given else b""
    values = levels(1, 2**bits - 1, clear)
    content = packed_png(values, bits, 3, interlaced=interlaced, before=before)
    expected = shown(colours[values[..., 0]] / 255, alphas[values] / 255)
    return Variant(f"PNG palette {bits} bits, {clear} alphas, {interlaced=}", content, expected)


def pnm() -> Variants:
    """Portable maps of any highest level, as text and as bytes."""
    for chosen in itertools.product((1, 3, 100, 255, 256, 1023, 4095, 65535), (1, 3), (True, False)):
        yield partial(_pnm, *chosen)


def _pnm(highest, samples, text) -> Variant:
    values = levels(samples, highest, highest)
    head = f"P{(2 if samples == 1 else 3) + (0 if text else 3)}\n# made\n{SIDE} {SIDE}\n{highest}\n".encode()
    numbers = values.astype(">u2" if highest > 255 else "u1").tobytes()
    body = " ".join(map(str, values.ravel())).encode() + b"\n" if text else numbers
    return Variant(f"PNM highest {highest}, {samples} samples, {text=}", head + body, shown(values / highest))


def masked_bmps() -> Variants:
    """BMPs of 16 and 32 bits with masks that nothing but their header tells."""
    masks = {
        16: [(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0x8000), (0xF00, 0xF0, 0xF, 0xF000),
             (0xF, 0xF0, 0xF00, 0)],
        32: [(0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0x3FF, 0xFFC00, 0x3FF00000, 0xC0000000),
             (0xFF, 0xFF00, 0xFF0000, 0), (0xFF000000, 0xFF0000, 0xFF00, 0xFF)],
    }  # fmt: skip
    for bits, header, downwards in itertools.product((16, 32), (40, 56, 108, 124), (False, True)):
        for chosen in masks[bits]:
            if header > 40 or not chosen[3]:
                yield partial(_masked_bmp, bits, header, downwards, chosen)


def _masked_bmp(bits, header, downwards, masks) -> Variant:
    words = np.random.default_rng(bits).integers(0, 2**bits, (SIDE, SIDE), dtype=np.uint64)
    shares = [(words & mask) / max(mask, 1) for mask in masks]  # what is below the lowest bit of a mask is not in it
    rows = words[:: 1 if downwards else -1].astype(f"<u{bits // 8}").view(np.uint8).reshape(SIDE, -1)
    rows = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
    fields = struct.pack("<IiiHHIIiiII", header, SIDE, -SIDE if downwards else SIDE, 1, bits, 3, 0, 0, 0, 0, 0)
    head = (fields + struct.pack("<4I", *masks)[: 12 if header == 40 else 16]).ljust(max(header, 52), b"\0")
    start = 14 + len(head)
    content = b"BM" + struct.pack("<IHHI", start + rows.size, 0, 0, start) + head + rows.tobytes()
    alpha = shares[3][..., None] if masks[3] else None
    name = f"BMP {bits} bits, header of {header}, {downwards=}, masks {[hex(mask) for mask in masks]}"
    return Variant(name, content, shown(np.stack(shares[:3], axis=-1), alpha), 1.5 if masks[3] else 1)


GROUPS = (tiff_numbers, tiff_palettes, tiff_floats, png_numbers, png_palettes, pnm, masked_bmps)
