"""Forms that an image file may take, and damage done to it."""

from __future__ import annotations

import io

import numpy as np
import tifffile
from PIL import Image

from tests.forms import pictures
from tests.forms.form import Form
from tests.forms.pictures import COLOURS, SIZE, WHITE, encode, from_linear, profile, quarters

OPTIONS = {"image_size": SIZE}
RGB = quarters(COLOURS)
LOSSY = 12
"""How far from its colour a pixel in the middle of a quarter may be where a format is lossy."""
GREYS = (0, 100, 200, 255)


def shows(*colours, within=0):
    """The quarters are of these colours; of lossy formats, in their middle."""

    def right(values):
        expected = quarters(colours).transpose(2, 0, 1).astype(int)
        away = np.abs(values[""] - expected)
        middle = np.abs(np.arange(SIZE) % (SIZE // 2) - (SIZE // 2 - 1) / 2) < SIZE // 8
        assert away[:, middle][:, :, middle].max() <= within if within else (away == 0).all()

    return right


def ok(name, content, right=None, suffix="", means="", **options) -> Form:
    return Form(name, content, suffix, right=right or shows(*COLOURS), means=means, options={**OPTIONS, **options})


def lossy(name, content, right=None, suffix="", means="") -> Form:
    return ok(name, content, right or shows(*COLOURS, within=LOSSY), suffix, means)


def bad(name, content, reason, status="corrupt", suffix="", **options) -> Form:
    return Form(name, content, suffix, status, reason, options={**OPTIONS, **options})


def grey(*levels):
    return [(level, level, level) for level in levels]


def palette(**options) -> bytes:
    image = Image.fromarray(quarters([0, 1, 2, 3])).convert("P")
    image.putdata(quarters([0, 1, 2, 3]).ravel().tolist())
    image.putpalette([level for colour in COLOURS for level in colour])
    return encode(image, **{"form": "PNG", **options})


def cmyk(form: str) -> bytes:
    inks = [(0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 255, 0)]
    return encode(Image.fromarray(quarters(inks), "CMYK"), form)


def frames(form: str, **options) -> bytes:
    others = [Image.new("RGB", (SIZE, SIZE), colour) for colour in ("black", "white")]
    return encode(RGB, form, save_all=True, append_images=others, **options)


def turned(orientation: int, form: str = "JPEG") -> bytes:
    """The picture as a camera held another way would store it, with the tag that says so."""
    stored = {
        1: RGB, 2: RGB[:, ::-1], 3: RGB[::-1, ::-1], 4: RGB[::-1], 5: RGB.swapaxes(0, 1), 6: np.rot90(RGB, 1),
        7: np.rot90(RGB.swapaxes(0, 1), 2), 8: np.rot90(RGB, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, form, exif=exif)


def tiff(pixels, **options) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def is_all(colour):
    def right(values):
        assert (values[""] == np.array(colour)[:, None, None]).all()

    return right


def rainbow_line(height: int, width: int) -> bytes:
    """One line of red, of which the middle pixels, that cropping keeps, are green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = 255
    middle = (slice(height // 2 - 4, height // 2 + 5) if height > 1 else 0, slice(width // 2 - 4, width // 2 + 5))
    pixels[middle if width > 1 else (middle[0], 0)] = (0, 255, 0)
    return encode(pixels, "PNG")


def heic(**options) -> bytes:
    import pillow_heif

    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(RGB)).save(file, quality=95, **options)
    return file.getvalue()


LINEAR = quarters([(50, 100, 200)] * 4)
AS_SRGB = [tuple(np.rint(from_linear((50, 100, 200))).astype(int))] * 4
SWAPPED = [(green, red, blue) for red, green, blue in AS_SRGB]

FORMS = [
    ok("PNG", lambda: encode(RGB, "PNG"), suffix=".png"),
    ok("PNG, grey", lambda: encode(quarters(GREYS), "PNG"), shows(*grey(*GREYS))),
    ok("PNG, 1 bit", lambda: encode(Image.fromarray(quarters([0, 255, 255, 0])).convert("1"), "PNG"),
       shows(*grey(0, 255, 255, 0))),
    ok("PNG, 2 bits", lambda: pictures.png([bytes([0] * 4 + [0x55] * 4)] * 16 + [bytes([0xAA] * 4
       + [0xFF] * 4)] * 16, 32, 32, 2, 0), shows(*grey(0, 85, 170, 255))),
    ok("PNG, palette", palette),
    ok("PNG, palette, one colour transparent", lambda: palette(transparency=2), shows(*COLOURS[:2], WHITE, COLOURS[3]),
       means="on white"),
    ok("PNG, 16 bit grey", lambda: pictures.wide_png(1), shows(*grey(*GREYS)), means="scaled to 8 bits"),
    ok("PNG, 16 bit RGB", lambda: pictures.wide_png(3), means="scaled to 8 bits"),
    ok("PNG, grey and alpha", lambda: encode(quarters([(0, 255), (0, 0), (100, 255), (0, 51)]), "PNG"),
       shows(*grey(0, 255, 100, 204)), means="blended with white"),
    ok("PNG, RGBA", lambda: encode(quarters([(255, 0, 0, 255), (9, 9, 9, 0), (0, 0, 255, 255), (255, 0, 0, 51)]),
       "PNG"), shows((255, 0, 0), WHITE, (0, 0, 255), (255, 204, 204)), means="blended with white"),
    ok("PNG, interlaced", lambda: pictures.interlaced_png(RGB)),
    ok("PNG, animated", lambda: frames("PNG"), means="its first frame"),
    lossy("JPEG", lambda: encode(RGB, "JPEG"), suffix=".jpg"),
    lossy("JPEG, grey", lambda: encode(quarters(GREYS), "JPEG"), shows(*grey(*GREYS), within=LOSSY)),
    lossy("JPEG, progressive", lambda: encode(RGB, "JPEG", progressive=True)),
    lossy("JPEG, CMYK, inverted as Adobe writes it", lambda: cmyk("JPEG")),
    lossy("JPEG, two pictures (MPO)", lambda: frames("MPO"), means="its first picture"),
    *(lossy(f"JPEG, EXIF orientation {n}", lambda n=n: turned(n), means="turned upright") for n in range(1, 9)),
    ok("PNG, EXIF orientation 6", lambda: turned(6, "PNG"), means="turned upright"),
    ok("TIFF, orientation 8", lambda: turned(8, "TIFF"), means="turned upright"),
    lossy("JPEG, damaged EXIF", lambda: encode(RGB, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"),
          means="EXIF ignored"),
    ok("GIF", lambda: encode(Image.fromarray(RGB).quantize(4), "GIF"), suffix=".gif"),
    ok("GIF, animated", lambda: frames("GIF"), means="its first frame"),
    ok("GIF, one colour transparent", lambda: palette(form="GIF", transparency=1),
       shows(COLOURS[0], WHITE, *COLOURS[2:]), means="on white"),
    lossy("WebP, lossy", lambda: encode(RGB, "WEBP", quality=90)),
    ok("WebP, lossless", lambda: encode(RGB, "WEBP", lossless=True)),
    ok("WebP, animated", lambda: frames("WEBP", lossless=True), means="its first frame"),
    ok("TIFF", lambda: encode(RGB, "TIFF")),
    ok("TIFF, LZW", lambda: encode(RGB, "TIFF", compression="tiff_lzw")),
    ok("TIFF, Deflate, big-endian", lambda: tiff(RGB, compression="zlib", byteorder=">")),
    ok("TIFF, tiles", lambda: tiff(RGB, tile=(16, 16), photometric="rgb")),
    ok("TIFF, BigTIFF", lambda: tiff(RGB, bigtiff=True)),
    ok("TIFF, several pages", lambda: frames("TIFF"), means="its first page"),
    ok("TIFF, 16 bit grey", lambda: tiff(quarters(GREYS, np.uint16) * 257), shows(*grey(*GREYS)),
       means="scaled to 8 bits"),
    ok("TIFF, 16 bit RGB", lambda: tiff(RGB.astype(np.uint16) * 257, photometric="rgb"), means="scaled to 8 bits"),
    ok("TIFF, float from 0 to 1", lambda: tiff(quarters([0, 0.5, 1, 0.25], np.float32)),
       shows(*grey(0, 128, 255, 64)), means="scaled to 8 bits"),
    ok("TIFF, CMYK", lambda: cmyk("TIFF")),
    ok("BMP", lambda: encode(RGB, "BMP"), suffix=".bmp"),
    ok("ICO", lambda: encode(RGB, "ICO", sizes=[(16, 16), (32, 32)]), means="its largest picture"),
    lossy("HEIC", heic, suffix=".heic"),
    lossy("HEIC, 4:4:4", lambda: heic(chroma=444)),
    lossy("AVIF", lambda: encode(RGB, "AVIF", quality=95)),
    ok("JPEG 2000", lambda: encode(RGB, "JPEG2000")),
    ok("PPM", lambda: encode(RGB, "PPM")),
    ok("QOI", lambda: encode(RGB, "QOI")),
    ok("TGA", lambda: encode(RGB, "TGA")),
    ok("PNG with the suffix .jpg", lambda: encode(RGB, "PNG"), suffix=".jpg", means="detected from the content"),
    ok("JPEG without suffix", lambda: encode(np.full((40, 40, 3), WHITE, np.uint8), "JPEG"), is_all(WHITE)),
    ok("1 × 1 pixel", lambda: encode(np.array([[(7, 8, 9)]], np.uint8), "PNG"), is_all((7, 8, 9)), means="enlarged"),
    ok("1 × 5000 pixels", lambda: rainbow_line(5000, 1), is_all((0, 255, 0)), means="cropped to the middle"),
    ok("5000 × 1 pixels", lambda: rainbow_line(1, 5000), is_all((0, 255, 0)), means="cropped to the middle"),
    ok("colour profile", lambda: encode(LINEAR, "PNG", icc_profile=profile()), shows(*AS_SRGB),
       means="converted to sRGB"),
    ok("colour profile with red and green exchanged", lambda: encode(LINEAR, "TIFF", icc_profile=profile(swapped=True)),
       shows(*SWAPPED), means="converted to sRGB"),
    ok("colour profile, grey", lambda: encode(quarters([100] * 4), "PNG", icc_profile=profile(b"GRAY")),
       shows(*grey(*[round(float(from_linear(100)))] * 4)), means="converted to sRGB"),
    ok("colour profile for another colour mode", lambda: encode(quarters(GREYS), "PNG", icc_profile=profile()),
       shows(*grey(*GREYS)), means="the profile ignored, with a warning"),
    ok("colour profile, damaged", lambda: encode(RGB, "PNG", icc_profile=profile()[:90] + b"damage" * 40),
       means="the profile ignored, with a warning"),
]  # fmt: skip


def cut(content: bytes, share: float, end: bytes = b"") -> bytes:
    return content[: int(len(content) * share)] + end


def photo(form: str, **options) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return encode(Image.fromarray(noise).resize((64, 64)), form, **options)


def changed(content: bytes, at: int) -> bytes:
    at %= len(content)
    return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]


def short_png() -> bytes:
    return pictures.png([bytes([200] * 32)] * 20, 32, 32, 8, 0)


RARE = ", or one of a rare kind"
TRUNCATED = [
    ("PNG", {}, {0.1: "truncated PNG", 0.5: "truncated PNG", 0.99: "truncated PNG"}),
    ("JPEG", {}, {0.1: "truncated JPEG", 0.5: "truncated JPEG", 0.95: "truncated JPEG"}),
    ("JPEG", {"progressive": True}, {0.5: "truncated JPEG", 0.99: "truncated JPEG"}),
    ("GIF", {}, {0.3: "truncated GIF", 0.6: "truncated GIF", 0.95: "truncated GIF"}),
    ("BMP", {}, {0.1: "truncated BMP", 0.5: "truncated BMP", 0.99: "truncated BMP"}),
    ("TIFF", {}, {0.1: "truncated TIFF", 0.5: "truncated TIFF", 0.99: "truncated TIFF"}),
    ("TIFF", {"compression": "tiff_lzw"}, dict.fromkeys((0.1, 0.9), f"damaged or truncated TIFF{RARE}")),
    ("TIFF", {"compression": "jpeg"}, {0.99: "damaged or truncated TIFF"}),
    ("WEBP", {}, dict.fromkeys((0.1, 0.5, 0.99), "damaged or truncated WebP")),
    ("AVIF", {}, {0.1: f"damaged or truncated AVIF{RARE}", 0.9: "truncated AVIF"}),
    ("JPEG2000", {}, {0.5: "damaged or truncated JPEG2000"}),
    ("PPM", {}, {0.5: "truncated PPM"}),
    ("TGA", {}, {0.5: "truncated TGA"}),
    ("ICO", {}, {0.9: "truncated ICO"}),
]

DAMAGED = [
    ok("undamaged", lambda: encode(RGB, "PNG")),
    bad("empty file", lambda: b"", "0 bytes"),
    bad("text", lambda: b"hello", "not an image", suffix=".jpg"),
    bad("HTML error page", lambda: b"<!DOCTYPE html><title>404 Not Found</title>", "not an image", suffix=".png"),
    bad("zeros", lambda: bytes(5000), "not an image"),
    bad("start of an audio file", lambda: b"RIFF\0\0\0\0WAVEfmt ", "not an image"),
    bad("EPS (a program)", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    bad("HEIC without its pictures", lambda: b"\0\0\0\x18ftypheic" + bytes(50),
        "damaged or truncated HEIC, or one of a rare kind"),
    bad("HEIC, first half", lambda: cut(heic(), 0.5), "damaged or truncated HEIC, or one of a rare kind"),
    bad("SVG", lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG cannot be read: convert it to PNG or JPEG",
        "skipped"),
    *(bad(f"{form}{', ' + ' '.join(map(str, options.values())) if options else ''}, first {share:.0%}".replace(
        "True", "progressive").replace("tiff_lzw", "LZW").replace("compression ", ""),
        lambda form=form, options=options, share=share: cut(photo(form, **options), share), reason)
      for form, options, reasons in TRUNCATED for share, reason in reasons.items()),
    bad("JPEG, first half, with an end marker", lambda: cut(photo("JPEG"), 0.5, b"\xff\xd9"), "truncated JPEG"),
    bad("PNG, first half, with an end marker", lambda: cut(photo("PNG"), 0.5, pictures.chunk(b"IEND", b"")),
        "truncated PNG"),
    bad("PNG whose pixels end after 20 of 32 rows", short_png, "truncated PNG"),
    bad("PNG with a damaged byte in its pixels", lambda: changed(photo("PNG"), 2000), "damaged or truncated PNG"),
    bad("PNG with a wrong checksum of its pixels", lambda: changed(photo("PNG"), -16), "damaged PNG: wrong checksum"),
    bad("PNG with a wrong checksum of its header", lambda: changed(photo("PNG"), 30),
        "damaged or truncated PNG, or one of a rare kind"),
    bad("TIFF, NaN pixels", lambda: tiff(np.full((9, 9), np.nan, np.float32)), "NaN or infinite pixels"),
    bad("TIFF, elevations in metres", lambda: tiff(np.full((9, 9), 4808.7, np.float32)),
        "grey levels from 4808.7 to 4808.7, expected 0 to 255", "skipped"),
]  # fmt: skip
