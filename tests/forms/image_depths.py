"""Images of more and of fewer bits than 8, of other colours than sRGB's, and with levels that are transparent."""

from __future__ import annotations

import struct

import av
import numpy as np
from PIL import Image

from tests.differential.packing import packed_png, tiff
from tests.forms.images import AS_SRGB, GREYS, LINEAR, RGB, grey, ok, shows
from tests.forms.pictures import COLOURS, SIZE, WHITE, chunk, encode, from_linear, png, profile, quarters

GREY_100 = round(float(from_linear(100)))
FOUR = grey(0, 85, 170, 255)


def keyed_png(bits: int, values, key: tuple[int, ...]) -> bytes:
    """A PNG of four levels or colours, one of which is transparent."""
    before = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    return packed_png(quarters(values, np.uint16), bits, 2 if len(key) == 3 else 0, before=before)


def packed(values, bits: int, dtype=np.uint16, **options) -> bytes:
    pixels = quarters(values, dtype)
    return tiff(pixels if pixels.ndim == 3 else pixels[..., None], bits, **options)


def wide(colours) -> list[tuple[int, ...]]:
    return [tuple(level * 257 for level in colour) for colour in colours]


def masked_bmp() -> bytes:
    words = quarters([0xF00, 0x0F0, 0x00F, 0xFF0], "<u2")[::-1]
    fields = struct.pack("<IiiHHIIiiII3I", 40, SIZE, SIZE, 1, 16, 3, 0, 0, 0, 0, 0, 0xF00, 0xF0, 0xF)
    return b"BM" + struct.pack("<IHHI", 66 + words.size * 2, 0, 0, 66) + fields + words.tobytes()


def deep_jpeg2000() -> bytes:
    frame = av.VideoFrame.from_ndarray(RGB.astype(np.uint16) * 257, format="rgb48le")
    context = av.CodecContext.create("jpeg2000", "w")
    context.width, context.height, context.pix_fmt, context.time_base = SIZE, SIZE, "rgb48le", 1
    context.options = {"pred": "dwt53"}
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def misnamed() -> bytes:
    return encode(LINEAR, "PNG", icc_profile=profile().replace(b"linear\0", b"a sRGB\0"))


def grey_profile_and_alpha() -> bytes:
    return encode(quarters([(100, 255), (100, 0)] * 2), "PNG", icc_profile=profile(b"GRAY"))


def of_gamma_1() -> bytes:
    rows = [row.tobytes() for row in LINEAR]
    return png(rows, SIZE, SIZE, 8, 2, before=chunk(b"gAMA", (100_000).to_bytes(4, "big")))


def xbm() -> bytes:
    return encode(Image.fromarray(quarters([255, 0, 0, 255])).convert("1"), "XBM")


SCALED = "scaled to 8 bits"
FORMS = [
    ok("PNG, 1 bit, one level transparent", lambda: keyed_png(1, [[0], [1], [0], [1]], (0,)),
       shows(*grey(255, 255, 255, 255)), means="on white"),
    ok("PNG, 2 bits, one level transparent", lambda: keyed_png(2, [[0], [1], [2], [3]], (2,)),
       shows(*grey(0, 85, 255, 255)), means="on white"),
    ok("PNG, 4 bits, one level transparent", lambda: keyed_png(4, [[0], [1], [2], [3]], (1,)),
       shows(*grey(0, 255, 34, 51)), means="on white"),
    ok("PNG, 16 bit grey, one level transparent", lambda: keyed_png(16, [[257], [256], [0], [65535]], (257,)),
       shows(*grey(255, 1, 0, 255)), means="on white, matched at 16 bits"),
    ok("PNG, 16 bit RGB, one colour transparent",
       lambda: keyed_png(16, [[0] * 3, [514, 514, 514], [514, 514, 515], [0] * 3], (514, 514, 515)),
       shows(*grey(0, 2), WHITE, *grey(0)), means="on white, matched at 16 bits"),
    ok("TIFF, 2 bits", lambda: packed([0, 1, 2, 3], 2), shows(*FOUR), means=SCALED),
    ok("TIFF, 12 bits", lambda: packed([0, 1365, 2730, 4095], 12), shows(*FOUR), means=SCALED),
    ok("TIFF, 12 bits, reversed bit order", lambda: packed([0, 1365, 2730, 4095], 12, reverse=True), shows(*FOUR),
       means=SCALED),
    ok("TIFF, 10 bit RGB", lambda: packed(np.array(COLOURS) // 255 * 1023, 10, photometric=2), means=SCALED),
    ok("TIFF, 16 bits, white is 0", lambda: packed([65535, 43690, 21845, 0], 16, photometric=0), shows(*FOUR),
       means=SCALED),
    ok("TIFF, 12 bits, white is 0", lambda: packed([4095, 2730, 1365, 0], 12, photometric=0), shows(*FOUR),
       means=SCALED),
    ok("TIFF, 32 bits", lambda: packed([0, 2**32 // 3, 2**32 // 3 * 2, 2**32 - 1], 32, np.uint32), shows(*FOUR),
       means=SCALED),
    ok("TIFF, signed 16 bits", lambda: packed([0, 10922, 21845, 32767], 16, kind=2), shows(*FOUR),
       means="the largest value is white"),
    ok("TIFF, 16 bit RGB and alpha", lambda: packed(wide([*((*c, 255) for c in COLOURS[:3]), (0, 0, 0, 51)]), 16,
       photometric=2, extra=(2,)), shows(*COLOURS[:3], (204, 204, 204)), means="on white"),
    ok("TIFF, 16 bit RGB premultiplied", lambda: packed(wide([*((*c, 255) for c in COLOURS[:3]), (51, 0, 0, 51)]),
       16, photometric=2, extra=(1,)), shows(*COLOURS[:3], (255, 204, 204)), means="on white"),
    ok("TIFF, 16 bits, planar, big-endian BigTIFF", lambda: packed(wide(COLOURS), 16, photometric=2, apart=True,
       order=">", big=True), means=SCALED),
    ok("TIFF, palette of 8-bit instead of 16-bit colours", lambda: packed([0, 1, 2, 3], 2, photometric=3,
       colour_map=np.array(COLOURS).T.ravel())),
    ok("TIFF, float from 0 to slightly above 1", lambda: packed([0, 0.5, 1.0002, 0.25], 32, float, kind=3),
       shows(*grey(0, 128, 255, 64)), means="scaled to 8 bits, clipped"),
    ok("TIFF, 64 bit float from 0 to 255", lambda: packed(GREYS, 64, float, kind=3), shows(*grey(*GREYS))),
    ok("TIFF, 16 bit float", lambda: packed([0, 0.5, 1, 0.25], 16, float, kind=3), shows(*grey(0, 128, 255, 64))),
    ok("BMP, 16 bits with 4-bit masks", masked_bmp),
    ok("JPEG 2000, 16 bit RGB", deep_jpeg2000, means=SCALED),
    ok("XBM", xbm, shows(*grey(0, 255, 255, 0)), means="1 is black"),
    ok("colour profile named sRGB that is not sRGB", misnamed, shows(*AS_SRGB), means="converted to sRGB"),
    ok("colour profile, grey, on grey and alpha", grey_profile_and_alpha, shows(*[(GREY_100,) * 3, WHITE] * 2),
       means="converted to sRGB, on white"),
    ok("PNG with gamma 1", of_gamma_1, shows(*AS_SRGB), means="converted to sRGB"),
]  # fmt: skip
