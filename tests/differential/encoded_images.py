"""Images written by FFmpeg's and Pillow's encoders, and what FFmpeg shows of them."""

from __future__ import annotations

import io
import itertools
from functools import partial

import av
import numpy as np
from PIL import Image

from tests.differential.images import Variant, Variants

SIDE = 16
_DEMUXERS = {
    "png": "png_pipe", "tiff": "tiff_pipe", "bmp": "bmp_pipe", "ppm": "ppm_pipe", "pgm": "pgm_pipe",
    "pbm": "pbm_pipe", "pcx": "pcx_pipe", "sgi": "sgi_pipe", "qoi": "qoi_pipe", "jpeg2000": "j2k_pipe",
    "mjpeg": "jpeg_pipe", "libwebp": "webp_pipe", "xbm": "xbm_pipe",
}  # fmt: skip
_OPTIONS: dict[str, tuple[dict[str, str], ...]] = {
    "tiff": tuple({"compression_algo": name} for name in ("raw", "packbits", "lzw", "deflate")),
    "png": tuple({"pred": name} for name in ("none", "sub", "paeth", "mixed")),
    "libwebp": ({"lossless": "1"}, {"lossless": "0", "quality": "95"}),
    "jpeg2000": ({"pred": "dwt53"}, {"format": "j2k", "pred": "dwt53"}),
    "mjpeg": ({"qmin": "1", "flags": "+qscale", "global_quality": "118"},),
}
_WITHIN = {"mjpeg": 12.0, "libwebp": 12.0, "jpeg2000": 3.0, "pcx": 2.5, "bmp": 2.5, "sgi": 1.5}
_FEW_BITS = {"rgb565le": 8.0, "rgb555le": 8.0, "rgb444le": 16.0}
"""FFmpeg shifts 5 bits to 8, so that its white is 248."""
_SUBSAMPLED = ("420", "422", "440", "411", "410")
"""Of chroma, which decoders enlarge in ways of their own; TIFF's are held against each other instead."""


def picture() -> np.ndarray:
    """Return smooth RGBA, (SIDE, SIDE, 4) uint16, whose lower bits matter."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    shares = np.stack([x, y, (x + y) / 2, 0.4 + 0.6 * y], axis=-1)
    return np.rint(shares * 65535).astype(np.uint16)


def encoded() -> Variants:
    """Every pixel format of every encoder."""
    for name in _DEMUXERS:
        try:
            codec = av.Codec(name, "w")
        except ValueError:  # this FFmpeg was built without it
            continue
        for form, options in itertools.product(codec.video_formats or (), _OPTIONS.get(name, ({},))):
            subsampled = any(ratio in form.name for ratio in _SUBSAMPLED) and name == "jpeg2000"
            subsampled |= form.name.startswith("yuv") and name == "tiff"
            grey_alpha = name == "jpeg2000" and form.name.startswith("ya")  # OpenJPEG refuses FFmpeg's
            if not subsampled and not grey_alpha and (form.name != "bgra" or name != "bmp") and form.name != "pal8":
                yield partial(_encoded, name, form.name, options)


def subsampled_tiffs() -> Variants:
    """Luma and chroma as they are, against the same compressed, which libtiff decodes."""
    for ratio in ("420", "422", "440", "411", "410", "444"):
        yield partial(_subsampled_tiff, f"yuv{ratio}p")


def _subsampled_tiff(form: str) -> Variant:
    plain, compressed = (_file("tiff", form, {"compression_algo": name}) for name in ("raw", "lzw"))
    with Image.open(io.BytesIO(compressed)) as image:
        return Variant(f"TIFF {form}, not compressed", plain, np.asarray(image.convert("RGB")).astype(float), 3)


def _encoded(name: str, form: str, options: dict[str, str]) -> Variant:
    content = _file(name, form, options)
    within = _FEW_BITS.get(form, _WITHIN.get(name, 1.5))
    return Variant(f"{name} {form} {options}", content, seen(content, _DEMUXERS[name]), within)


def _file(name: str, form: str, options: dict[str, str]) -> bytes:
    frame = av.VideoFrame.from_ndarray(picture(), format="rgba64le").reformat(format=form)
    context = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt, context.time_base = SIDE, SIDE, form, 1
    if name == "mjpeg":
        context.color_range = 2
    context.options = dict(options)
    return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def seen(content: bytes, demuxer: str) -> np.ndarray:
    """Return what FFmpeg shows of an image, on white, (H, W, 3)."""
    with av.open(io.BytesIO(content), format=demuxer) as container:
        frame = next(container.decode(video=0))
    if demuxer == "j2k_pipe" and not frame.format.is_rgb:
        frame.color_range, frame.colorspace = 2, 5  # the format knows no range of television
    pixels = frame.to_ndarray(format="rgba64le") / 65535
    return 255 * (pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:])


GROUPS = (encoded, subsampled_tiffs)
