"""Reads image files of any format, mode and orientation into RGB bytes of one size."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.files import read_cell
from mmcli.modalities.image._bmp import masked_bmp, read_masked_bmp
from mmcli.modalities.image._colour import to_colour
from mmcli.modalities.image._colour_space import ColourSpace, nclx_space
from mmcli.modalities.image._formats import HEIF, decoders, format_of, heic_is_read, is_heic, problem_of
from mmcli.modalities.image._missing_pixels import jpeg_scans, open_ended_jpeg, png_is_changed, png_is_short
from mmcli.modalities.image._png import colour_space, show_key
from mmcli.modalities.image._second_decoder import decoded_by_ffmpeg, is_deep
from mmcli.modalities.image._tiff import read_tiff, tiff_layout
from mmcli.modalities.image._tiff_ycbcr import plain_ycbcr, read_ycbcr, size_of
from mmcli.modalities.notices import notice
from mmcli.modalities.pictures import Resize, background_colour, fit, flatten
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112
_MOST_SCANS = 100  # progressive JPEGs have about ten
_JPEG_REDUCTION = 2  # a JPEG is decoded at no less than this many times the target size


class Preprocessor:
    """sRGB images of one size, (C, H, W) uint8.

    Args:
        columns: The column whose cells name image files.
        size: Height and width of the result in pixels.
        resize: ``crop`` scales the shorter side to ``size`` and keeps the centre, ``pad`` scales the longer side
            and fills with the background, ``stretch`` scales both.
        background: Colour behind transparent pixels and around padded images: a name or ``#rrggbb``.
        max_pixels: Images with more pixels are skipped before decoding.

    Raises:
        MmcliError: The size or the limit is not positive, or the background is not a colour.
    """

    version: ClassVar[int] = 3
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
        """Return the file's bytes; None if the cell is empty."""
        return read_cell(row, self.columns[0], media)

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the image as (3, H, W) uint8.

        Raises:
            UnusableError: ``corrupt`` if pixels are missing or damaged, ``skipped`` if there are too many.
        """
        from PIL import Image as pil

        formats = decoders(self.max_pixels)
        name = format_of(content)
        if is_heic(content) and heic_is_read():
            formats = (*formats, HEIF)
        if name == "JPEG" and jpeg_scans(content) > _MOST_SCANS:
            raise UnusableError("skipped", f"a JPEG of more than {_MOST_SCANS} scans")
        try:
            image = self._unpacked(content, name)
            if image is None:
                image = pil.open(io.BytesIO(open_ended_jpeg(content)), formats=formats)
                name = image.format or name
                image = self._loaded(image, content)
            space = _named_space(image, content, name)
            if space is None:
                coloured = to_colour(image, image.info.get("icc_profile") or b"")
            else:
                coloured = to_colour(image, space.profile or b"", of_colours=True)
            upright = _turn(coloured, image)
            fitted = flatten(fit(upright, self.size, self.resize, self._fill), self._fill)
        except UnusableError:
            raise
        except (pil.DecompressionBombError, pil.DecompressionBombWarning):
            raise self._too_large() from None
        except Exception as error:  # a decoder given damaged bytes fails in any way
            raise problem_of(content, name, error) from None
        return {"": np.ascontiguousarray(np.asarray(fitted).transpose(2, 0, 1))}

    def _unpacked(self, content: bytes, name: str | None) -> Image | None:
        """Read a TIFF or BMP that Pillow would reject or read wrongly; return None for others."""
        if name == "BMP" and (masked := masked_bmp(content)) is not None:
            self._check_size(masked[0])
            return read_masked_bmp(content, *masked)
        if name != "TIFF":
            return None
        try:
            tags, layout = plain_ycbcr(content), tiff_layout(content)
        except Exception:  # damaged bytes raise anything; Pillow may know more
            return None
        if tags is not None:
            self._check_size(size_of(tags))
            return read_ycbcr(content, tags)
        if layout is None or layout.is_plain:
            return None
        self._check_size(layout.size)
        return read_tiff(content, layout)

    def _loaded(self, image: Image, content: bytes) -> Image:
        """Decode the pixels of an open image."""
        self._check_size(image.size)
        self._draft(image)
        try:
            image.load()
        except OSError:
            if image.format != "SGI":
                raise
            return decoded_by_ffmpeg(image, content)
        self._check_size(image.size)  # icons may hold images of other sizes than stated
        if image.format == "PNG":
            _check_png(image, content)
            return show_key(image, content)
        if image.format == "JPEG2000" and is_deep(content):
            return decoded_by_ffmpeg(image, content)
        return _inverted(image) if image.format == "XBM" else image

    def _check_size(self, size: tuple[int, int]) -> None:
        if abs(size[0] * size[1]) > self.max_pixels:
            raise self._too_large()

    def _too_large(self) -> UnusableError:
        return UnusableError("skipped", f"more than {self.max_pixels} pixels: --max-pixels")

    def _draft(self, image: Image) -> None:
        """Let the JPEG decoder skip resolution that resizing would discard."""
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
        """Do nothing."""


def _check_png(image: Image, content: bytes) -> None:
    """Reject a PNG whose decoded pixels are incomplete or fail their checksum."""
    if png_is_changed(content):
        raise UnusableError("corrupt", "damaged PNG: wrong checksum")
    last = image.crop((0, image.height - 1, image.width, image.height))
    # A truncated PNG has a black last row, or is interlaced.
    if (image.info.get("interlace") or not last.tobytes().strip(b"\0")) and png_is_short(content):
        raise UnusableError("corrupt", "truncated PNG")


def _inverted(image: Image) -> Image:
    """Invert a 1-bit image whose ones are black."""
    from PIL import ImageChops

    return ImageChops.invert(image.convert("L"))


def _named_space(image: Image, content: bytes, name: str | None) -> ColourSpace | None:
    """Return the colour space that an image gives by other means than an ICC profile, if any."""
    space: ColourSpace | None = None
    if name == "PNG":
        space = colour_space(content)
    elif name in ("AVIF", HEIF) and not image.info.get("icc_profile"):
        space = nclx_space(content)
    if space is not None and space.dynamic_range:
        notice(f"{space.dynamic_range} (high dynamic range) is shown as if it were sRGB")
    return space


def _turn(image: Image, source: Image) -> Image:
    """Rotate an image according to the EXIF data of its source; damaged EXIF data are ignored."""
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
