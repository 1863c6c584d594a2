"""Decodes audio files into mono waveforms, only as far as needed.

The duration, and whether the file is truncated, is found from the end of the data; header counts are not trusted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from mmcli.errors import UnusableError
from mmcli.modalities.audio._chunks import mpeg_in_wav, with_open_sizes
from mmcli.modalities.audio._flac import files_of, goes_on, is_cut_flac, promised_samples
from mmcli.modalities.audio._libraries import MpegSound, Sound, in_turn, with_pyav, with_soundfile
from mmcli.modalities.audio._mpeg import is_mpeg_frame, read_mpeg
from mmcli.modalities.audio._ogg import is_damaged, links_of, with_end_flag
from mmcli.modalities.audio._tags import without_tags
from mmcli.modalities.audio._truncated import format_name, is_cut
from mmcli.store.columns import Array

_SOUNDFILE = (b"RIFF", b"RIFX", b"RF64", b"riff", b"fLaC", b"OggS", b"FORM", b"caff", b".snd")
_MISSING = 0.25  # seconds by which one decoder may find less than the other without the file being damaged


def decode(content: bytes, seconds: float) -> tuple[Array, int]:
    """Return a sound's first seconds as the mean of its channels, (S,) float32, and its sample rate in Hz.

    Files joined one after the other (MP3, FLAC, chained Ogg) are read to the end of the last.

    Raises:
        UnusableError: ``corrupt`` if it is not audio, damaged, truncated, or empty.
        AbsentError: It is a video without sound.
    """
    sound = without_tags(content)
    if is_cut(sound) or (content and not sound):
        raise UnusableError("corrupt", f"truncated {format_name(sound or content)}")
    found = in_turn(_parts(sound), seconds)
    if not len(found.samples):
        raise UnusableError("corrupt", "0 audio samples")
    if not np.isfinite(found.samples).all():
        raise UnusableError("corrupt", "NaN or infinite samples")
    return found.samples, found.rate


def _parts(content: bytes) -> Iterator[Callable[[float], Sound]]:
    """Return a decoder for each of the joined files.

    Raises:
        UnusableError: ``corrupt`` if the last frame of an MP3 is cut.
    """
    mpeg = mpeg_in_wav(content) or (content if is_mpeg_frame(content[:2]) else None)
    audio = read_mpeg(mpeg) if mpeg else None
    if mpeg and audio:
        if audio.is_cut:
            raise UnusableError("corrupt", f"truncated {format_name(content)}")
        for part in audio.parts:
            yield MpegSound(mpeg, part)
    elif content.startswith(b"fLaC"):
        yield from (lambda seconds, file=file: _flac(file, seconds) for file in files_of(content))
    elif content.startswith(b"OggS"):
        yield from (lambda seconds, link=link: _ogg(link, seconds) for link in links_of(content))
    else:
        yield lambda seconds: _either(with_open_sizes(content), seconds)


def _either(content: bytes, seconds: float) -> Sound:
    """Decode with one decoder and, if it fails or stops early, with the other; the longer result is right."""
    if not content.startswith(_SOUNDFILE):
        try:
            return with_pyav(content, seconds)
        except UnusableError:
            if (found := with_soundfile(content, seconds)) is None:
                raise
            return found
    found = with_soundfile(content, seconds)
    if found is None:
        return with_pyav(content, seconds)
    if not found.is_short:
        return found
    try:
        other = with_pyav(content, seconds)
    except UnusableError:
        return found
    return other if len(other.samples) / other.rate > len(found.samples) / found.rate + _MISSING else found


def _ogg(content: bytes, seconds: float) -> Sound:
    found = _either(with_end_flag(content), seconds)
    if found.is_short and is_damaged(content):
        raise UnusableError("corrupt", "damaged Ogg")
    return found


def _flac(content: bytes, seconds: float) -> Sound:
    """Decode a FLAC file whose header's sample count may be 0, too low or too high."""
    promised = promised_samples(content)
    found = with_soundfile(content, seconds) if promised else None
    if found and not found.is_short and not (len(found.samples) == promised and goes_on(content, promised)):
        return found
    found = with_pyav(content, seconds)
    if len(found.samples) < round(seconds * found.rate) and is_cut_flac(content, len(found.samples)):
        raise UnusableError("corrupt", "truncated FLAC")
    return found
