"""Image formats: which are decoded, by which decoder, and what is reported for the others."""

from __future__ import annotations

import warnings
from functools import cache

from mmcli.errors import UnusableError
from mmcli.modalities.image._tiff import refusal

# EPS is a program to be interpreted; the others call external programs or libraries.
_NOT_DECODED = frozenset({"EPS", "WMF", "GRIB", "BUFR", "HDF5", "FITS", "MPEG"})
_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG", "PNG"), (0, b"GIF8", "GIF"), (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"), (0, b"II+\0", "TIFF"), (0, b"MM\0+", "TIFF"),
    (0, b"\0\0\1\0", "ICO"), (8, b"WEBP", "WebP"), (4, b"ftypavi", "AVIF"), (4, b"jP  ", "JPEG2000"),
    (0, b"qoif", "QOI"),
)  # fmt: skip
_HEIC, HEIF = "HEIC", "HEIF"
_NOT_READ = (
    (4, b"ftyphei", _HEIC), (4, b"ftyphev", _HEIC), (4, b"ftypmif", _HEIC), (4, b"ftypmsf", _HEIC),
    (0, b"<svg", "SVG"), (0, b"%PDF", "PDF"), (0, b"P7\n", "PAM"), (0, b"PF\n", "PFM"), (0, b"v/1\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"), (0, b"\xff\x0a", "JPEG XL"), (4, b"JXL ", "JPEG XL"),
)  # fmt: skip
_RARE = ", or one of a rare kind"


def format_of(content: bytes) -> str | None:
    """Return the format by the first bytes; None if it is not a common one."""
    return next((name for at, sign, name in _SIGNATURES if content.startswith(sign, at)), None)


def is_heic(content: bytes) -> bool:
    """Return whether a file is HEIC or of its family, which Pillow cannot read by itself."""
    return _foreign(content) == _HEIC


@cache
def decoders(max_pixels: int) -> tuple[str, ...]:
    """Load Pillow's decoders, raise its own pixel limit to this one, and return the formats to accept."""
    from PIL import Image

    Image.init()
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS or 0, max_pixels)  # never lower: other threads may need it
    warnings.filterwarnings("ignore", module=r"PIL\.")  # what matters is in the ledger
    _quiet_libtiff()
    return tuple(name for name in Image.ID if name not in _NOT_DECODED)


def _foreign(content: bytes) -> str | None:
    """Return the name of a format that Pillow cannot read by itself, by the file's first bytes."""
    return next((name for at, sign, name in _NOT_READ if content.startswith(sign, at)), None)


@cache
def heic_is_read() -> bool:
    """Register the HEIC decoder with Pillow; return whether its package is installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


def _quiet_libtiff() -> None:
    """Keep libtiff, which Pillow uses, from writing to standard error."""
    import ctypes

    from PIL import _imaging

    try:
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetErrorHandlerExt"):
            set_handler = getattr(library, name)
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)
    except (OSError, AttributeError):
        return  # libtiff inside this Pillow is out of reach: its output is harmless


def problem_of(content: bytes, name: str | None, error: Exception) -> UnusableError:
    """Return why an image cannot be decoded, as far as the decoder knows."""
    from PIL import UnidentifiedImageError

    if name is None:
        other = _foreign(content)
        if other == _HEIC and not heic_is_read():
            return UnusableError("skipped", "HEIC needs a package: pip install 'mmcli[heic]', or convert it to JPEG")
        if other == _HEIC:
            return UnusableError("corrupt", f"damaged or truncated HEIC{_RARE}")
        if other is not None:
            return UnusableError("skipped", f"{other} cannot be read: convert it to PNG or JPEG")
        return UnusableError("corrupt", "not an image")
    if isinstance(error, UnidentifiedImageError):
        refused = refusal(content) if name == "TIFF" else None
        if refused is not None:
            return UnusableError("skipped", refused)
        return UnusableError("corrupt", f"damaged or truncated {name}{_RARE}")
    truncated = "truncated" in str(error).lower()
    return UnusableError("corrupt", f"{'truncated' if truncated else 'damaged or truncated'} {name}")
