"""Sounds of known frequency and level, and files made of them."""

from __future__ import annotations

import io

import av
import numpy as np
import soundfile

RATE = 16000


def tone(frequency, seconds=1.0, rate=RATE, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def noise(seconds=1.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * rate))


def encode(samples, rate=RATE, form="WAV", subtype="PCM_16"):
    """A file written by libsndfile, of samples (S,) or (S, channels)."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def encode_by_ffmpeg(samples, container, codec, rate, file=None, options=None, film=""):
    """A file written by FFmpeg; ``film``, the name of a codec, adds half a second of black pictures."""
    file = file or io.BytesIO()
    with av.open(file, "w", format=container, options=options or {}) as output:
        pictures = output.add_stream(film, rate=10) if film else None
        stream = output.add_stream(codec, rate=rate, layout="mono")
        if pictures:
            pictures.width = pictures.height = 32
            pictures.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            for _ in range(5):
                output.mux(pictures.encode(frame))
            output.mux(pictures.encode(None))
        whole = av.AudioFrame.from_ndarray(np.round(samples * 32767).astype(np.int16)[None], "s16", "mono")
        whole.sample_rate = rate
        size = stream.codec_context.frame_size or None
        resampler = av.AudioResampler(stream.format, "mono", rate, frame_size=size)
        for frame in [*resampler.resample(whole), *resampler.resample(None), None]:
            output.mux(stream.encode(frame))
    return file.getvalue() if isinstance(file, io.BytesIO) else file.read_bytes()


def silent_film() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        output.mux(stream.encode(frame) + stream.encode(None))
    return file.getvalue()


def wave(samples, frequency, rate=RATE):
    """Return the part of int16 samples that is of one frequency, as a complex amplitude; full scale is 1."""
    samples = samples.astype(np.float64) / 32768
    return 2 * np.mean(samples * np.exp(-2j * np.pi * frequency * np.arange(len(samples)) / rate))


def level(samples, frequency, rate=RATE):
    """Return the amplitude of one frequency, away from the edges."""
    return abs(wave(samples[len(samples) // 4 : len(samples) * 3 // 4], frequency, rate))


def rest(samples, frequency, rate=RATE):
    """Return the root mean square of all that is not of one frequency, away from the edges."""
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    found = wave(middle, frequency, rate) * np.exp(2j * np.pi * frequency * np.arange(len(middle)) / rate)
    return float(np.sqrt(np.mean((middle / 32768 - found.real) ** 2)))
