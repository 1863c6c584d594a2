"""Videos changed after they were encoded, as other programs leave them."""

from __future__ import annotations

import io
import struct
import tempfile
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.forms.clips import RATE, plain


def with_edits(content: bytes, edits: Sequence[tuple[int, int]], rate: float = 1.0) -> bytes:
    """An MP4 with another edit list; its index must stand at the end.

    Args:
        content: Of an MP4 that has one.
        edits: How long each is, in milliseconds, and where it begins, in milliseconds of what is stored; -1 for an
            empty one.
        rate: At which they are to be shown.
    """
    at = content.index(b"elst") - 4
    size, _, _, _, _, offset = struct.unpack(">I4sIIIi", content[at : at + 24])
    scale = struct.unpack(">I", content[content.index(b"mdhd") + 16 :][:4])[0]
    entries = b"".join(
        struct.pack(">IiI", length, -1 if start < 0 else offset + start * scale // 1000, round(rate * 65536))
        for length, start in edits
    )
    box = struct.pack(">I4sII", 16 + len(entries), b"elst", 0, len(edits)) + entries
    changed = bytearray(content[:at] + box + content[at + size :])
    for name in (b"moov", b"trak", b"edts"):
        place = content.index(name) - 4
        changed[place : place + 4] = (int.from_bytes(content[place : place + 4], "big") + len(box) - size).to_bytes(4)
    return bytes(changed)


def emptied(content: bytes, numbers: Collection[int]) -> bytes:
    """An AVI of which these chunks are empty, without its list of chunks, which not all files have."""
    start = content.index(b"movi") + 4
    chunks, position = [], start
    while content[position : position + 4] in (b"00dc", b"00db"):
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        end = position + 8 + size + size % 2
        empty = content[position : position + 4] + bytes(4)
        chunks.append(empty if len(chunks) in numbers else content[position:end])
        position = end
    media = b"".join(chunks)
    made = content[: start - 8] + struct.pack("<I", len(media) + 4) + b"movi" + media
    return made[:4] + struct.pack("<I", len(made) - 8) + made[8:]


def packed() -> bytes:
    """An AVI with MPEG-4 whose B-frames lie in one packet with the frame after them, as DivX and XviD write them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        with av.open(str(path), "w", format="avi") as output:
            stream = output.add_stream("mpeg4", rate=RATE, options={"bf": "1", "b_strategy": "0"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.max_b_frames = 1
            stored = []
            for number, values in enumerate(plain()):
                frame = av.VideoFrame.from_ndarray(values, format="rgb24")
                frame.pts = number
                stored += [bytes(packet) for packet in stream.encode(frame)]
            stored += [bytes(packet) for packet in stream.encode(None)]
            for number, data in enumerate(_in_pairs(stored)):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(1, RATE)
                packet.pts = packet.dts = number
                packet.is_keyframe = number == 0
                output.mux(packet)
        return path.read_bytes()


_NOTHING = b"\x00\x00\x01\xb6\x40"  # a predicted frame that is not coded: the place of the B-frame before it


def _in_pairs(stored: Sequence[bytes]) -> list[bytes]:
    head, rest = stored[0], list(stored[1:])
    note = head.index(b"\x00\x00\x01\xb2") + 4
    head = head[:note] + b"DivX503b1393p" + head[head.index(b"\x00\x00\x01", note) :]
    made = [head]
    while rest:
        frame = rest.pop(0)
        if rest and _is_b(rest[0]):
            made += [frame + rest.pop(0), _NOTHING]
        else:
            made.append(frame)
    return made


def _is_b(data: bytes) -> bool:
    return data[data.index(b"\x00\x00\x01\xb6") + 4] >> 6 == 2


def animation(form: str, frames: Sequence[np.ndarray], durations: Sequence[int]) -> bytes:
    """An animated picture by Pillow: ``WEBP``, ``PNG`` or ``GIF``, each frame of so many milliseconds."""
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    file = io.BytesIO()
    options = {"lossless": True} if form == "WEBP" else {}
    first.save(file, form, save_all=True, append_images=others, duration=list(durations), loop=0, **options)
    return file.getvalue()


def in_hdr(picture: np.ndarray, transfer: str) -> np.ndarray:
    """A picture of sRGB (H, W, 3) in BT.2020 and PQ or HLG, of 16 bits: reference white is 203 cd/m², or 75%."""
    value = picture / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    wide = light @ np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]).T
    if transfer == "PQ":
        root = (wide * 0.0203) ** (2610 / 16384)
        made = ((3424 / 4096 + 2413 / 128 * root) / (1 + 2392 / 128 * root)) ** (2523 / 32)
    else:
        scene = wide * 0.26496
        made = np.where(
            scene <= 1 / 12, np.sqrt(3 * scene),
            0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073,
        )  # fmt: skip
    return np.rint(made * 65535).astype(np.uint16)
