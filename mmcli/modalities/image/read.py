"""Reads image files into RGB bytes of one size, whatever their format, mode and orientation."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.files import read_cell
from mmcli.modalities.image._missing_pixels import open_ended_jpeg, png_is_short
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

if TYPE_CHECKING:
    from PIL.Image import Image

# EPS is a program that an interpreter would run; the others hand over to programs or libraries outside.
_NOT_DECODED = frozenset({"EPS", "WMF", "GRIB", "BUFR", "HDF5", "FITS", "MPEG"})
_SIGNATURES = {
    "JPEG": (0, b"\xff\xd8\xff"), "PNG": (0, b"\x89PNG"), "GIF": (0, b"GIF8"), "TIFF": (0, b"II*\0"),
    "ICO": (0, b"\0\0\1\0"), "WebP": (8, b"WEBP"), "AVIF": (4, b"ftypavi"),
}  # fmt: skip
_ORIENTATION = 0x0112
_JPEG_REDUCTION = 2  # a JPEG is decoded at no less than this many times the size it is resized to


class Preprocessor:
    """RGB images of one size, (C, H, W) uint8.

    Args:
        columns: The column whose cells name image files.
        size: Height and width of the result, in pixels.
        resize: ``crop`` scales the shorter side to ``size`` and keeps the centre, ``pad`` scales the longer side
            and fills with the background, ``stretch`` scales both.
        background: What is behind transparent pixels and beside padded images: a colour name or ``#rrggbb``.
        max_pixels: Images of more pixels are skipped before any is decoded.

    Raises:
        MmcliError: The size or the limit is not positive, or the background is no colour.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    threaded: ClassVar[bool] = True

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        size: int = 224,
        resize: Literal["crop", "pad", "stretch"] = "crop",
        background: str = "white",
        max_pixels: int = 178_956_970,
    ) -> None:
        from PIL import ImageColor

        if size < 1 or max_pixels < 1:
            raise MmcliError(f"image size {size} and --max-pixels {max_pixels} must be at least 1")
        try:
            self._fill = ImageColor.getrgb(background)[:3]
        except ValueError:
            raise MmcliError(f"--background {background!r}: expected a colour name or #rrggbb") from None
        self.columns = columns
        self.size = size
        self.resize = resize
        self.background = background
        self.max_pixels = max_pixels

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the file's bytes; None where the cell is empty."""
        return read_cell(row, self.columns[0], media)

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the image as (3, H, W) uint8.

        Raises:
            UnusableError: ``corrupt`` where pixels are missing or damaged, ``skipped`` where there are too many.
        """
        from PIL import Image

        formats = _prepare(self.max_pixels)
        name = next((name for name, (at, sign) in _SIGNATURES.items() if content.startswith(sign, at)), None)
        try:
            image: Image.Image = Image.open(io.BytesIO(open_ended_jpeg(content)), formats=formats)
            if image.width * image.height > self.max_pixels:
                raise self._too_large()
            name = image.format or name
            self._draft(image)
            image.load()
            if name == "PNG" and _may_be_short(image) and png_is_short(content):
                raise UnusableError("corrupt", "truncated PNG")
            fitted = _flatten(self._fit(_turn(_to_colour(image), image)), self._fill)
        except UnusableError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise self._too_large() from None
        except Exception as error:  # a decoder given damaged bytes fails in any way
            raise UnusableError("corrupt", _reason(name, error)) from None
        return {"": np.ascontiguousarray(np.asarray(fitted).transpose(2, 0, 1))}

    def _too_large(self) -> UnusableError:
        return UnusableError("skipped", f"more pixels than --max-pixels {self.max_pixels}")

    def _draft(self, image: Image) -> None:
        """Let the JPEG decoder leave out resolution that resizing would throw away."""
        side = max(image.size) if self.resize == "pad" else min(image.size)
        scale = _JPEG_REDUCTION * self.size / side
        if scale < 1:
            image.draft(None, (int(image.width * scale + 0.999), int(image.height * scale + 0.999)))

    def _fit(self, image: Image) -> Image:
        from PIL import Image as pil

        size, (width, height) = self.size, image.size
        if (width, height) == (size, size):
            return image
        if self.resize == "pad":
            scale = size / max(width, height)
            inner = (max(1, round(width * scale)), max(1, round(height * scale)))
            padded = pil.new(image.mode, (size, size), (*self._fill, 255)[: len(image.mode)])
            small = image.resize(inner, pil.Resampling.BICUBIC, reducing_gap=3.0)
            padded.paste(small, ((size - inner[0]) // 2, (size - inner[1]) // 2))
            return padded
        box = (0.0, 0.0, float(width), float(height))
        if self.resize == "crop":
            side = min(width, height)
            left, top = (width - side) / 2, (height - side) / 2
            box = (left, top, left + side, top + side)
        return image.resize((size, size), pil.Resampling.BICUBIC, box=box, reducing_gap=3.0)

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn nothing."""

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the image."""
        return {"": FieldSpec("dense", "uint8", (3, self.size, self.size), "CHW")}

    def facts(self) -> dict[str, Any]:
        """Return ``size`` as [H, W]."""
        return {"size": [self.size, self.size]}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "columns": list(self.columns), "size": self.size, "resize": self.resize,
            "background": self.background, "max_pixels": self.max_pixels,
        }  # fmt: skip

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Take over nothing."""


@cache
def _prepare(max_pixels: int) -> tuple[str, ...]:
    """Load Pillow's decoders, raise its own limit to this one, and return the formats to accept."""
    from PIL import Image

    Image.init()
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)  # never lower: other threads may need it
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters of it is in the ledger
    return tuple(name for name in Image.ID if name not in _NOT_DECODED)


def _may_be_short(image: Image) -> bool:
    """Tell whether a decoded PNG looks as one that ended early: its last row black or, interlaced, in any case."""
    last = image.crop((0, image.height - 1, image.width, image.height))
    return bool(image.info.get("interlace")) or not last.tobytes().strip(b"\0")


def _to_colour(image: Image) -> Image:
    """Return the image in RGB, or in RGBA where it has transparency."""
    if image.mode == "F" or image.mode.startswith("I"):
        image = _to_bytes(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _flatten(image: Image, background: tuple[int, ...]) -> Image:
    """Return an RGBA image in RGB on the background."""
    from PIL import Image as pil

    if image.mode == "RGB":
        return image
    canvas = pil.new("RGBA", image.size, (*background, 255))
    return pil.alpha_composite(canvas, image).convert("RGB")


def _to_bytes(image: Image) -> Image:
    """Scale grey levels to 8 bits: of 16 bits, or float from 0 to 1 or to 255."""
    from PIL import Image as pil

    values = np.asarray(image).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(values).all():
        raise UnusableError("corrupt", "NaN or infinite pixels")
    limit = 65535.0 if image.mode != "F" else 1.0 if high <= 1 else 255.0
    if low < 0 or high > limit:
        raise UnusableError("skipped", f"grey levels from {low:g} to {high:g}, expected 0 to {limit:g}")
    grey = pil.fromarray((values * (255 / limit) + 0.5).astype(np.uint8))
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(pil.fromarray(np.where(values == transparent, 0, 255).astype(np.uint8)))
    return grey


def _turn(image: Image, source: Image) -> Image:
    """Turn an image as the EXIF data of its source say; damaged EXIF data say nothing."""
    from PIL.Image import Transpose as Turn

    try:
        orientation = source.getexif().get(_ORIENTATION)
    except (struct.error, ValueError, KeyError, TypeError, SyntaxError, OSError, OverflowError):
        return image
    turns = {
        2: Turn.FLIP_LEFT_RIGHT, 3: Turn.ROTATE_180, 4: Turn.FLIP_TOP_BOTTOM, 5: Turn.TRANSPOSE,
        6: Turn.ROTATE_270, 7: Turn.TRANSVERSE, 8: Turn.ROTATE_90,
    }  # fmt: skip
    turn = turns.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _reason(name: str | None, error: Exception) -> str:
    if name is None:
        return "not an image"
    return f"{'truncated' if 'truncated' in str(error).lower() else 'damaged'} {name}"
