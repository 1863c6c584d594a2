"""Video files of the formats that FFmpeg decodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from mmcli.modalities.video.read import Preprocessor
from tests.forms.clips import film
from tests.forms.edited import animation, emptied, packed, with_edits
from tests.forms.tones import RATE, tone
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes

FORMATS = (
    ("mp4", "libx264", "yuv420p"), ("mp4", "mpeg4", "yuv420p"), ("mov", "prores_ks", "yuv422p10le"),
    ("matroska", "libx264", "yuv420p"), ("matroska", "ffv1", "yuv444p"), ("webm", "libvpx", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"), ("avi", "mjpeg", "yuvj420p"), ("avi", "libx264", "yuv420p"),
    ("avi", "rawvideo", "bgr24"), ("mpegts", "mpeg2video", "yuv420p"), ("mpeg", "mpeg1video", "yuv420p"),
    ("flv", "flv", "yuv420p"), ("asf", "wmv2", "yuv420p"), ("gif", "gif", "rgb8"),
    ("apng", "apng", "rgb24"), ("h264", "libx264", "yuv420p"), ("m4v", "mpeg4", "yuv420p"),
    ("mjpeg", "mjpeg", "yuvj420p"), ("mpeg2video", "mpeg2video", "yuv420p"), ("yuv4mpegpipe", "rawvideo", "yuv420p"),
    ("mpegts", "libx264", "yuv420p"),
)  # fmt: skip


_HDR = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"


def make(folder: Path) -> Reader:
    """A third of a second in each format, and one with sound."""
    generator = np.random.default_rng(0)
    frames = [generator.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(8)]
    files = {
        f"{container} {codec}": film(frames, container, codec, pixels, rate=25, gop=3)
        for container, codec, pixels in FORMATS
    }
    files["with sound"] = film(frames, rate=25, sound=(tone(440, 0.3), RATE, "aac"))
    files["joined"] = 2 * files["mpegts libx264"]
    files["WebP"] = animation("WEBP", frames, [40] * len(frames))
    files["alpha"] = film([np.dstack([frame, frame[..., :1]]) for frame in frames], "webm", "libvpx-vp9", "yuva420p")
    files["HDR"] = film(frames, "mp4", "libx265", "yuv420p10le", options={"x265-params": _HDR})
    files["edits"] = with_edits(film(frames, rate=25, gop=3, b_frames=2), [(120, 160), (40, -1), (80, 0)])
    files["packed"] = packed()
    files["empty chunks"] = emptied(files["avi mjpeg"], (2, 5))
    readers = [
        Preprocessor(("a",), size=16, frames=3, max_pixels=100_000, max_decode_frames=200),
        Preprocessor(("a",), size=16, fps=10, resize="pad", max_pixels=100_000, max_decode_frames=200),
    ]
    for content in files.values():
        readers[0].decode(content)

    def read(case: Case) -> None:
        with refused():
            assert 0 < len(readers[1].decode(case.content)[""]) <= 64
        assert len(readers[0].decode(case.content)[""]) == 3

    return Reader(_cases(files), read)


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    other = files[draw(st.sampled_from(sorted(files)))]
    if draw(st.integers(0, 40)) == 0:
        return Case("bytes", draw(st.binary(max_size=200)))
    return Case(name, draw(damaged_bytes(files[name], other)))
