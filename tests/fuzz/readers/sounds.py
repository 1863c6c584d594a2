"""Sound files of the formats that libsndfile and FFmpeg decode."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from hypothesis import strategies as st

from mmcli.modalities.audio.read import Preprocessor
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes, damaged_ogg

LIBSNDFILE = (
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAV", "ULAW"), ("RF64", "PCM_16"), ("W64", "PCM_24"),
    ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"),
    ("AU", "PCM_16"), ("AU", "DOUBLE"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"),
)  # fmt: skip
FFMPEG = (
    ("mp4", "aac", 44100), ("ipod", "aac", 16000), ("webm", "libopus", 48000), ("ogg", "libopus", 48000),
    ("matroska", "pcm_s16le", 16000), ("adts", "aac", 16000), ("asf", "libmp3lame", 44100), ("avi", "pcm_s16le", 16000),
    ("mov", "alac", 16000), ("flv", "aac", 44100), ("mpegts", "aac", 44100), ("tta", "tta", 16000),
)  # fmt: skip


def make(folder: Path) -> Reader:
    """A fifth of a second in each format."""
    files = {f"{form} {kind}": _by_libsndfile(form, kind) for form, kind in LIBSNDFILE}
    for container, codec, rate in FFMPEG:
        files[f"{container} {codec}"] = _by_ffmpeg(container, codec, rate)
    for form, kind in (("MP3", "MPEG_LAYER_III"), ("FLAC", "PCM_16"), ("OGG", "OPUS")):
        files[f"{form} {kind}, joined"] = files[f"{form} {kind}"] * 2
    files["wav libmp3lame"] = _by_ffmpeg("wav", "libmp3lame", 16000)
    readers = [Preprocessor(("a",), max_seconds=2.0), Preprocessor(("a",), trim=True, high_pass=50, normalize="rms",
                                                                   max_decode_seconds=20.0)]  # fmt: skip
    for content in files.values():
        readers[0].decode(content)

    def read(case: Case) -> None:
        with refused():
            readers[1].decode(case.content)
        assert 0 < len(readers[0].decode(case.content)[""]) <= 32000

    return Reader(_cases(files), read)


def _wave(rate: int, channels: int) -> np.ndarray:
    tone = np.sin(np.arange(rate // 5) * 440 * 2 * np.pi / rate) * 0.5
    return np.stack([tone] * channels, axis=1)


def _by_libsndfile(form: str, kind: str) -> bytes:
    rate = 48000 if kind == "OPUS" else 16000
    stream = io.BytesIO()
    soundfile.write(stream, _wave(rate, 2 if kind.startswith("PCM") else 1), rate, format=form, subtype=kind)
    return stream.getvalue()


def _by_ffmpeg(container: str, codec: str, rate: int) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate, layout="mono")
        samples = (_wave(rate, 1).T * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate
        size = track.codec_context.frame_size or 1024
        fitting = av.AudioResampler(format=track.codec_context.format, layout="mono", rate=rate, frame_size=size)
        for part in [*fitting.resample(frame), *fitting.resample(None)]:
            output.mux(track.encode(part))
        output.mux(track.encode(None))
    return stream.getvalue()


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    other = files[draw(st.sampled_from(sorted(files)))]
    if draw(st.integers(0, 40)) == 0:
        return Case("bytes", draw(st.binary(max_size=200)))
    is_ogg = name.lower().startswith("ogg")
    return Case(name, draw(damaged_ogg(files[name]) if is_ogg else damaged_bytes(files[name], other)))
