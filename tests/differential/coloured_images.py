"""Images whose colours are another space's: by ICC profiles, and by PNG's own chunks."""

from __future__ import annotations

import itertools
import struct
from functools import partial

import numpy as np
from PIL import Image

from tests.differential.images import SIDE, Variant, Variants, shown
from tests.differential.packing import packed_png
from tests.differential.profiles import CURVES, PRIMARIES, in_srgb, profile
from tests.forms.pictures import chunk, encode

_NAMES = ("made for this test", "GIMP built-in Linear sRGB", "sRGB IEC61966-2.1")
_FORMS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True, "exact": True}}


def profiled() -> Variants:
    """Matrix and table profiles, whatever they are called, on every mode of colour."""
    for chosen in itertools.product(PRIMARIES, CURVES, _NAMES, _FORMS, ("RGB", "RGBA", "P"), (False, True)):
        # Tables of version 4 have a black point of their own, and WebP has no palettes.
        if not (chosen[5] and chosen[1].startswith("parameters")) and not (chosen[3] == "WEBP" and chosen[4] == "P"):
            yield partial(_profiled, *chosen)


def _pixels(samples: int, lowest: int = 20) -> np.ndarray:
    return np.random.default_rng(samples).integers(lowest, 256, (SIDE, SIDE, samples), dtype=np.uint8)


def _profiled(primaries, curve, name, form, mode, table) -> Variant:
    icc = profile(primaries, curve, name, table=table)
    pixels, alpha = _pixels(3), None
    if mode == "P":
        pixels = pixels[:, :1].repeat(SIDE, 1)
        image = Image.fromarray(pixels).quantize(SIDE, dither=Image.Dither.NONE)
        pixels = np.asarray(image.convert("RGB"))
    elif mode == "RGBA":
        alpha = _pixels(1, 0)
        image = Image.fromarray(np.concatenate([pixels, alpha], axis=2))
    else:
        image = Image.fromarray(pixels)
    content = encode(image, form, icc_profile=icc, **_FORMS[form])
    expected = shown(in_srgb(primaries, curve, pixels / 255), None if alpha is None else alpha / 255)
    within = 4 if table else 2.5  # a table holds no negative number, as Display P3's has one
    return Variant(f"{form} {mode}, {primaries}, {curve}, {name!r}, {table=}", content, expected, within)


def grey_profiled() -> Variants:
    """Grey profiles, on pictures with and without alpha, of 8 and 16 bits."""
    for chosen in itertools.product(CURVES, ("L", "LA", "I;16", "1"), ("PNG", "TIFF"), _NAMES):
        yield partial(_grey_profiled, *chosen)


def _grey_profiled(curve, mode, form, name) -> Variant:
    icc = profile("sRGB", curve, name, space=b"GRAY")
    pixels, alpha = _pixels(1), None
    if mode == "LA":
        alpha = _pixels(2, 0)[..., 1:]
        image = Image.fromarray(np.concatenate([pixels, alpha], axis=2))
    elif mode == "I;16":
        image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
    elif mode == "1":
        pixels = np.where(pixels > 128, 255, 0).astype(np.uint8)
        image = Image.fromarray(pixels[..., 0]).convert("1")
    else:
        image = Image.fromarray(pixels[..., 0])
    grey = in_srgb("sRGB", curve, np.repeat(pixels, 3, axis=2) / 255)
    expected = shown(grey, None if alpha is None else alpha / 255)
    return Variant(f"{form} {mode}, grey {curve}, {name!r}", encode(image, form, icc_profile=icc), expected, 2.5)


def png_chunks() -> Variants:
    """PNGs that say their gamma, their chromaticities, that they are sRGB, or a code point."""
    points = {
        "none": ("sRGB", b""),
        "sRGB": ("sRGB", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
        "Adobe": ("Adobe RGB", struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)),
        "P3": ("Display P3", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
    }
    gammas = {45455: "parameters sRGB", 100000: "linear", 55556: "gamma 1.8", 41667: "parameters 2.4"}
    for (place, (primaries, body)), (gamma, curve), standard, colour in itertools.product(
        points.items(), gammas.items(), (False, True), (0, 2)
    ):
        before = chunk(b"gAMA", struct.pack(">I", gamma)) + (chunk(b"cHRM", body) if body else b"")
        before += chunk(b"sRGB", b"\0") if standard else b""
        name = f"PNG gAMA {gamma}, cHRM {place}, {standard=}, type {colour}"
        space = ("sRGB", "parameters sRGB") if standard else (primaries, curve)
        yield partial(_chunked, name, before, *space, colour)
    codes = {
        (1, 13): ("sRGB", "parameters sRGB"), (12, 13): ("Display P3", "parameters sRGB"), (1, 8): ("sRGB", "linear"),
        (2, 2): ("sRGB", "parameters sRGB"), (12, 4): ("Display P3", "gamma 2.2"), (1, 1): ("sRGB", "table sRGB"),
    }  # fmt: skip
    for code, space in codes.items():
        before = chunk(b"cICP", bytes((*code, 0, 1))) + chunk(b"sRGB", b"\0") + chunk(b"gAMA", struct.pack(">I", 30000))
        yield partial(_chunked, f"PNG cICP {code}", before, *space, 2)


def _chunked(name, before, primaries, curve, colour) -> Variant:
    pixels = _pixels(3 if colour else 1)
    content = packed_png(pixels, 8, colour, before=before)
    return Variant(name, content, shown(in_srgb(primaries, curve, np.broadcast_to(pixels / 255, (SIDE, SIDE, 3)))), 2.5)


GROUPS = (profiled, grey_profiled, png_chunks)
