"""The two decoders: libsndfile and FFmpeg, each decodes the first seconds of a file in memory."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcli.errors import AbsentError, UnusableError
from mmcli.modalities.audio._mpeg import MpegPart, decode_part, read_mpeg
from mmcli.modalities.audio._resample import resample
from mmcli.modalities.audio._truncated import format_name
from mmcli.modalities.containers import open_container, pictures_of
from mmcli.store.columns import Array

_BLOCK = 2**20  # samples, all channels together
_RATES = (1000, 768_000)
_DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,mov,mp3,mpc,mpc8,mpeg,mpegts,"
    "nistsphere,ogg,shn,tak,truehd,tta,voc,w64,wav,wv,xwma"
)
_LAST_ENTRIES = 1000
_PADDING = 4096  # samples: twice the longest AAC frame
_NO_END = 2**62  # libsndfile reports at least this for a file of unknown length


@dataclass(frozen=True)
class Sound:
    """The mean of the channels, (S,) float32, its rate in Hz, and whether it is shorter than the file claims."""

    samples: Array
    rate: int
    is_short: bool = False


class _Bytes(io.BytesIO):
    """Bytes that tolerate a seek before their start, as libsndfile does if headers are wrong."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def with_soundfile(content: bytes, seconds: float) -> Sound | None:
    """Decode the first seconds with libsndfile; None if it does not know the format or cannot decode to the end.

    Raises:
        UnusableError: ``corrupt`` if the sample rate is implausible.
    """
    import soundfile

    try:
        file = soundfile.SoundFile(_Bytes(content))
    except (soundfile.LibsndfileError, TypeError):
        return None
    with file:
        needed = needed_samples(file.samplerate, seconds)
        if file.frames >= _NO_END:
            needed = min(needed, len(content) * _BLOCK)
        try:
            samples = join(_blocks(file, needed))
        except soundfile.LibsndfileError:
            return None
        return Sound(samples, file.samplerate, len(samples) < min(needed, file.frames) and file.frames < _NO_END)


def _blocks(file: Any, needed: int) -> Iterator[Array]:
    size = max(1, _BLOCK // file.channels)
    while needed > 0 and len(block := file.read(min(size, needed), dtype="float32", always_2d=True)):
        needed -= len(block)
        yield block.mean(axis=1)


def with_pyav(content: bytes, seconds: float) -> Sound:
    """Decode the first seconds with FFmpeg.

    Raises:
        UnusableError: ``corrupt`` if FFmpeg does not know the format or finds damage.
        AbsentError: It is a video without sound.
    """
    try:
        container = open_container(content, _DEMUXERS)
    except Exception:  # arbitrary bytes make FFmpeg fail in any way
        name = format_name(content)
        raise UnusableError("corrupt", "not audio" if name == "audio" else f"damaged or truncated {name}") from None
    with container:
        if container.format.name == "mp3" and (found := read_mpeg(content)):
            if found.is_cut:
                raise UnusableError("corrupt", "truncated MP3")
            return in_turn([MpegSound(content, part) for part in found.parts], seconds)
        if not container.streams.audio:
            if pictures_of(container):
                raise AbsentError("no sound track")
            raise UnusableError("corrupt", "no sound in it")
        stream = container.streams.audio[0]
        try:
            if stream.codec_context.name == "flac":
                stream.codec_context.options = {"err_detect": "crccheck+explode"}
            rate = int(stream.rate)
            needed = needed_samples(rate, seconds)
            samples = join(_frames(container, stream, needed, rate))
            if len(samples) < needed and _index_ends_outside(stream, len(content)):
                raise UnusableError("corrupt", f"truncated {format_name(content)}")
            return Sound(_without_padding(samples, container, stream, rate), rate)
        except UnusableError:
            raise
        except Exception:  # FFmpeg fails in any way on damaged bytes
            raise UnusableError("corrupt", f"damaged or truncated {format_name(content)}") from None


def _frames(container: Any, stream: Any, needed: int, rate: int) -> Iterator[Array]:
    import av

    # Interleaved: with one plane per channel, PyAV reads past the last if there are more than eight.
    interleaved, form = None, None
    for frame in container.decode(stream):
        if form != (frame.format.name, frame.layout.name, frame.sample_rate):
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            interleaved = av.AudioResampler(format="flt", rate=rate)
        assert interleaved is not None
        for part in interleaved.resample(frame):
            block = part.to_ndarray().reshape(-1, part.layout.nb_channels).mean(axis=1)
            needed -= len(block)
            yield block[: len(block) + min(needed, 0)]
        if needed <= 0:
            return


def _without_padding(samples: Array, container: Any, stream: Any, rate: int) -> Array:
    """Drop the samples after the end set by an MP4's edit list, which FFmpeg keeps."""
    if not container.format.name.startswith("mov") or stream.duration is None:
        return samples
    end = round(float(stream.duration * stream.time_base) * rate)
    return samples[:end] if 0 < len(samples) - end <= _PADDING and end > 0 else samples


def _index_ends_outside(stream: Any, size: int) -> bool:
    """Return whether the last packets in a file's index lie beyond its end."""
    entries = stream.index_entries
    last = (entries[place] for place in range(max(0, len(entries) - _LAST_ENTRIES), len(entries)))
    return any(entry.pos + entry.size > size for entry in last)


@dataclass(frozen=True)
class MpegSound:
    """Decodes a run of MPEG audio frames."""

    content: bytes
    part: MpegPart

    def __call__(self, seconds: float) -> Sound:
        """Decode the first seconds.

        Raises:
            UnusableError: ``corrupt`` if frames are damaged.
        """
        try:
            return Sound(join(self._blocks(needed_samples(self.part.rate, seconds))), self.part.rate)
        except UnusableError:
            raise
        except Exception:  # FFmpeg fails in any way on damaged bytes
            raise UnusableError("corrupt", "damaged MP3") from None

    def _blocks(self, needed: int) -> Iterator[Array]:
        for block in decode_part(self.content, self.part):
            yield block[:needed]
            needed -= len(block)
            if needed <= 0:
                return


def in_turn(parts: Any, seconds: float) -> Sound:
    """Decode consecutive parts, at the rate of the first, until there are enough seconds."""
    found: list[Array] = []
    rate, left = 0, seconds
    for part in parts:
        sound: Sound = part(left)
        rate = rate or sound.rate
        samples = sound.samples if sound.rate == rate else resample(sound.samples, sound.rate, rate)
        found.append(samples)
        left -= len(samples) / rate
        if left * rate < 1:
            break
    return Sound(join(iter(found)), rate)


def needed_samples(rate: int, seconds: float) -> int:
    """Return the number of samples in some seconds.

    Raises:
        UnusableError: ``corrupt`` if the rate is implausible.
    """
    if not _RATES[0] <= rate <= _RATES[1]:
        raise UnusableError("corrupt", f"damaged audio: a sample rate of {rate} Hz")
    return round(seconds * rate)


def join(blocks: Iterator[Array]) -> Array:
    """Concatenate blocks (S,), as float32."""
    parts = list(blocks)
    return np.concatenate(parts).astype(np.float32, copy=False) if parts else np.zeros(0, np.float32)
