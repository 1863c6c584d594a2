"""Sound files as many programs write them: encoders, containers, flags, pipes, joined files, tags before and behind."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from tests.differential.ffmpeg import run
from tests.forms.sound_ends import APE, ID3V1, LYRICS, id3, without_end_flag
from tests.forms.sounds import patched


@dataclass(frozen=True)
class Encoding:
    """How FFmpeg writes a sound.

    Args:
        suffix: Of the file, which names the format where ``arguments`` do not.
        arguments: Of the output.
        rate: In Hz.
        channels: One or more.
        seconds: Of sound.
        piped: It is written to a pipe, so that nothing can be counted afterwards.
    """

    suffix: str
    arguments: tuple[str, ...] = ()
    rate: int = 44100
    channels: int = 1
    seconds: float = 1.3
    piped: bool = False

    @property
    def name(self) -> str:
        words = [self.suffix, *self.arguments, f"{self.rate} Hz", f"{self.channels} ch", "piped" * self.piped]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Variant:
    """A file made of one encoding or several, and what was done to it afterwards."""

    name: str
    encodings: tuple[Encoding, ...]
    change: Callable[[Sequence[bytes]], bytes] = b"".join
    is_loose: bool = False
    """The second decoder keeps what encoders pad, or lacks it, where mmcli does not: only the middle is compared."""

    def parts(self, folder: Path) -> list[bytes]:
        """Write the files of which this one is made."""
        return [encode(encoding, folder, 300 + 150 * number) for number, encoding in enumerate(self.encodings)]


def encode(encoding: Encoding, folder: Path, frequency: float = 300) -> bytes:
    """Write a rising tone, of another level in each channel, with a loud noise in the middle."""
    times = np.arange(round(encoding.seconds * encoding.rate)) / encoding.rate
    tone = np.sin(2 * np.pi * times * (frequency + 90 * times))
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, len(times)) * ((times > 0.4) & (times < 0.7))
    channels = [0.4 / (channel + 1) * tone + noise for channel in range(encoding.channels)]
    source = io.BytesIO()
    soundfile.write(source, np.stack(channels, axis=1), encoding.rate, format="WAV", subtype="FLOAT")
    output = folder / f"a.{encoding.suffix}"
    flags = ("-i", "-", *encoding.arguments)
    form = FORMATS.get(encoding.suffix, encoding.suffix)
    if encoding.piped:
        return run(*flags, "-f", form, "-", given=source.getvalue())[0]
    run(*flags, "-f", form, str(output), given=source.getvalue())
    return output.read_bytes()


FORMATS = {"m4a": "ipod", "aac": "adts", "mka": "matroska", "wma": "asf", "ts": "mpegts", "aif": "aiff", "oga": "ogg"}


def heard(content: bytes, folder: Path) -> tuple[np.ndarray, int]:
    """Return what FFmpeg's executable decodes: the mean of the channels, (S,), and the rate in Hz."""
    path = folder / "heard.bin"
    path.write_bytes(content)
    # FFmpeg's own decoder of Opus rounds and fills noise another way than the reference decoder.
    decoder = ("-c:a", "libopus") if b"OpusHead" in content else ()
    raw, _ = run(*decoder, "-i", str(path), "-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "wav", "-")
    samples, rate = soundfile.read(io.BytesIO(raw), always_2d=True)
    return samples.mean(axis=1), rate


def _encodings() -> Iterator[Encoding]:
    for rate in (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000):
        yield Encoding("mp3", ("-b:a", "64k", "-write_xing", "0"), rate)
        yield Encoding("mp3", ("-q:a", "4"), rate, 2)
    yield Encoding("mp3", ("-q:a", "6", "-write_xing", "0", "-id3v2_version", "0"), 44100, 2, 6.0)
    yield Encoding("mp3", ("-abr", "1", "-b:a", "96k"), 32000)
    yield Encoding("mp3", ("-id3v2_version", "3", "-write_id3v1", "1", "-metadata", "title=a"))
    yield Encoding("mp3", ("-flags", "+bitexact", "-fflags", "+bitexact", "-b:a", "128k"))
    yield Encoding("mp3", ("-reservoir", "0", "-b:a", "320k"), 48000, 2)
    yield Encoding("mp3", ("-b:a", "128k", "-joint_stereo", "0"), 44100, 2, piped=True)
    yield Encoding("mp2", ("-b:a", "192k"), 48000, 2)
    yield Encoding("mp2", ("-b:a", "64k"), 22050)
    for codec in ("pcm_u8", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_alaw", "pcm_mulaw",
                  "adpcm_ms", "adpcm_ima_wav", "libmp3lame", "mp2", "g726"):  # fmt: skip
        yield Encoding("wav", ("-c:a", codec), 8000 if codec == "g726" else 22050)
    for piped in (False, True):
        yield Encoding("wav", (), 16000, 2, piped=piped)
        yield Encoding("wav", ("-bitexact", "-metadata", "title=a"), piped=piped)
        yield Encoding("wav", ("-c:a", "libmp3lame"), 44100, 2, piped=piped)
        yield Encoding("flac", (), 44100, 2, piped=piped)
        yield Encoding("flac", ("-sample_fmt", "s32", "-compression_level", "8"), 96000, piped=piped)
        yield Encoding("flac", ("-frame_size", "1024"), 8000, piped=piped)
        yield Encoding("au", (), 22050, 2, piped=piped)
        yield Encoding("caf", (), 44100, 2, piped=piped)
        yield Encoding("aac", ("-b:a", "96k"), 44100, 2, piped=piped)
        yield Encoding("ac3", (), 48000, 2, piped=piped)
        yield Encoding("eac3", (), 48000, piped=piped)
        yield Encoding("ts", ("-c:a", "aac"), 48000, piped=piped)
        yield Encoding("ts", ("-c:a", "libmp3lame"), 44100, 2, piped=piped)
        yield Encoding("oga", ("-c:a", "libvorbis", "-q:a", "3"), 44100, 2, piped=piped)
        yield Encoding("oga", ("-c:a", "libopus", "-b:a", "24k"), 48000, piped=piped)
        yield Encoding("oga", ("-c:a", "flac"), 44100, piped=piped)
        yield Encoding("opus", ("-frame_duration", "60", "-page_duration", "20000"), 48000, 2, piped=piped)
        yield Encoding("mka", ("-c:a", "aac"), 44100, piped=piped)
        yield Encoding("mka", ("-c:a", "flac", "-live", "1"), 44100, piped=piped)
        yield Encoding("mka", ("-c:a", "libmp3lame"), 44100, piped=piped)
        yield Encoding("webm", ("-c:a", "libopus"), 48000, 2, piped=piped)
        yield Encoding("webm", ("-c:a", "libvorbis", "-live", "1"), 44100, piped=piped)
        yield Encoding("m4a", ("-movflags", "frag_keyframe+empty_moov"), 44100, 2, piped=piped)
        yield Encoding("wma", ("-c:a", "wmav2"), 44100, 2, piped=piped)
        yield Encoding("tta", (), 44100, piped=piped)
        yield Encoding("wv", (), 44100, 2, piped=piped)
    yield Encoding("wav", ("-rf64", "always"), 44100, 6)
    yield Encoding("w64", (), 44100, 2)
    yield Encoding("aif", (), 44100, 2)
    yield Encoding("aif", ("-c:a", "pcm_s16le"), 22050)
    yield Encoding("m4a", ("-movflags", "+faststart"), 48000, 2)
    yield Encoding("m4a", ("-use_editlist", "0"))
    yield Encoding("m4a", ("-c:a", "alac"), 44100, 2)
    yield Encoding("m4a", ("-ss", "0.31"), 44100)
    yield Encoding("mov", ("-c:a", "pcm_s24le"), 48000)
    yield Encoding("avi", ("-c:a", "libmp3lame"), 44100, 2)
    yield Encoding("flv", ("-c:a", "aac"), 44100, 2)


def _mp3(frequency_rate: int = 44100, *arguments: str, channels: int = 1) -> Encoding:
    return Encoding("mp3", arguments or ("-b:a", "64k"), frequency_rate, channels)


def _counting(frames: int) -> Callable[[Sequence[bytes]], bytes]:
    def change(parts: Sequence[bytes]) -> bytes:
        (content,) = parts
        return patched(content, max(content.find(b"Xing"), content.find(b"Info")) + 8, ">I", frames)

    return change


def _flac_counting(samples: int) -> Callable[[Sequence[bytes]], bytes]:
    def change(parts: Sequence[bytes]) -> bytes:
        (content,) = parts
        head = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
        return content[:18] + head.to_bytes(8, "big") + content[26:]

    return change


def _data_size(size: int) -> Callable[[Sequence[bytes]], bytes]:
    def change(parts: Sequence[bytes]) -> bytes:
        (content,) = parts
        return patched(content, content.find(b"data") + 4, "<I", size)

    return change


def _between(before: bytes, after: bytes) -> Callable[[Sequence[bytes]], bytes]:
    return lambda parts: b"".join(before + part + after for part in parts)


def _without_end_flags(parts: Sequence[bytes]) -> bytes:
    return b"".join(without_end_flag(part) for part in parts)


_CHUNK = b"LIST" + struct.pack("<I", 12) + b"INFOIART\0\0\0\0"
_OGG = Encoding("oga", ("-c:a", "libvorbis"), 44100)
_OPUS = Encoding("opus", ("-b:a", "24k"), 48000)
_FLAC, _WAV, _AAC = Encoding("flac"), Encoding("wav", ("-bitexact",)), Encoding("aac")


def _changed() -> Iterator[Variant]:
    plain = _mp3(44100, "-b:a", "64k", "-write_xing", "0", "-id3v2_version", "0")
    yield Variant("MP3 joined", (_mp3(), _mp3()))
    yield Variant("MP3 joined, three", (_mp3(), _mp3(), _mp3()))
    yield Variant("MP3 joined, VBR", (_mp3(44100, "-q:a", "5"), _mp3(44100, "-q:a", "2")))
    yield Variant("MP3 joined, stereo and mono", (_mp3(channels=2), _mp3()))
    yield Variant("MP3 joined, other layout of frames", (_mp3(), _mp3(44100, "-b:a", "320k", channels=2)))
    yield Variant("MP3 joined, tags", (_mp3(), _mp3()), _between(id3(), LYRICS + APE + ID3V1))
    yield Variant("MP3 joined, no headers", (plain, plain), is_loose=True)
    yield Variant("MP3, too many frames", (_mp3(),), _counting(10**6), is_loose=True)
    yield Variant("MP3, too few frames", (_mp3(),), _counting(3), is_loose=True)
    yield Variant("MP3, 0 frames", (_mp3(),), _counting(0), is_loose=True)
    yield Variant("MP3, tags behind", (_mp3(),), _between(b"", LYRICS + APE + ID3V1))
    yield Variant("MP3, two tags before", (_mp3(),), _between(id3() + id3(2000), b""))
    yield Variant("MP3, padding behind", (_mp3(),), _between(b"", bytes(5000)))
    yield Variant("MP3, text behind", (_mp3(),), _between(b"", b"some text " * 30))
    yield Variant("MP3, zeros before", (_mp3(44100, "-b:a", "64k", "-id3v2_version", "0"),), _between(bytes(700), b""))
    yield Variant("WAV, size 0", (_WAV,), _data_size(0))
    yield Variant("WAV, size left open", (_WAV,), _data_size(0xFFFFFFFF))
    yield Variant("WAV, chunk behind", (_WAV,), _between(b"", _CHUNK))
    yield Variant("WAV, text behind", (_WAV,), _between(b"", b"some text"))
    yield Variant(
        "RF64, sizes 0",
        (Encoding("wav", ("-rf64", "always"), channels=2),),
        lambda parts: patched(parts[0], parts[0].find(b"ds64") + 8, "<QQQ", 0, 0, 0),
    )
    yield Variant("AU, size 0", (Encoding("au"),), lambda parts: patched(parts[0], 8, ">I", 0))
    yield Variant("FLAC, no count", (_FLAC,), _flac_counting(0))
    yield Variant("FLAC, low count", (_FLAC,), _flac_counting(5000))
    yield Variant("FLAC, high count", (_FLAC,), _flac_counting(10**7))
    yield Variant("FLAC, text behind, no count", (Encoding("flac", piped=True),), _between(b"", b"some text"))
    yield Variant("FLAC joined", (_FLAC, _FLAC))
    yield Variant("FLAC joined, no counts", (Encoding("flac", piped=True), Encoding("flac", piped=True)))
    yield Variant("FLAC, tags", (_FLAC,), _between(id3(), ID3V1))
    yield Variant("FLAC, text behind", (_FLAC,), _between(b"", b"some text"))
    yield Variant("FLAC, zeros behind, no count", (_FLAC,), lambda parts: _flac_counting(0)(parts) + bytes(100))
    for kind in (_OGG, _OPUS):
        loose = kind is _OGG  # FFmpeg does not end Vorbis where its last page says
        yield Variant(f"{kind.suffix} chained", (kind, kind), is_loose=loose)
        yield Variant(f"{kind.suffix} chained, three", (kind, kind, kind), is_loose=loose)
        yield Variant(f"{kind.suffix} without end", (kind,), _without_end_flags)
        yield Variant(f"{kind.suffix} chained without ends", (kind, kind), _without_end_flags, loose)
        yield Variant(f"{kind.suffix}, tags", (kind,), _between(id3(), ID3V1))
        yield Variant(f"{kind.suffix}, text behind", (kind,), _between(b"", b"some text"))
    yield Variant("Ogg chained, Vorbis and Opus", (_OGG, _OPUS), is_loose=True)
    yield Variant("AAC joined", (_AAC, _AAC), is_loose=True)
    yield Variant("AAC, tags", (_AAC,), _between(id3(), ID3V1))
    yield Variant("M4A, text behind", (Encoding("m4a"),), _between(b"", b"some text"))
    yield Variant("M4A, tags behind", (Encoding("m4a"),), _between(b"", APE + ID3V1))


def variants() -> list[Variant]:
    """Return the variants that are tried at all times."""
    # In fragments, FFmpeg keeps what the last frame holds behind the end.
    plain = [Variant(each.name, (each,), is_loose="frag" in each.name) for each in _encodings()]
    return [*plain, *_changed()]


def random_variants(count: int, seed: int = 0) -> Iterator[Variant]:
    """Return drawn variants: other rates, channels, lengths and bit rates, joined and tagged."""
    draw = random.Random(seed)
    for number in range(count):
        base = draw.choice(variants())
        seconds, rate, channels = draw.uniform(0.3, 3), draw.choice((16000, 22050, 24000, 32000, 44100, 48000)), 1
        if base.encodings[0].channels < 3:
            channels = draw.choice((1, 2))
        fixed = {"opus", "webm", "ac3", "eac3", "wma", "mp2"}
        encodings = tuple(
            Encoding(e.suffix, e.arguments, e.rate if e.suffix in fixed or "libopus" in e.arguments or "g726" in
                     e.arguments else rate, e.channels if "g726" in e.arguments else channels, seconds + 0.4 * ("-ss"
                     in e.arguments), draw.random() < 0.3 and e.suffix in PIPED)
            for e in base.encodings
        )  # fmt: skip
        names = " + ".join(f"{encoding.name} {encoding.seconds:.3f} s" for encoding in encodings)
        yield Variant(f"{number}: {base.name}: {names}", encodings, base.change, base.is_loose)


PIPED = {"flac", "caf", "aac", "ts", "mka", "tta", "wv"}
