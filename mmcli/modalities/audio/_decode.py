"""Decodes the bytes of audio files into mono waveforms, as far as they are needed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from mmcli.errors import AbsentError, UnusableError
from mmcli.modalities.audio._truncated import format_name, is_cut, is_mpeg_frame
from mmcli.modalities.containers import open_container, pictures_of
from mmcli.store.columns import Array

_BLOCK = 2**20  # samples of all channels together
_RATES = (1000, 768_000)
_SOUNDFILE = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"ID3")
_HEADER_DURATION = ("mov", "matroska", "asf")  # other containers estimate their duration
_MISSING = 0.25  # seconds less than the header says that are no damage
_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "nistsphere,ogg,shn,tak,truehd,tta,voc,w64,wav,wv,xwma"
)


class _Bytes(io.BytesIO):
    """Bytes that libsndfile may ask for at a place before their start, as it does where headers are wrong."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def decode(content: bytes, seconds: float) -> tuple[Array, int]:
    """Return a sound's first seconds as the mean of its channels, (S,) float32, and its sample rate in Hz.

    Raises:
        UnusableError: ``corrupt`` where it is no audio, damaged, shorter than its header says, or empty.
        AbsentError: It is a film without sound.
    """
    if is_cut(content):
        raise UnusableError("corrupt", f"truncated {format_name(content)}")
    found = _with_soundfile(content, seconds) if _is_for_soundfile(content) else None
    samples, rate = found or _with_pyav(content, seconds)
    if not len(samples):
        raise UnusableError("corrupt", "0 audio samples")
    if not np.isfinite(samples).all():
        raise UnusableError("corrupt", "NaN or infinite samples")
    return samples, rate


def _is_for_soundfile(content: bytes) -> bool:
    return is_mpeg_frame(content[:2]) or content.startswith(_SOUNDFILE)


def _with_soundfile(content: bytes, seconds: float) -> tuple[Array, int] | None:
    """Decode by libsndfile; None where it does not know the format."""
    import soundfile

    try:
        sound = soundfile.SoundFile(_Bytes(content))
    except (soundfile.LibsndfileError, TypeError):
        return None
    with sound:
        needed = _needed(sound.samplerate, seconds)
        try:
            samples = _join(_blocks(sound, needed))
        except soundfile.LibsndfileError:
            raise UnusableError("corrupt", f"damaged or truncated {format_name(content)}") from None
        if len(samples) < min(needed, sound.frames) and sound.frames < 2**62:
            raise UnusableError("corrupt", f"truncated {format_name(content)}")
        return samples, sound.samplerate


def _blocks(sound: Any, needed: int) -> Iterator[Array]:
    size = max(1, _BLOCK // sound.channels)
    while needed > 0 and len(block := sound.read(min(size, needed), dtype="float32", always_2d=True)):
        needed -= len(block)
        yield block.mean(axis=1)


def _with_pyav(content: bytes, seconds: float) -> tuple[Array, int]:
    try:
        container = open_container(content, _DEMUXERS)
    except Exception:  # FFmpeg fed arbitrary bytes
        name = format_name(content)
        raise UnusableError("corrupt", "not audio" if name == "audio" else f"damaged or truncated {name}") from None
    with container:
        if not container.streams.audio:
            if pictures_of(container):
                raise AbsentError("no sound track")
            raise UnusableError("corrupt", "no sound in it")
        stream = container.streams.audio[0]
        try:
            rate, promised = int(stream.rate), _promised(container, stream)
            needed = _needed(rate, seconds)
            samples = _join(_frames(container, stream, needed))
        except UnusableError:
            raise
        except Exception:  # FFmpeg fed damaged bytes
            raise UnusableError("corrupt", f"damaged or truncated {format_name(content)}") from None
        if len(samples) < min(needed, (promised - _MISSING) * rate):
            raise UnusableError("corrupt", f"truncated {format_name(content)}")
        return samples, rate


def _frames(container: Any, stream: Any, needed: int) -> Iterator[Array]:
    import av

    # Interleaved: of planes, one for each channel, PyAV takes past the last where there are more than eight.
    interleaved = av.AudioResampler(format="flt")
    for frame in container.decode(stream):
        for part in interleaved.resample(frame):
            block = part.to_ndarray().reshape(-1, part.layout.nb_channels).mean(axis=1)
            needed -= len(block)
            yield block[: len(block) + min(needed, 0)]
        if needed <= 0:
            return


def _promised(container: Any, stream: Any) -> float:
    """Return the seconds of sound that a header says there are, 0 where it does not."""
    if not container.format.name.startswith(_HEADER_DURATION):
        return 0.0
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return 0.0 if container.streams.video or container.duration is None else container.duration / 1e6


def _needed(rate: int, seconds: float) -> int:
    if not _RATES[0] <= rate <= _RATES[1]:
        raise UnusableError("corrupt", f"damaged audio: a sample rate of {rate} Hz")
    return round(seconds * rate)


def _join(blocks: Iterator[Array]) -> Array:
    parts = list(blocks)
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.zeros(0, np.float32)
