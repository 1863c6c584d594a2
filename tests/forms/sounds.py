"""Forms that a sound file may take, and damage done to it."""

from __future__ import annotations

import struct
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tests.forms.form import Form
from tests.forms.tones import RATE, encode, encode_by_ffmpeg, level, noise, rest, silent_film, tone


def hears(frequency=1000, amplitude=0.5, *, seconds=1.0, slack=0.01, residue=0.001):
    """A sine of this frequency and amplitude, and next to nothing else."""

    def right(values):
        samples = values[""]
        assert abs(len(samples) - seconds * RATE) <= 1 + slack * RATE
        assert abs(level(samples, frequency) - amplitude) <= 0.01 * amplitude + residue
        assert rest(samples, frequency) <= residue

    return right


def holds(*samples):
    def right(values):
        assert values[""].tolist() == list(samples)

    return right


def is_quiet(values):
    assert len(values[""]) == RATE
    assert np.abs(values[""][500:-500].astype(int)).max() <= 2


def ok(name, content, right=None, means="", suffix="", **options) -> Form:
    return Form(name, content, suffix, right=right or hears(), means=means, options=options)


def lossy(name, content, means="") -> Form:
    return ok(name, content, hears(slack=0.12, residue=0.03), means)


def bad(name, content, reason, status="corrupt", **options) -> Form:
    return Form(name, content, status=status, reason=reason, options=options)


def sine(form="WAV", subtype="PCM_16", rate=RATE, frequency=1000):
    return encode(tone(frequency, rate=rate), rate, form, subtype)


def channels(*amplitudes) -> bytes:
    return encode(np.stack([tone(1000, amplitude=amplitude) for amplitude in amplitudes], 1))


def in_mp4(container="ipod", codec="aac", **options) -> bytes:
    """FFmpeg moves an MP4's index to the front only in a file that it can open again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        return encode_by_ffmpeg(tone(1000), container, codec, RATE, path, **options)


def patched(content: bytes, at: int, form: str, *values: int) -> bytes:
    return content[:at] + struct.pack(form, *values) + content[at + struct.calcsize(form) :]


@cache
def folder() -> tempfile.TemporaryDirectory:
    """A folder with a sound; it goes when the tests end."""
    place = tempfile.TemporaryDirectory()
    (Path(place.name) / "a.wav").write_bytes(sine())
    return place


def playlist() -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{folder().name}/a.wav\n#EXT-X-ENDLIST\n".encode()


def concatenation() -> bytes:
    return f"ffconcat version 1.0\nfile 'file://{folder().name}/a.wav'\n".encode()


def mixed(rate: int) -> bytes:
    return encode(tone(1000, rate=rate) + tone(rate * 0.45, rate=rate, amplitude=0.4), rate, subtype="FLOAT")


WAV_SUBTYPES = {
    "8 bit": ("PCM_U8", 0.005), "16 bit": ("PCM_16", 0.001), "24 bit": ("PCM_24", 0.001), "32 bit": ("PCM_32", 0.001),
    "float32": ("FLOAT", 0.001), "float64": ("DOUBLE", 0.001), "A-law": ("ALAW", 0.02), "mu-law": ("ULAW", 0.02),
    "IMA ADPCM": ("IMA_ADPCM", 0.02),
}  # fmt: skip
FORMS = [
    *(ok(f"WAV, {name}", lambda s=subtype: sine(subtype=s), hears(residue=residue, slack=0.04))
      for name, (subtype, residue) in WAV_SUBTYPES.items()),
    ok("WAV with the suffix .mp3", sine, means="detected from the content", suffix=".mp3"),
    ok("WAV, written to a pipe (no size in its header)", lambda: patched(sine(), 40, "<I", 0xFFFFFFFF)),
    ok("WAV with a wrong RIFF size", lambda: patched(sine(), 4, "<I", 99)),
    ok("RF64", lambda: sine("RF64")),
    ok("WAV, Sony W64", lambda: sine("W64")),
    ok("AIFF", lambda: sine("AIFF")),
    ok("AIFF, 24 bit", lambda: sine("AIFF", "PCM_24")),
    ok("AU", lambda: sine("AU")),
    ok("CAF", lambda: sine("CAF")),
    ok("FLAC, 16 bit", lambda: sine("FLAC")),
    ok("FLAC, 24 bit", lambda: sine("FLAC", "PCM_24")),
    lossy("MP3", lambda: sine("MP3", "MPEG_LAYER_III")),
    lossy("Ogg Vorbis", lambda: sine("OGG", "VORBIS")),
    lossy("Ogg Opus", lambda: sine("OGG", "OPUS")),
    lossy("WebM, Opus", lambda: encode_by_ffmpeg(tone(1000, rate=48000), "webm", "libopus", 48000)),
    lossy("M4A (AAC)", in_mp4),
    lossy("M4A (AAC), index in front", lambda: in_mp4(options={"movflags": "faststart"})),
    lossy("M4A (AAC), in fragments", lambda: in_mp4(options={"movflags": "frag_keyframe+empty_moov"})),
    lossy("AAC (ADTS)", lambda: encode_by_ffmpeg(tone(1000), "adts", "aac", RATE)),
    lossy("MP4 video", lambda: in_mp4("mp4", film="mpeg4"), means="its sound track"),
    lossy("MOV video", lambda: in_mp4("mov", film="mpeg4"), means="its sound track"),
    lossy("Matroska video", lambda: encode_by_ffmpeg(tone(1000), "matroska", "aac", RATE, film="mpeg4"),
          means="its sound track"),
    lossy("WebM video", lambda: encode_by_ffmpeg(tone(1000, rate=48000), "webm", "libopus", 48000, film="libvpx"),
          means="its sound track"),
    lossy("AVI video", lambda: encode_by_ffmpeg(tone(1000), "avi", "libmp3lame", RATE, film="mpeg4"),
          means="its sound track"),
    ok("stereo", lambda: channels(0.5, 0.25), hears(amplitude=0.375), means="mean of the channels"),
    ok("5.1 channels", lambda: channels(0.6, 0, 0, 0, 0, 0.3), hears(amplitude=0.15), means="mean of the channels"),
    ok("8 channels", lambda: channels(0.8, *[0] * 7), hears(amplitude=0.1), means="mean of the channels"),
    *(ok(f"{rate} Hz", lambda rate=rate: sine(rate=rate), hears(), means="resampled to 16000 Hz at the same level")
      for rate in (8000, 11025, 22050, 44100, 48000, 96000, 192000)),
    *(ok(f"{rate} Hz, a second tone at {rate * 0.45:.0f} Hz", lambda rate=rate: mixed(rate),
         means="the second tone removed, not aliased") for rate in (22050, 44100, 48000, 96000, 192000)),
    ok("only a tone above half the target rate", lambda: sine(rate=44100, frequency=11000), is_quiet, "silence"),
    ok("silence", lambda: encode(np.zeros(RATE)), holds(*[0] * RATE)),
    ok("one sample", lambda: encode(np.array([0.5])), holds(16384)),
    ok("float samples louder than full scale", lambda: encode(np.array([2.0, -2.0, 0.5]), subtype="FLOAT"),
       holds(32767, -32768, 16384), means="clipped"),
    ok("12 seconds", lambda: encode(tone(1000, 12)), hears(seconds=10), means="the first 10"),
]  # fmt: skip


def long(form, subtype="PCM_16") -> bytes:
    return encode(noise(2), form=form, subtype=subtype)


def in_webm() -> bytes:
    return encode_by_ffmpeg(noise(2, 48000), "webm", "libopus", 48000)


TRUNCATED = {
    "WAV": lambda: long("WAV"), "AIFF": lambda: long("AIFF"), "AU": lambda: long("AU"), "CAF": lambda: long("CAF"),
    "W64": lambda: long("W64"), "Ogg": lambda: long("OGG", "VORBIS"), "MP3": lambda: long("MP3", "MPEG_LAYER_III"),
    "FLAC": lambda: long("FLAC"), "MP4": lambda: in_mp4(options={"movflags": "faststart"}), "Matroska or WebM": in_webm,
}  # fmt: skip


def cut_packet(content: bytes) -> bytes:
    """An Ogg file without its last page, whose last packet but one goes on in it."""
    kept = content[: content.rfind(b"OggS")]
    page = kept.rfind(b"OggS")
    last = page + 26 + kept[page + 26]
    return kept[:last] + b"\xff" + kept[last + 1 :] + bytes(255 - kept[last])


def head(content, share: float) -> bytes:
    return content[: int(len(content) * share)]


DAMAGED = [
    ok("undamaged", sine),
    bad("empty file", lambda: b"", "0 bytes"),
    bad("text", lambda: b"hello", "not audio"),
    bad("zeros", lambda: bytes(5000), "not audio"),
    bad("playlist (M3U8) of an audio file", playlist, "not audio"),
    bad("playlist (ffconcat) of an audio file", concatenation, "not audio"),
    bad("video without sound", silent_film, "no sound track", "missing"),
    bad("header only", lambda: encode(np.zeros(0)), "0 audio samples"),
    bad("NaN samples", lambda: encode(np.array([0, np.nan, 0]), subtype="FLOAT"), "NaN or infinite samples"),
    bad("infinite samples", lambda: encode(np.array([0, np.inf, 0]), subtype="DOUBLE"), "NaN or infinite samples"),
    *(bad(f"{name}, first {share:.0%}", lambda make=make, share=share: head(make(), share),
          f"{'damaged or ' * (name == 'FLAC')}truncated {name}")
      for name, make in TRUNCATED.items() for share in (0.05, 0.5, 0.97)),
    bad("Ogg, cut between two pages inside a packet", lambda: cut_packet(long("OGG", "VORBIS")), "truncated Ogg"),
    bad("WAV that claims 10⁹ samples", lambda: patched(sine(), 40, "<I", 0x7FFEFFFF), "truncated WAV"),
    bad("WAV of 0 Hz", lambda: patched(sine(), 24, "<I", 0), "damaged or truncated WAV"),
    bad("WAV of 2 000 000 000 Hz", lambda: patched(sine(), 24, "<I", 2_000_000_000),
        "damaged audio: a sample rate of 2000000000 Hz"),
    bad("WAV of 0 channels", lambda: patched(sine(), 22, "<H", 0), "damaged or truncated WAV"),
    bad("WAV of 65 535 channels", lambda: patched(sine(), 22, "<H", 65535), "damaged or truncated WAV"),
]  # fmt: skip
