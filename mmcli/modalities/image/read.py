"""Reads image files into RGB bytes of one size, whatever their format, mode and orientation."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.files import read_cell
from mmcli.modalities.image._colour import to_colour
from mmcli.modalities.image._missing_pixels import jpeg_scans, open_ended_jpeg, png_is_changed, png_is_short
from mmcli.modalities.pictures import Resize, background_colour, fit, flatten
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

if TYPE_CHECKING:
    from PIL.Image import Image

# EPS is a program that an interpreter would run; the others hand over to programs or libraries outside.
_NOT_DECODED = frozenset({"EPS", "WMF", "GRIB", "BUFR", "HDF5", "FITS", "MPEG"})
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG", "PNG"), (0, b"GIF8", "GIF"), (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"), (0, b"II+\0", "TIFF"), (0, b"\0\0\1\0", "ICO"),
    (8, b"WEBP", "WebP"), (4, b"ftypavi", "AVIF"), (4, b"jP  ", "JPEG2000"), (0, b"qoif", "QOI"),
)  # fmt: skip
_NOT_READ = (
    (4, b"ftyphei", "HEIC"), (4, b"ftyphev", "HEIC"), (4, b"ftypmif", "HEIC"), (0, b"<svg", "SVG"), (0, b"%PDF", "PDF"),
)  # fmt: skip
_ORIENTATION = 0x0112
_MOST_SCANS = 100  # progressive JPEGs have about ten
_JPEG_REDUCTION = 2  # a JPEG is decoded at no less than this many times the size it is resized to


class Preprocessor:
    """RGB images of one size, (C, H, W) uint8, their colours those of sRGB.

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

    version: ClassVar[int] = 2
    fitted: ClassVar[bool] = False
    threaded: ClassVar[bool] = True

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        size: int = 224,
        resize: Resize = "crop",
        background: str = "white",
        max_pixels: int = 178_956_970,
    ) -> None:
        if size < 1 or max_pixels < 1:
            raise MmcliError(f"image size {size} and --max-pixels {max_pixels} must be at least 1")
        self._fill = background_colour(background)
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
        name = next((name for at, sign, name in _SIGNATURES if content.startswith(sign, at)), None)
        if name == "JPEG" and jpeg_scans(content) > _MOST_SCANS:
            raise UnusableError("skipped", f"a JPEG of more than {_MOST_SCANS} scans")
        try:
            image: Image.Image = Image.open(io.BytesIO(open_ended_jpeg(content)), formats=formats)
            self._check_size(image)
            name = image.format or name
            self._draft(image)
            image.load()
            self._check_size(image)  # icons hold images of other sizes than they say
            if name == "PNG":
                _check_png(image, content)
            upright = _turn(to_colour(image), image)
            fitted = flatten(fit(upright, self.size, self.resize, self._fill), self._fill)
        except UnusableError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise self._too_large() from None
        except Exception as error:  # a decoder given damaged bytes fails in any way
            raise _problem(content, name, error) from None
        return {"": np.ascontiguousarray(np.asarray(fitted).transpose(2, 0, 1))}

    def _check_size(self, image: Image) -> None:
        if image.width * image.height > self.max_pixels:
            raise self._too_large()

    def _too_large(self) -> UnusableError:
        return UnusableError("skipped", f"more than {self.max_pixels} pixels: --max-pixels")

    def _draft(self, image: Image) -> None:
        """Let the JPEG decoder leave out resolution that resizing would throw away."""
        side = max(image.size) if self.resize == "pad" else min(image.size)
        scale = _JPEG_REDUCTION * self.size / side
        if scale < 1:
            image.draft(None, (int(image.width * scale + 0.999), int(image.height * scale + 0.999)))

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
    _quiet_libtiff()
    return tuple(name for name in Image.ID if name not in _NOT_DECODED)


def _quiet_libtiff() -> None:
    """Stop libtiff, which Pillow decodes by, from writing of its own to standard error."""
    import ctypes

    from PIL import _imaging

    try:
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetErrorHandlerExt"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
    except (OSError, AttributeError):
        return  # a Pillow whose libtiff cannot be reached: its lines are harmless


def _check_png(image: Image, content: bytes) -> None:
    """Refuse a PNG whose pixels, which Pillow has decoded, are not all there or not what they were."""
    if png_is_changed(content):
        raise UnusableError("corrupt", "damaged PNG: wrong checksum")
    last = image.crop((0, image.height - 1, image.width, image.height))
    # One that ended early has a black last row, or is interlaced.
    if (image.info.get("interlace") or not last.tobytes().strip(b"\0")) and png_is_short(content):
        raise UnusableError("corrupt", "truncated PNG")


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


def _problem(content: bytes, name: str | None, error: Exception) -> UnusableError:
    """Say why an image cannot be decoded, as far as the decoder knows."""
    from PIL import UnidentifiedImageError

    if name is None:
        other = next((other for at, sign, other in _NOT_READ if content.startswith(sign, at)), None)
        if other is not None:
            return UnusableError("skipped", f"{other} cannot be read: convert it to PNG or JPEG")
        return UnusableError("corrupt", "not an image")
    if isinstance(error, UnidentifiedImageError):
        return UnusableError("corrupt", f"damaged or truncated {name}, or one of a rare kind")
    truncated = "truncated" in str(error).lower()
    return UnusableError("corrupt", f"{'truncated' if truncated else 'damaged or truncated'} {name}")
