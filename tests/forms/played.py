"""Videos as other programs write them: what a player shows of them."""

from __future__ import annotations

import io

import numpy as np

from tests.forms.clips import corners, film, plain
from tests.forms.edited import animation, emptied, in_hdr, packed, with_edits
from tests.forms.sounds import head
from tests.forms.videos import bad, counted, ok, on_white, sees, shows

_DURATIONS = (100, 300, 100, 500)


def _long() -> bytes:
    return film(plain(20), b_frames=2, gop=4)


def _patched() -> list[np.ndarray]:
    """Frames of which each changes one quarter of the one before."""
    frames = [np.full((48, 48, 3), 220, np.uint8)]
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        frame = frames[-1].copy()
        part = slice(24 * row, 24 * row + 24), slice(24 * column, 24 * column + 24)
        frame[part] = corners(48, 48)[part]
        frames.append(frame)
    return frames


def _clear(codec: str, container: str = "webm") -> bytes:
    frame = np.concatenate([corners(48, 48), np.full((48, 48, 1), 255, np.uint8)], axis=2)
    frame[:, 24:, 3] = 0
    return film([frame] * 5, container, codec, "yuva420p", options={"auto-alt-ref": "0", "b": "2000000"})


def _bright(transfer: str) -> bytes:
    codes = {"PQ": "smpte2084", "HLG": "arib-std-b67"}
    told = f"log-level=none:qp=8:colorprim=bt2020:transfer={codes[transfer]}:colormatrix=bt2020nc"
    pixels = in_hdr(corners(48, 48), transfer)
    return film([pixels] * 5, "mp4", "libx265", "yuv420p10le", colours=9, options={"x265-params": told})


def _photograph() -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(corners()).save(file, "JPEG")
    return file.getvalue()


def _joined(*parts: bytes) -> bytes:
    return b"".join(parts)


FORMS = [
    ok("MP4, edit list that shows the first second of two", lambda: with_edits(_long(), [(1000, 0)]),
       means="that second"),
    ok("MP4, edit list that shows a second in the middle", lambda: with_edits(_long(), [(1000, 500)]),
       sees(6, 8, 1, 3), "that second"),
    ok("MP4, edit list of two parts, the later first", lambda: with_edits(_long(), [(500, 1200), (500, 200)]),
       sees(3, 5, 3, 5), "both, in order"),
    ok("MP4, edit list that begins with a pause", lambda: with_edits(_long(), [(300, -1), (1000, 500)]),
       sees(6, 8, 1, 3), "time starts at the first frame"),
    ok("MP4 with a tag after its end", lambda: film() + b"TAG" + bytes(125)),
    ok("MP4 with text after its end", lambda: film() + b"sent by a phone" * 9),
    ok("AVI, MJPEG, with empty chunks", lambda: emptied(
        film(container="avi", codec="mjpeg", pixels="yuvj420p"), (3, 6)), sees(1, 2, 5, 8),
       "each repeats the previous frame"),
    ok("AVI, MJPEG, empty chunks at the end", lambda: emptied(
        film(container="avi", codec="mjpeg", pixels="yuvj420p"), (7, 8, 9)), sees(1, 3, 6, 6),
       "the last frame is repeated"),
    ok("AVI, MPEG-4, with empty chunks and no index", lambda: emptied(film(container="avi", codec="mpeg4"), (3, 9)),
       sees(1, 2, 6, 8), "each repeats the previous frame"),
    ok("AVI, MPEG-4, packed B-frames", packed),
    ok("AVI with an unset frame count", lambda: counted(film(container="avi", codec="mpeg4"), 1 << 30)),
    ok("MPEG-TS, two files joined", lambda: _joined(*(
        film(frames, "mpegts", "mpeg2video", b_frames=2) for frames in (plain(6), plain(10)[6:]))),
       means="the second follows the first"),
    ok("MPEG-TS, two files of different sizes joined", lambda: _joined(*(
        film(frames, "mpegts", "libx264") for frames in (plain(6), plain(10, 32, 32)[6:]))),
       means="the second follows the first"),
    ok("MPEG, two files joined", lambda: _joined(*(
        film(frames, "mpeg", "mpeg1video", rate=25) for frames in (plain(6), plain(10)[6:]))),
       means="the second follows the first"),
    *(ok(f"{name}, without a container", lambda container=container, codec=codec, pixels=pixels: film(
        container=container, codec=codec, pixels=pixels, b_frames=2 if container in ("h264", "m4v") else None))
      for name, container, codec, pixels in (
          ("H.264", "h264", "libx264", "yuv420p"), ("MPEG-4", "m4v", "mpeg4", "yuv420p"),
          ("MJPEG", "mjpeg", "mjpeg", "yuvj420p"), ("Y4M", "yuv4mpegpipe", "rawvideo", "yuv420p"))),
    ok("H.265, without a container",
       lambda: film(container="hevc", codec="libx265", options={"x265-params": "log-level=none"})),
    *(ok(f"animated {name}", lambda form=form: animation(form, plain(4), _DURATIONS), sees(1, 1, 3, 3),
         "each frame for its duration")
      for name, form in (("WebP", "WEBP"), ("PNG", "PNG"), ("GIF", "GIF"))),
    *(ok(f"animated {name} whose frames change parts of the picture",
         lambda form=form: animation(form, _patched(), (100, 100, 100, 100, 5000)), shows(corners(48, 48)),
         "complete pictures", frames=1) for name, form in (("WebP", "WEBP"), ("PNG", "PNG"), ("GIF", "GIF"))),
    ok("WebM, VP8, half transparent", lambda: _clear("libvpx"), shows(on_white()), "on white"),
    ok("WebM, VP9, half transparent", lambda: _clear("libvpx-vp9"), shows(on_white()), "on white"),
    ok("Matroska, VP9, half transparent", lambda: _clear("libvpx-vp9", "matroska"), shows(on_white()), "on white"),
    *(ok(f"MP4, H.265, high dynamic range ({name})", lambda name=name: _bright(name), shows(corners(48, 48), 12),
         "reference white and everything brighter becomes white") for name in ("PQ", "HLG")),
]  # fmt: skip
DAMAGED = [
    bad("H.264 without a container, with a frame of 20,000 empty parts",
        lambda: film(container="h264") + b"\0\0\1\x09\xf0" * 20_000, "damaged: frame 11 is of more than 16384 parts"),
    bad("photograph (JPEG)", _photograph, "not a video"),
    bad("WebP with one picture", lambda: animation("WEBP", plain(1), (100,)), "not a video"),
    bad("animated WebP, first 60%", lambda: head(animation("WEBP", plain(4), _DURATIONS), 0.6), "truncated WebP"),
    bad("animated PNG, first 60%", lambda: head(animation("PNG", plain(4), _DURATIONS), 0.6), "truncated APNG"),
    bad("Y4M, first 63%", lambda: head(film(container="yuv4mpegpipe", codec="rawvideo"), 0.63),
        "truncated or damaged Y4M"),
    bad("animated WebP, too many frames", lambda: animation("WEBP", plain(10), (100,) * 10),
        "more than 5 frames to decode: --max-decode-frames", "skipped", max_decode_frames=5),
    bad("animated WebP, too many pixels", lambda: animation("WEBP", plain(2), (100,) * 2),
        "more than 3071 pixels: --max-pixels", "skipped", max_pixels=48 * 64 - 1),
    bad("H.264 without a container, too many frames", lambda: film(plain(40), "h264"),
        "more than 30 frames to decode: --max-decode-frames", "skipped", max_decode_frames=30),
]  # fmt: skip
