"""Files made to exhaust memory or time: small, and asking for much."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import numpy as np
import soundfile
import torch

from tests.forms import arrays, images, sounds
from tests.forms.pictures import COLOURS, chunk, encode, png, quarters
from tests.forms.tones import RATE
from tests.forms.tones import encode as encode_sound

RGB = quarters(COLOURS)
TOO_MANY = "more than 178956970 pixels: --max-pixels"


def zeros() -> bytes:
    """500 MiB of zeros as zlib packs them, one packed piece 500 times."""
    packer = zlib.compressobj(9, wbits=-15)
    return b"\x78\x9c" + (packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)) * 500


def with_chunk(kind: bytes, body: bytes) -> bytes:
    content = encode(RGB, "PNG")
    return content[:33] + chunk(kind, body) + content[33:]


def resized(form: str, at: int, width: bytes) -> bytes:
    """A file whose header is made to say another size."""
    content = encode(RGB, form)
    return content[:at] + width + content[at + len(width) :]


def webp() -> bytes:
    content = images.frames("WEBP", lossless=True)
    at = content.find(b"VP8X") + 12
    return content[:at] + (16382).to_bytes(3, "little") * 2 + content[at + 6 :]


def huge_jpeg() -> bytes:
    content = encode(RGB, "JPEG")
    at = content.find(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">HH", 65500, 65500) + content[at + 4 :]


def many_scans() -> bytes:
    content = encode(RGB, "JPEG", progressive=True)
    return content[:-2] + content[content.rfind(b"\xff\xda") : -2] * 30_000 + b"\xff\xd9"


def tags(count: int, claimed: int, own: tuple = ()) -> bytes:
    """A TIFF directory, or EXIF block, whose tags all claim the same bytes."""
    entries = [*own, *((tag, 1, claimed, 8) for tag in range(1000, 1000 + count))]
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0)


def strips() -> bytes:
    return tags(0, 0, ((256, 4, 1, 1000), (257, 4, 1, 1000), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 2**32 - 1, 8)))


def icon(inner: bytes) -> bytes:
    """An icon that says it is of 16 × 16 pixels, and holds any PNG."""
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(inner), 22) + inner


IMAGES = [
    images.ok("undamaged", lambda: encode(RGB, "PNG")),
    images.bad("PNG, header of 50 000 × 50 000 pixels", lambda: png([], 50_000, 50_000, 8, 0), TOO_MANY, "skipped"),
    images.bad("GIF, screen of 65 535 × 65 535", lambda: resized("GIF", 6, b"\xff" * 4), TOO_MANY, "skipped"),
    images.bad("BMP of 100 000 × 100 000", lambda: resized("BMP", 18, struct.pack("<ii", 100_000, 100_000)), TOO_MANY,
               "skipped"),
    images.bad("WebP, canvas of 16 383 × 16 383", webp, TOO_MANY, "skipped"),
    images.bad("JPEG, header of 65 500 × 65 500", huge_jpeg, TOO_MANY, "skipped"),
    images.bad("ICO that contains a PNG of 50 000 × 50 000", lambda: icon(png([], 50_000, 50_000, 8, 0)), TOO_MANY,
               "skipped"),
    images.bad("ICO with more pixels than allowed", lambda: icon(encode(RGB, "PNG")),
               "more than 1000 pixels: --max-pixels", "skipped", max_pixels=1000),
    images.bad("more pixels than allowed", lambda: encode(RGB, "PNG"), "more than 1000 pixels: --max-pixels", "skipped",
               max_pixels=1000),
    images.ok("as many pixels as allowed", lambda: encode(RGB[:16, :16], "PNG"), images.is_all(COLOURS[0]),
              max_pixels=1000),
    images.bad("PNG with 500 MiB of text (zTXt)", lambda: with_chunk(b"zTXt", b"Comment\0\0" + zeros()),
               "damaged or truncated PNG"),
    images.bad("PNG with 500 MiB of text (iTXt)", lambda: with_chunk(b"iTXt", b"Comment\0\1\0\0\0" + zeros()),
               "damaged or truncated PNG"),
    images.bad("PNG with a colour profile of 500 MiB", lambda: with_chunk(b"iCCP", b"x\0\0" + zeros()),
               "damaged or truncated PNG"),
    images.ok("PNG with 500 MiB of pixel data for 32 × 32", lambda: encode(RGB, "PNG")[:33] + chunk(b"IDAT", zeros()),
              images.is_all((0, 0, 0)), means="the first 32 rows"),
    images.ok("animated PNG that claims 2³¹ frames",
              lambda: with_chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)), means="its first frame"),
    images.ok("PNG with 60 000 EXIF tags that claim 1.2 GB", lambda: encode(RGB, "PNG", exif=b"Exif\0\0"
              + tags(60_000, 20_000))),
    images.bad("TIFF with 60 000 tags that claim 1.2 GB", lambda: tags(60_000, 20_000),
               "damaged or truncated TIFF, or one of a rare kind"),
    images.bad("TIFF that claims 2³² strips", strips, "damaged or truncated TIFF, or one of a rare kind"),
    images.bad("JPEG with 30 000 scans", many_scans, "a JPEG of more than 100 scans", "skipped"),
]  # fmt: skip


def hours() -> bytes:
    """Half an hour of silence."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", RATE, 1, "PCM_16", format="FLAC") as sound:
        for _ in range(30):
            sound.write(np.zeros(60 * RATE, np.int16))
    return file.getvalue()


def lying_flac() -> bytes:
    content = sounds.sine("FLAC")
    return content[:21] + bytes([content[21] | 0x0F]) + b"\xff" * 4 + content[26:]


def lying_rf64() -> bytes:
    content = sounds.sine("RF64")
    at = content.find(b"ds64") + 16
    data = content.find(b"data") + 4
    content = content[:at] + struct.pack("<QQ", 2 * 10**12, 10**12) + content[at + 16 :]
    return content[:data] + b"\xff" * 4 + content[data + 4 :]


def lying_mp4() -> bytes:
    """An MP4 whose index says that its first chunk has 80 million samples of one byte."""
    content = bytearray(sounds.in_mp4(options={"movflags": "faststart"}))
    many = 80_000_000
    for name, at, form, values in (
        (b"stsz", 8, ">II", (1, many)), (b"stsc", 12, ">III", (1, many, 1)), (b"stts", 12, ">I", (many,)),
    ):  # fmt: skip
        struct.pack_into(form, content, content.find(name) + at, *values)
    return bytes(content)


def lying_fragment() -> bytes:
    content = bytearray(sounds.in_mp4(options={"movflags": "frag_keyframe+empty_moov"}))
    at = content.find(b"trun")
    struct.pack_into(">II", content, at + 4, 0, 80_000_000)
    return bytes(content)


def is_silence(values):
    assert values[""].shape == (10 * RATE,)
    assert not values[""].any()


SOUNDS = [
    sounds.ok("undamaged", sounds.sine),
    sounds.ok("FLAC with half an hour of silence in 90 kB", hours, is_silence, means="only 11 seconds decoded"),
    sounds.ok("FLAC with half an hour of silence", hours, is_silence, means="decoded up to --max-decode-seconds",
              trim=True),
    sounds.ok("more silence than is decoded, then sound",
              lambda: encode_sound(np.repeat([0, 0.5], [5 * RATE, RATE])), sounds.holds(*[0] * 2 * RATE),
              means="the first seconds of the silence", trim=True, max_seconds=2, max_decode_seconds=3),
    sounds.ok("FLAC that claims 2³⁶ samples", lying_flac, means="read to its end"),
    sounds.bad("RF64 that claims 10¹² samples", lying_rf64, "truncated WAV"),
    sounds.bad("MP4 that claims 80 million samples in a chunk", lying_mp4, "0 audio samples"),
    sounds.bad("MP4 that claims 80 million samples in a fragment", lying_fragment, "damaged or truncated MP4"),
    sounds.bad("MP3 that claims 256 MB of tags", lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(100),
               "truncated MP3"),
    sounds.bad("audio file over the limit", sounds.sine, "larger than 1000 bytes: --max-bytes", "skipped",
               max_bytes=1000),
    sounds.ok("audio file under the limit", lambda: encode_sound(np.array([0.5])), sounds.holds(16384), max_bytes=1000),
]  # fmt: skip


def archive(files, like: bytes = b"") -> bytes:
    """A compressed archive: of each file its name and an iterable of pieces; and what else another archive holds."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name, pieces in files.items():
            with target.open(name, "w") as file:
                for piece in pieces:
                    file.write(piece)
        if like:
            with zipfile.ZipFile(io.BytesIO(like)) as source:
                for entry in source.infolist():
                    if entry.filename not in files:
                        target.writestr(entry.filename, source.read(entry))
    return stream.getvalue()


def many_files() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as target:
        for number in range(20_000):
            target.writestr(f"{number}.npy", b"")
    return stream.getvalue()


def npy_header(text: str) -> bytes:
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


def npy_of(shape: str) -> bytes:
    return npy_header(f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}")


PIECES = [bytes(2**20)] * 500
LARGER = "an array larger than 1073741824 bytes: --max-bytes"
ONE = arrays.pt(torch.ones(3))
DATA = next(name for name in zipfile.ZipFile(io.BytesIO(ONE)).namelist() if name.endswith("data/0"))
MANY = b"\x8a\x06" + (10**11).to_bytes(6, "little")
BYTES_OF_3_GB = b"\x80\x02c__builtin__\nbytearray\n\x8a\x06" + (3 * 10**9).to_bytes(6, "little") + b"\x85R."
ARRAYS = [
    arrays.ok("undamaged", lambda: arrays.npy(arrays.VECTOR)),
    arrays.bad("npy that claims 24 GB", lambda: npy_of("(2000000000, 3)"), LARGER, "skipped"),
    arrays.bad("npy that claims 400 MB", lambda: npy_of("(100000000,)"),
               "cut short: 0 bytes of data, expected 400000000"),
    arrays.bad("npy, 10 000 brackets in its header", lambda: npy_of("(" * 4000 + ")" * 4000),
               "damaged .npy header"),
    arrays.bad("npz with 20 000 arrays", many_files, "an archive of more than 10000 files", "skipped"),
    arrays.bad("pt, a view that claims 10¹² numbers", lambda: arrays.pt(torch.zeros(1).expand(10**12)), LARGER,
               "skipped"),
    arrays.bad("pt that allocates 3 GB of bytes", lambda: arrays.pickled(BYTES_OF_3_GB), arrays.OBJECTS),
    arrays.bad("pt, a pickle of 20 million lists", lambda: archive({DATA.replace("data/0", "data.pkl"):
               [b"\x80\x02", *[b"]" * 2**20] * 20, b"."]}, ONE), "a .pt file with more than 1 MiB beside its tensors",
               "skipped"),
    arrays.bad("safetensors that claims 4 TB", lambda: arrays.safetensors(b"", x=("F32", [10**12], 0, 4 * 10**12)),
               "damaged .safetensors file (incomplete metadata, file not fully covered)"),
    arrays.bad("safetensors with 2⁸⁰ numbers in 8 bytes",
               lambda: arrays.safetensors(bytes(8), x=("F32", [2**40, 2**40], 0, 8)), "damaged .safetensors file ("
               "overflow computing buffer size from shape and/or element type)"),
    arrays.bad("safetensors with overlapping arrays", lambda: arrays.safetensors(bytes(12), x=("F32", [2], 0, 8),
               y=("F32", [2], 4, 12)), "damaged .safetensors file (invalid offset for "
               "tensor `y`)"),
    arrays.bad("safetensors, 100 000 brackets in its header", lambda: struct.pack("<Q", 500_000) + b'{"a":' * 100_000,
               "damaged .safetensors file (invalid JSON in header: "
               "recursion limit exceeded at line 1 column 636)"),
    arrays.bad("array over the limit", lambda: arrays.npz(np.savez_compressed, x=np.zeros(400_000)),
               "an array larger than 3000000 bytes: --max-bytes", "skipped", max_bytes=3_000_000),
    arrays.bad("npz, 500 MiB of zeros in 2 MB", lambda: archive({"x.npy": [npy_of("(131072000,)"), *PIECES]}),
               "an array larger than 3000000 bytes: --max-bytes", "skipped", max_bytes=3_000_000),
    arrays.bad("pt, 500 MiB of zeros in 2 MB", lambda: archive({DATA: PIECES}, ONE),
               "an array larger than 3000000 bytes: --max-bytes", "skipped", max_bytes=3_000_000),
    arrays.ok("array under the limit", lambda: arrays.npy(arrays.VECTOR), max_bytes=3_000_000),
]  # fmt: skip
