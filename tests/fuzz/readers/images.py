"""Image files of every format that Pillow both writes and reads."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from mmcli.modalities.image.read import Preprocessor
from tests.differential.packing import DEFLATE, LZW, PACKBITS, tiff
from tests.forms import image_depths
from tests.forms.images import heic
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes, damaged_png

FORMS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "P", {"transparency": 3}), ("PNG", "I;16", {}), ("PNG", "1", {}),
    ("PNG", "LA", {}), ("JPEG", "RGB", {}), ("JPEG", "L", {"progressive": True}), ("JPEG", "CMYK", {}),
    ("GIF", "P", {}), ("GIF", "L", {"save_all": True}), ("BMP", "RGB", {}), ("BMP", "P", {}), ("DIB", "RGB", {}),
    ("TIFF", "RGB", {}), ("TIFF", "RGB", {"compression": "tiff_lzw"}), ("TIFF", "L", {"compression": "jpeg"}),
    ("TIFF", "1", {"compression": "group4"}), ("TIFF", "F", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", "I;16", {"compression": "packbits"}), ("WEBP", "RGBA", {"lossless": True}), ("WEBP", "RGB", {}),
    ("ICO", "RGBA", {"sizes": [(16, 16)]}), ("ICNS", "RGBA", {}), ("PPM", "RGB", {}), ("PPM", "1", {}),
    ("TGA", "RGB", {"rle": True}), ("PCX", "P", {}), ("SGI", "RGB", {}), ("DDS", "RGBA", {}), ("JPEG2000", "RGB", {}),
    ("JPEG2000", "LA", {"irreversible": True}), ("IM", "RGB", {}), ("MSP", "1", {}), ("XBM", "1", {}),
    ("SPIDER", "F", {}), ("AVIF", "RGB", {}), ("QOI", "RGB", {}), ("BLP", "P", {}), ("MPO", "RGB", {"save_all": True}),
)  # fmt: skip
_EXIF = {0x0112: 6, 0x010E: "told"}


def make(folder: Path) -> Reader:
    """A small picture in each format and mode."""
    files = {}
    for number, (name, mode, options) in enumerate(FORMS):
        content = _encode(name, mode, options)
        if content is not None:
            files[f"{name} {mode} {number}"] = content
    files |= _packed()
    readers = [Preprocessor(("a",), size=16, resize=resize, max_pixels=4_000_000) for resize in ("crop", "pad")]
    for name, content in files.items():
        if name.split()[0] not in ("SPIDER",):
            readers[0].decode(content)

    def read(case: Case) -> None:
        with refused():
            readers[1].decode(case.content)
        image = readers[0].decode(case.content)[""]
        assert image.shape == (3, 16, 16)

    return Reader(_cases(files), read, memory=384 * 2**20)


def _packed() -> dict[str, bytes]:
    """What is unpacked here and not by Pillow, and what FFmpeg and libheif decode."""
    levels = np.random.default_rng(0).integers(0, 64, (16, 16, 3))
    files = {
        f"TIFF {bits} {compression} {apart}": tiff(levels, bits, photometric=2, compression=compression, apart=apart,
                                                   rows=5, big=bits == 16)
        for bits, compression, apart in ((12, 1, False), (16, LZW, True), (10, DEFLATE, False), (16, PACKBITS, False))
    }  # fmt: skip
    files |= {
        "TIFF tiles": tiff(levels, 16, photometric=2, extra=(), tile=16, compression=DEFLATE, predictor=2),
        "TIFF float": tiff(levels / 64, 32, kind=3, photometric=2, compression=DEFLATE, predictor=3),
        "TIFF palette": tiff(levels[..., :1] % 16, 4, photometric=3, colour_map=np.arange(48) * 1000),
        "HEIC": heic(),
    }
    return files | {form.name: form.content() for form in image_depths.FORMS}


def _encode(name: str, mode: str, options: dict[str, Any]) -> bytes | None:
    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 3), np.uint8)
    pixels[:, :8] = 200
    image = Image.fromarray(pixels)
    image = image.convert("L").convert(mode) if mode in ("I;16", "F") else image.convert(mode)
    if options.get("save_all"):
        options = {**options, "append_images": [image.rotate(90), image.rotate(180)]}
    if name in ("JPEG", "PNG", "WEBP", "TIFF"):
        exif = Image.Exif()
        exif.update(_EXIF)
        options = {**options, "exif": exif}
    stream = io.BytesIO()
    try:
        image.save(stream, name, **options)
    except (KeyError, OSError):  # this Pillow was built without it
        return None
    return stream.getvalue()


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    other = files[draw(st.sampled_from(sorted(files)))]
    how = draw(st.integers(0, 40))
    if how == 0:
        return Case("bytes", draw(st.binary(max_size=200)))
    return Case(name, draw(damaged_png(files[name]) if name.startswith("PNG") else damaged_bytes(files[name], other)))
