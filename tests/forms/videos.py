"""Forms that a video file may take, and damage done to it."""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy as np

from tests.forms.clips import PALETTE, closest, corners, film, plain, turned
from tests.forms.form import Form
from tests.forms.sounds import concatenation, head, playlist
from tests.forms.tones import encode, encode_by_ffmpeg, noise, tone

SIZE = 16
OPTIONS = {"image_size": SIZE, "frames": 4}
TEN = (1, 3, 6, 8)
"""The frames of a second of ten that are shown at the centres of its four quarters."""


def sees(*numbers):
    """Frames of these colours, by the numbers of the palette."""

    def right(values):
        frames = values[""]
        assert frames.shape == (len(numbers), 3, SIZE, SIZE)
        assert [closest(frame) for frame in frames] == list(numbers)

    return right


def shows(picture, tolerance=25):
    """Frames that all look like one picture (H, W, 3), but for the edges between its quarters."""

    def right(values):
        for frame in values[""]:
            for row in (3, 12):
                for column in (3, 12):
                    expected = picture[row * len(picture) // SIZE, column * picture.shape[1] // SIZE]
                    assert np.abs(frame[:, row, column].astype(int) - expected).max() < tolerance

    return right


def ok(name, content, right=None, means="", **options) -> Form:
    return Form(name, content, right=right or sees(*TEN), means=means, options={**OPTIONS, **options})


def bad(name, content, reason, status="corrupt", **options) -> Form:
    return Form(name, content, status=status, reason=reason, options={**OPTIONS, **options})


def in_gif(frames=None, pixels="rgb8", **options) -> bytes:
    return film(frames, "gif", "gif", pixels, **options)


def still(**options) -> bytes:
    return film([corners(48, 48)] * 5, **options)


def levels(kind, shape=(48, 64)) -> bytes:
    """Raw grey frames of ten brightnesses."""
    return film([np.full(shape, 25 * n, np.uint8) for n in range(10)], "matroska", "ffv1", kind, flat=True)


def brightens(values):
    assert [int(frame.mean().round()) for frame in values[""]] == [25, 75, 150, 200]


def half_clear() -> bytes:
    frame = np.concatenate([corners(48, 48), np.full((48, 48, 1), 255, np.uint8)], axis=2)
    frame[:, 24:, 3] = 0
    return film([frame] * 4, "mov", "prores_ks", "yuva444p10le", options={"profile": "4444"})


def on_white() -> np.ndarray:
    picture = corners(48, 48)
    picture[:, 24:] = 255
    return picture


def is_padded(values):
    for frame in values[""]:
        assert (frame[:, [0, 3, 12, 15]] == 255).all()
        assert closest(frame[:, 5:11]) == 1


TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""To the right, as phones write them."""
UNEVEN = (0, 100, 200, 1000, 1100, 1200, 1900, 2000, 2100, 2500)
"""Milliseconds; the last frame is shown for as long as FFmpeg takes it to be, about 100."""
FORMS = [
    ok("MP4, H.264", film),
    ok("MP4, H.264 with B-frames and several key frames", lambda: film(b_frames=2, gop=4)),
    ok("MP4, H.264, open GOPs",
       lambda: film(b_frames=2, gop=4, options={"x264-params": "open-gop=1:bframes=2:b-adapt=0"})),
    ok("MP4, H.264, index in front", lambda: film(layout={"movflags": "faststart"})),
    ok("MP4, H.264, in fragments", lambda: film(gop=4, layout={"movflags": "frag_keyframe+empty_moov"})),
    ok("MP4, H.264, 10 bit", lambda: film(pixels="yuv420p10le")),
    ok("MP4, H.264, 4:4:4", lambda: film(pixels="yuv444p")),
    ok("MP4, H.264, BT.709", lambda: film(colours=1)),
    ok("MP4, H.265", lambda: film(codec="libx265", options={"x265-params": "log-level=none"})),
    ok("MP4, MPEG-4", lambda: film(codec="mpeg4")),
    ok("MOV, ProRes", lambda: film(container="mov", codec="prores_ks", pixels="yuv422p10le")),
    ok("MOV, ProRes 4444, half transparent", half_clear, shows(on_white()), "on white"),
    ok("Matroska, H.264", lambda: film(container="matroska", b_frames=2, gop=4)),
    ok("Matroska, FFV1", lambda: film(container="matroska", codec="ffv1", pixels="yuv444p")),
    ok("Matroska, FFV1, grey", lambda: levels("gray"), brightens),
    ok("WebM, VP8", lambda: film(container="webm", codec="libvpx")),
    ok("WebM, VP8 with alternate references", lambda: film(
        container="webm", codec="libvpx", options={"auto-alt-ref": "1", "lag-in-frames": "8"})),
    ok("WebM, VP9", lambda: film(container="webm", codec="libvpx-vp9")),
    ok("AVI, MJPEG", lambda: film(container="avi", codec="mjpeg", pixels="yuvj420p")),
    ok("AVI, MPEG-4 with B-frames", lambda: film(container="avi", codec="mpeg4", b_frames=2)),
    ok("AVI, H.264 with B-frames", lambda: film(container="avi", b_frames=2)),
    ok("AVI, uncompressed", lambda: film(container="avi", codec="rawvideo", pixels="bgr24")),
    ok("MPEG-TS, MPEG-2", lambda: film(container="mpegts", codec="mpeg2video", b_frames=2)),
    ok("MPEG-TS, MPEG-2, interlaced",
       lambda: film(container="mpegts", codec="mpeg2video", options={"flags": "+ilme+ildct"})),
    ok("MPEG, MPEG-1, 25 frames per second", lambda: film(plain(25), "mpeg", "mpeg1video", rate=25), sees(3, 9, 5, 1)),
    ok("FLV", lambda: film(container="flv", codec="flv")),
    ok("WMV", lambda: film(container="asf", codec="wmv2")),
    ok("GIF", lambda: in_gif(plain(10)), sees(*TEN)),
    ok("with a sound track", lambda: film(sound=(tone(440, 1), 16000, "aac"))),
    ok("odd size (63 × 47)", lambda: film(plain(10, 63, 47), pixels="yuv444p")),
    ok("2 × 2 pixels", lambda: film(plain(10, 2, 2))),
    ok("one frame", lambda: film(plain(1)), sees(0, 0, 0, 0), "repeated"),
    ok("fewer frames than --frames", lambda: film(plain(2)), sees(0, 0, 1, 1), "each repeated for its duration"),
    ok("variable frame rate", lambda: film(times=UNEVEN), sees(2, 2, 5, 8), "frames chosen by time"),
    ok("variable frame rate, Matroska", lambda: film(container="matroska", times=UNEVEN), sees(2, 2, 5, 8),
       "frames chosen by time"),
    ok("first frame after time 0", lambda: film(container="matroska", times=[5000 + 100 * n for n in range(10)]),
       means="time starts at it"),
    *(ok(f"rotation by {degrees}° in the metadata", lambda matrix=matrix: turned(still(), *matrix),
         shows(np.rot90(corners(48, 48), -degrees // 90)), "turned upright")
      for degrees, matrix in TURNS.items()),
    ok("mirroring in the metadata", lambda: turned(still(), -1, 0, 0, 1), shows(corners(48, 48)[:, ::-1]), "mirrored"),
    ok("pixels twice as wide as high", lambda: film([corners(24, 48)] * 5, shape=Fraction(2)),
       shows(corners(48, 48)), "stretched to the true aspect ratio", resize="pad"),
    ok("wide, padded", lambda: film([np.full((24, 48, 3), PALETTE[1], np.uint8)] * 5),
       is_padded, "white above and below", resize="pad"),
    ok("one second at 5 frames per second", film, sees(0, 2, 4, 6, 8), frames=None, fps=5),
    ok("one second at 20 frames per second", film, sees(*[n // 2 for n in range(20)]), frames=None, fps=20),
    ok("one second at 5 frames per second, at most 3 frames", film, sees(0, 2, 4), frames=3, fps=5),
    ok("first 0.4 seconds", lambda: film(gop=3), sees(0, 1, 2, 3), clip_seconds=0.4),
]  # fmt: skip


def noisy(count: int = 40, **options) -> bytes:
    """Frames that do not compress, so that a file is long and damage hits something."""
    generator = np.random.default_rng(0)
    return film([generator.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(count)], **options)


def scratched(content: bytes, share: float = 0.5, count: int = 2000) -> bytes:
    at = int(len(content) * share)
    other = np.random.default_rng(1).integers(0, 256, count, dtype=np.uint8).tobytes()
    return content[:at] + other + content[at + count :]


def picture() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(corners()).save(file, "PNG")
    return file.getvalue()


def counted(content: bytes, frames: int) -> bytes:
    """An AVI whose stream header counts other frames."""
    at = content.index(b"strh") + 8 + 32
    return content[:at] + struct.pack("<I", frames) + content[at + 4 :]


TRUNCATED = {
    "MP4 or MOV": lambda: noisy(layout={"movflags": "faststart"}),
    "Matroska or WebM": lambda: noisy(container="matroska"),
    "AVI": lambda: noisy(container="avi", codec="mpeg4"),
    "GIF": lambda: in_gif([np.random.default_rng(n).integers(0, 256, (48, 64, 3), dtype=np.uint8) for n in range(9)]),
}
DAMAGED = [
    ok("undamaged", film),
    bad("empty file", lambda: b"", "0 bytes"),
    bad("text", lambda: b"hello", "not a video"),
    bad("zeros", lambda: bytes(5000), "not a video"),
    bad("image", picture, "not a video"),
    bad("playlist (M3U8)", playlist, "not a video"),
    bad("playlist (ffconcat)", concatenation, "not a video"),
    bad("audio only, WAV", lambda: encode(tone(440)), "no picture in it"),
    bad("audio only, M4A", lambda: encode_by_ffmpeg(tone(440), "mp4", "aac", 16000), "no picture in it"),
    bad("audio only, WebM", lambda: encode_by_ffmpeg(noise(1, 48000), "webm", "libopus", 48000), "no picture in it"),
    bad("MP4 without its index (at the end)", lambda: head(noisy(), 0.7), "truncated MP4 or MOV"),
    *(bad(f"{name}, first {share:.0%}", lambda make=make, share=share: head(make(), share), f"truncated {name}")
      for name, make in TRUNCATED.items() for share in (0.05, 0.5, 0.97)),
    bad("AVI that claims more frames", lambda: counted(film(container="avi", codec="mpeg4"), 99),
        "truncated or damaged: 10 of 99 frames"),
    bad("MP4, H.264, bytes overwritten", lambda: scratched(noisy()), "damaged MP4 or MOV"),
    bad("AVI, MPEG-4, bytes overwritten", lambda: scratched(noisy(container="avi", codec="mpeg4")),
        "truncated or damaged: 37 of 40 frames"),
    bad("AVI, MPEG-4, a few bytes overwritten", lambda: scratched(noisy(container="avi", codec="mpeg4"), count=40),
        "damaged AVI"),
    bad("AVI, MJPEG, bytes overwritten",
        lambda: scratched(noisy(container="avi", codec="mjpeg", pixels="yuvj420p")),
        "truncated or damaged: 39 of 40 frames"),
    bad("too many pixels", film, "more than 3071 pixels: --max-pixels", "skipped", max_pixels=48 * 64 - 1),
    bad("too many frames to decode", lambda: film(plain(40)), "more than 30 frames to decode: --max-decode-frames",
        "skipped", max_decode_frames=30),
    ok("as many frames to decode as allowed", lambda: film(plain(100), gop=5, b_frames=0), sees(2, 7, 2, 7),
       frames=4, max_decode_frames=160),
]  # fmt: skip
