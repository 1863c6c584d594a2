"""Sound files whose headers count wrong or not at all, files joined, and what may stand before and after sound."""

from __future__ import annotations

import struct
import zlib

from tests.forms.form import Form
from tests.forms.sounds import bad, hears, patched, sine
from tests.forms.tones import RATE, encode_by_ffmpeg, level, tone

_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def mp3(frequency=1000, rate=RATE, *, counted=True, seconds=1.0) -> bytes:
    options = {"write_xing": str(int(counted)), "id3v2_version": "0"}
    return encode_by_ffmpeg(tone(frequency, seconds, rate), "mp3", "libmp3lame", rate, options=options)


def counting(content: bytes, frames: int) -> bytes:
    """An MP3 whose Xing or Info header counts other frames."""
    at = max(content.find(b"Xing"), content.find(b"Info"))
    return patched(content, at + 8, ">I", frames)


def mp3_in_wav() -> bytes:
    return encode_by_ffmpeg(tone(1000), "wav", "libmp3lame", RATE)


def flac_counting(samples: int) -> bytes:
    content = sine("FLAC")
    head = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
    return content[:18] + head.to_bytes(8, "big") + content[26:]


def cut_flac(content: bytes) -> bytes:
    return content[: len(content) * 3 // 5]


def ogg(subtype: str, frequency=1000) -> bytes:
    return sine("OGG", subtype, 48000 if subtype == "OPUS" else RATE, frequency)


def without_end_flag(content: bytes) -> bytes:
    """An Ogg file whose last page is not marked as the last; its checksum is right."""
    at = content.rfind(b"OggS")
    page = bytearray(content[at:])
    page[5] &= ~4
    page[22:26] = bytes(4)
    mirrored = zlib.crc32(page.translate(_MIRROR), 0xFFFFFFFF) ^ 0xFFFFFFFF
    page[22:26] = struct.pack("<I", int(f"{mirrored:032b}"[::-1], 2))
    return content[:at] + page


def webm_of_open_size() -> bytes:
    return encode_by_ffmpeg(tone(1000, rate=48000), "webm", "libopus", 48000, options={"live": "1"})


def id3(size=300) -> bytes:
    return b"ID3\4\0\0" + bytes((0, 0, size >> 7, size & 0x7F)) + bytes(size)


ID3V1 = b"TAG" + bytes(125)
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
LYRICS = b"LYRICSBEGIN" + b"IND0000200" + b"000021LYRICS200"


def follows(first=1000, second=3000, *, slack=0.02, residue=0.03):
    """A second of one frequency, then a second of another."""

    def right(values):
        samples = values[""]
        assert abs(len(samples) - 2 * RATE) <= 2 * slack * RATE
        half = len(samples) // 2
        for part, present, absent in ((samples[:half], first, second), (samples[half:], second, first)):
            assert abs(level(part, present) - 0.5) <= 0.02 + residue
            assert level(part, absent) <= residue

    return right


def whole(name, content, *, slack=0.12, residue=0.03, means="") -> Form:
    return Form(name, content, right=hears(slack=slack, residue=residue), means=means)


def joined(name, content, *, slack=0.02) -> Form:
    return Form(name, content, right=follows(slack=slack), means="both, in order")


FORMS = [
    whole("MP3 without a Xing or Info header", lambda: mp3(counted=False)),
    *(whole(f"MP3 without a Xing or Info header, {rate} Hz", lambda rate=rate: mp3(rate=rate, counted=False),
            slack=0.15) for rate in (22050, 24000, 44100, 48000)),
    whole("MP3 with too high a frame count", lambda: counting(mp3(), 9999), means="read to its end"),
    whole("MP3 with too low a frame count", lambda: counting(mp3(), 5), means="read to its end"),
    joined("two MP3 files joined", lambda: mp3(1000) + mp3(3000)),
    joined("two MP3 files joined, with tags between and after",
           lambda: id3() + mp3(1000) + ID3V1 + id3() + mp3(3000) + APE + ID3V1),
    joined("two MP3 files joined, without headers",
           lambda: mp3(1000, counted=False) + mp3(3000, counted=False), slack=0.12),
    joined("two MP3 files of different sample rates joined", lambda: mp3(1000) + mp3(3000, 44100)),
    whole("MP3 with ID3v1, APE and lyrics tags at the end", lambda: mp3() + LYRICS + APE + ID3V1),
    whole("MP3 with trailing bytes", lambda: mp3() + b"\0" * 3000 + b"text"),
    whole("MP2", lambda: encode_by_ffmpeg(tone(1000), "mp2", "mp2", RATE)),
    whole("WAV that contains MP3", mp3_in_wav),
    whole("WAV with a data size of 0", lambda: patched(sine(), 40, "<I", 0), slack=0.0, residue=0.001,
          means="read to its end"),
    whole("WAV with trailing bytes", lambda: sine() + b"text" * 9, slack=0.0, residue=0.001),
    whole("AU with a data size of 0", lambda: patched(sine("AU"), 8, ">I", 0), slack=0.0, residue=0.001,
          means="read to its end"),
    whole("AU written to a pipe", lambda: patched(sine("AU"), 8, ">I", 0xFFFFFFFF), slack=0.0, residue=0.001),
    whole("AIFF with a count of 0 samples", lambda: patched(content := sine("AIFF"), content.find(b"COMM") + 10,
          ">I", 0), slack=0.0, residue=0.001),
    whole("FLAC written to a pipe (unknown length)", lambda: flac_counting(0), slack=0.0, residue=0.001),
    whole("FLAC with too low a sample count", lambda: flac_counting(4096), slack=0.0, residue=0.001,
          means="read to its end"),
    whole("FLAC with too high a sample count", lambda: flac_counting(99999), slack=0.0, residue=0.001,
          means="read to its end"),
    whole("FLAC with ID3 tags at both ends", lambda: id3() + sine("FLAC") + ID3V1, slack=0.0, residue=0.001),
    joined("two FLAC files joined", lambda: sine("FLAC") + sine("FLAC", frequency=3000), slack=0.0),
    whole("Ogg Vorbis without an end-of-stream flag", lambda: without_end_flag(ogg("VORBIS"))),
    whole("Ogg Opus without an end-of-stream flag", lambda: without_end_flag(ogg("OPUS")), slack=0.001),
    joined("Ogg Vorbis, chained", lambda: ogg("VORBIS") + ogg("VORBIS", 3000)),
    joined("Ogg Opus, chained", lambda: ogg("OPUS") + ogg("OPUS", 3000)),
    joined("Ogg Opus, chained, without end-of-stream flags",
           lambda: without_end_flag(ogg("OPUS")) + without_end_flag(ogg("OPUS", 3000))),
    whole("Ogg with ID3 tags at both ends", lambda: id3() + ogg("VORBIS") + ID3V1),
    joined("two AAC (ADTS) files joined", lambda: aac(1000) + aac(3000), slack=0.15),
    whole("WebM, Opus, unknown size", webm_of_open_size),
    bad("MP3 without a header, cut inside a frame", lambda: mp3(counted=False)[:-50], "truncated MP3"),
    bad("MP3 without a header, cut two bytes into a frame", lambda: mp3(counted=False) + b"\xff\xf3",
        "truncated MP3"),
    bad("MP3 after zeros, cut inside a frame", lambda: bytes(700) + mp3(counted=False)[:-50], "truncated MP3"),
    bad("two MP3 files joined, the second cut inside a frame", lambda: (mp3() + mp3(3000))[:-50], "truncated MP3"),
    bad("MP3 without a header, cut inside a frame, then a tag", lambda: mp3(counted=False)[:-50] + ID3V1,
        "truncated MP3"),
    bad("FLAC of unknown length, cut", lambda: cut_flac(flac_counting(0)), "damaged or truncated FLAC"),
    bad("WebM of unknown size, cut", lambda: webm_of_open_size()[:-60], "truncated Matroska or WebM"),
    bad("Ogg, chained, the second cut", lambda: (ogg("VORBIS") + ogg("VORBIS", 3000))[:-60], "truncated Ogg"),
]  # fmt: skip


def aac(frequency) -> bytes:
    return encode_by_ffmpeg(tone(frequency), "adts", "aac", RATE)
