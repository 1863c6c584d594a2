"""Videos whose every frame has a colour of its own, so that one can tell which were chosen."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 10
_RGB = {1: "rgb24", 2: "rgb48le"}
PALETTE = np.array(
    [(30, 30, 30), (220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 30),
     (220, 30, 220), (30, 220, 220), (220, 220, 220), (130, 30, 30), (30, 130, 130)], np.uint8
)  # fmt: skip


def plain(count: int = 10, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames of one colour each, (H, W, 3), by the palette."""
    return [np.full((height, width, 3), PALETTE[number % len(PALETTE)], np.uint8) for number in range(count)]


def corners(width: int = 64, height: int = 48) -> np.ndarray:
    """A frame of four colours: grey and red above green and blue."""
    frame = np.empty((height, width, 3), np.uint8)
    for number, (row, column) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        rows = slice(row * height // 2, (row + 1) * height // 2)
        frame[rows, column * width // 2 : (column + 1) * width // 2] = PALETTE[number]
    return frame


def film(
    frames: Sequence[np.ndarray] | None = None,
    container: str = "mp4",
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    rate: int = RATE,
    times: Sequence[int] | None = None,
    options: dict | None = None,
    layout: dict | None = None,
    shape: Fraction | None = None,
    flat: bool = False,
    b_frames: int | None = None,
    gop: int | None = None,
    colours: int | None = None,
    sound: tuple[np.ndarray, int, str] | None = None,
) -> bytes:
    """A file written by FFmpeg.

    Args:
        frames: (H, W, 3) or, with transparency, (H, W, 4).
        container: FFmpeg's name of the format.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        rate: Frames a second.
        times: When each is shown, in milliseconds, instead.
        options: Of the encoder.
        layout: Options of the format.
        shape: Of its pixels, width by height.
        flat: Leave the colour conversion out: frames are of the pixel format.
        b_frames: Frames that lean on later ones, between two others.
        gop: Frames from one that leans on none to the next.
        colours: FFmpeg's number of the colour matrix.
        sound: Samples (S,), sample rate and codec of a sound track.
    """
    frames = plain() if frames is None else frames
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film"
        with av.open(str(path), "w", format=container, options=layout or {}) as output:
            stream = output.add_stream(codec, rate=rate, options=options or {})
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pixels
            context = stream.codec_context
            if b_frames is not None:
                context.max_b_frames = b_frames
            if gop is not None:
                context.gop_size = gop
            if shape is not None:
                context.sample_aspect_ratio = shape
            if colours is not None:
                context.colorspace = colours
            if times is not None:
                context.time_base = Fraction(1, 1000)
            track = output.add_stream(sound[2], rate=sound[1], layout="mono") if sound else None
            for number, values in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(
                    values,
                    format=pixels if flat else "rgba" if values.shape[2] == 4 else _RGB[values.dtype.itemsize],
                )
                if colours is not None:
                    frame = frame.reformat(format=pixels, dst_colorspace=colours)
                frame.pts = number if times is None else times[number]
                frame.time_base = Fraction(1, rate) if times is None else Fraction(1, 1000)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
            if track is not None:
                samples, sample_rate, _ = sound
                whole = av.AudioFrame.from_ndarray(np.round(samples * 32767).astype(np.int16)[None], "s16", "mono")
                whole.sample_rate = sample_rate
                resampler = av.AudioResampler(
                    track.format, "mono", sample_rate, frame_size=track.codec_context.frame_size or None
                )
                for part in [*resampler.resample(whole), *resampler.resample(None), None]:
                    output.mux(track.encode(part))
        return path.read_bytes()


def turned(content: bytes, a: int, b: int, c: int, d: int) -> bytes:
    """An MP4 whose track header says to show a pixel (x, y) at (a x + c y, b x + d y)."""
    at = content.index(b"tkhd") + 44
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    return content[:at] + matrix + content[at + len(matrix) :]


def closest(frame: np.ndarray) -> int:
    """Return the number of the palette's colour that a frame (3, H, W) is nearly all of; -1 where it is of none."""
    middle = frame.reshape(3, -1).astype(int)
    distances = np.abs(middle.mean(axis=1) - PALETTE).max(axis=1)
    even = middle.std(axis=1).max() < 12
    return int(distances.argmin()) if even and distances.min() < 25 else -1
