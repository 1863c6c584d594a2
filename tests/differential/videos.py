"""Videos in many encoders, containers and header variants, all of them written by FFmpeg out of one small film."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np

from tests.differential.ffmpeg import run

SIDE, COUNT, RATE = 32, 20, 10
_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "12", "-pix_fmt", "yuv420p")
_B_FRAMES = (*_X264, "-bf", "2", "-g", "6", "-x264-params", "b-adapt=0:scenecut=0")
_X265 = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p",
         "-x265-params", "log-level=none:bframes=2:keyint=6:qp=12:pools=1")  # fmt: skip
_MPEG4 = ("-c:v", "mpeg4", "-qscale:v", "2", "-g", "6")
_MPEG2 = ("-c:v", "mpeg2video", "-qscale:v", "2", "-g", "6")
_MPEG1 = ("-c:v", "mpeg1video", "-qscale:v", "2", "-g", "6", "-r", "25")
_MJPEG = ("-c:v", "mjpeg", "-qscale:v", "2", "-pix_fmt", "yuvj420p")
_VP8 = ("-c:v", "libvpx", "-b:v", "1M", "-deadline", "realtime", "-cpu-used", "8", "-g", "6", "-pix_fmt", "yuv420p")
_VP9 = ("-c:v", "libvpx-vp9", "-b:v", "1M", "-deadline", "realtime", "-cpu-used", "8", "-g", "6", "-pix_fmt", "yuv420p")
_TO_PQ = "zscale=pin=709:tin=iec61966-2-1:min=gbr:p=2020:t=smpte2084:m=2020_ncl:r=tv:npl=203,format=yuv420p10le"
_FROM_PQ = "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=709,tonemap=clip,zscale=t=iec61966-2-1:m=gbr,format=gbrp"
_COPY = ("-c", "copy")
Write = Callable[[Path], Path]


@dataclass(frozen=True)
class Variant:
    """A way to write a video.

    Args:
        name: Unique.
        write: Takes a folder; returns the file, written into it.
        before: Options by which the second decoder reads it as a player does.
        filters: By which it then brings its colours to a usual screen.
    """

    name: str
    write: Write
    before: Sequence[str] = ()
    filters: str = ""


@cache
def film(first: int = 0, count: int = COUNT, width: int = SIDE, height: int = SIDE, alpha: bool = False) -> bytes:
    """Raw frames in RGB or RGBA: each a slope of a brightness and colour of its own."""
    rows, columns = np.mgrid[0:height, 0:width] / max(width, height)
    frames = np.empty((count, height, width, 4), np.uint8)
    for number in range(first, first + count):
        light = 20 + 9 * (number % 21)
        frame = frames[number - first]
        frame[..., 0] = light + 30 * rows
        frame[..., 1] = light + 20 * columns
        frame[..., 2] = 235 - light
        frame[..., 3] = 128 + 6 * (number - first) % 120
    return np.ascontiguousarray(frames if alpha else frames[..., :3]).tobytes()


def encoded(
    suffix: str,
    *options: str,
    first: int = 0,
    count: int = COUNT,
    size: tuple[int, int] = (SIDE, SIDE),
    alpha: bool = False,
    piped: bool = False,
) -> Write:
    """Write the film by an encoder's options; ``piped`` to what cannot be gone back in."""

    def write(folder: Path) -> Path:
        path = folder / f"film{suffix}"
        raw = film(first, count, *size, alpha)
        pixels = "rgba" if alpha else "rgb24"
        source = ("-f", "rawvideo", "-pix_fmt", pixels, "-s", f"{size[0]}x{size[1]}", "-r", str(RATE), "-i", "-")
        if piped:
            path.write_bytes(run(*source, *options, "-", given=raw)[0])
        else:
            run(*source, *options, str(path), given=raw)
        return path

    return write


def copied(write: Write, suffix: str, *options: str, before: Sequence[str] = (), piped: bool = False) -> Write:
    """Copy what was encoded into another file, without encoding it again."""

    def copy(folder: Path) -> Path:
        source = write(folder)
        path = folder / f"copy{suffix}"
        out, _ = run(*before, "-i", str(source), *_COPY, *options, "-" if piped else str(path))
        if piped:
            path.write_bytes(out)
        return path

    return copy


def joined(*parts: Write, tail: bytes = b"") -> Write:
    """Files put one after the other, byte by byte."""

    def write(folder: Path) -> Path:
        contents = []
        for number, part in enumerate(parts):
            inner = folder / str(number)
            inner.mkdir()
            path = part(inner)
            contents.append(path.read_bytes())
        joint = folder / f"joined{path.suffix}"
        joint.write_bytes(b"".join(contents) + tail)
        return joint

    return write


_CODECS = {
    "H.264, B-frames": (_B_FRAMES, (".mp4", ".mov", ".mkv", ".ts", ".flv", ".avi", ".h264", ".m4v", ".3gp")),
    "H.264": ((*_X264, "-bf", "0", "-g", "6"), (".mp4", ".mkv", ".avi", ".ts", ".h264")),
    "H.264, open groups": ((*_B_FRAMES[:-1], "b-adapt=0:open-gop=1:scenecut=0"), (".mp4", ".ts", ".mkv")),
    "H.264, 3 B-frames in a pyramid": ((*_X264, "-bf", "3", "-x264-params", "b-adapt=0:b-pyramid=normal"),
                                       (".mp4", ".avi", ".h264")),
    "H.264, 10 bit": ((*_X264, "-pix_fmt", "yuv420p10le"), (".mp4",)),
    "H.264, 4:2:2": ((*_X264, "-pix_fmt", "yuv422p"), (".mp4",)),
    "H.264, 4:4:4": ((*_X264, "-pix_fmt", "yuv444p"), (".mkv",)),
    "H.264, RGB": (("-c:v", "libx264rgb", "-preset", "ultrafast", "-qp", "12"), (".mkv",)),
    "H.264, grey": ((*_X264, "-pix_fmt", "gray"), (".mp4",)),
    "H.264, full range": ((*_X264, "-pix_fmt", "yuvj420p"), (".mp4", ".mkv", ".h264")),
    "H.264, interlaced": ((*_X264, "-x264-params", "tff=1:bframes=2:b-adapt=0"), (".mp4", ".ts", ".h264", ".avi")),
    "H.265, B-frames": (_X265, (".mp4", ".mkv", ".ts", ".hevc")),
    "H.265, 10 bit": ((*_X265, "-pix_fmt", "yuv420p10le"), (".mp4",)),
    "AV1": (("-c:v", "libsvtav1", "-preset", "12", "-crf", "20", "-g", "6"), (".mp4", ".mkv", ".ivf", ".obu")),
    "VP8": (_VP8, (".webm", ".mkv", ".ivf", ".avi")),
    "VP9": (_VP9, (".webm", ".mp4", ".mkv", ".ivf")),
    "MPEG-4": (_MPEG4, (".mp4", ".avi", ".mkv", ".m4v")),
    "MPEG-4, B-frames": ((*_MPEG4, "-bf", "2"), (".mp4", ".avi", ".mkv")),
    "XviD": (("-c:v", "libxvid", "-qscale:v", "2"), (".avi",)),
    "MPEG-2": (_MPEG2, (".ts", ".mpg", ".mkv", ".vob", ".m2v")),
    "MPEG-2, B-frames": ((*_MPEG2, "-bf", "2", "-r", "25"), (".ts", ".mpg", ".mkv", ".vob", ".mxf", ".m2v", ".avi")),
    "MPEG-1": (_MPEG1, (".mpg", ".avi", ".m1v")),
    "MPEG-1, B-frames": ((*_MPEG1, "-bf", "2"), (".mpg", ".m1v")),
    "MJPEG": (_MJPEG, (".avi", ".mov", ".mkv", ".mjpeg")),
    "WMV 1": (("-c:v", "wmv1", "-qscale:v", "2"), (".wmv", ".avi")),
    "WMV 2": (("-c:v", "wmv2", "-qscale:v", "2"), (".asf",)),
    "MS-MPEG-4": (("-c:v", "msmpeg4", "-qscale:v", "2"), (".avi",)),
    "Sorenson Spark": (("-c:v", "flv", "-qscale:v", "2"), (".flv",)),
    "Theora": (("-c:v", "libtheora", "-qscale:v", "9"), (".ogv",)),
    "ProRes": (("-c:v", "prores_ks"), (".mov",)),
    "FFV1": (("-c:v", "ffv1", "-pix_fmt", "yuv420p"), (".mkv", ".avi")),
    "Huffyuv": (("-c:v", "ffvhuff"), (".avi",)),
    "Ut": (("-c:v", "utvideo", "-pix_fmt", "gbrp"), (".avi", ".mkv")),
    "PNG frames": (("-c:v", "png", "-pix_fmt", "rgb24"), (".mov", ".avi", ".mkv")),
    "QuickTime animation": (("-c:v", "qtrle", "-pix_fmt", "rgb24"), (".mov",)),
    "uncompressed": (("-c:v", "rawvideo", "-pix_fmt", "bgr24"), (".avi",)),
    "uncompressed, 4:2:0": (("-c:v", "rawvideo", "-pix_fmt", "yuv420p"), (".y4m", ".avi")),
    "uncompressed, 4:4:4": (("-pix_fmt", "yuv444p"), (".y4m",)),
    "GIF": ((), (".gif",)),
    "APNG": (("-f", "apng"), (".png", ".apng")),
}  # fmt: skip
_ALPHA = {
    "VP8": ((*_VP8, "-pix_fmt", "yuva420p", "-auto-alt-ref", "0"), (".webm", ".mkv"), ("-c:v", "libvpx")),
    "VP9": ((*_VP9, "-pix_fmt", "yuva420p"), (".webm", ".mkv"), ("-c:v", "libvpx-vp9")),
    "ProRes 4444": (("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"), (".mov",), ()),
    "QuickTime animation": (("-c:v", "qtrle", "-pix_fmt", "argb"), (".mov",), ()),
    "PNG frames": (("-c:v", "png", "-pix_fmt", "rgba"), (".mov", ".mkv"), ()),
    "FFV1": (("-c:v", "ffv1", "-pix_fmt", "bgra"), (".mkv",), ()),
    "APNG": (("-f", "apng", "-pix_fmt", "rgba"), (".png",), ()),
}
H265_ALPHA = Variant("H.265, half transparent, .mp4", encoded(".mp4", *_X265, "-pix_fmt", "yuva420p", alpha=True))
_MP4 = encoded(".mp4", *_B_FRAMES)
_UNWRITABLE = {("MPEG-4", ".ts"), ("H.264, Matroska", ".avi"), ("H.264, TS", "1.5", ".ts"),
               ("H.264, TS", "1.5", ".avi")}  # fmt: skip
_CUTS = ("0.3", "0.75", "1.1", "1.5")
_MATRICES = ("bt709", "smpte170m", "bt470bg", "bt2020nc", "fcc", "smpte240m")


def _encoders() -> list[Variant]:
    plain = [
        Variant(f"{name}, {suffix}", encoded(suffix, *options))
        for name, (options, suffixes) in _CODECS.items()
        for suffix in suffixes
    ]
    clear = [
        Variant(f"{name}, half transparent, {suffix}", encoded(suffix, *options, alpha=True), before)
        for name, (options, suffixes, before) in _ALPHA.items()
        for suffix in suffixes
    ]
    return plain + clear


def _containers() -> list[Variant]:
    fragments = "frag_keyframe+empty_moov"
    piped = {
        ".mkv": ("-f", "matroska"), ".webm": ("-f", "webm"), ".ts": ("-f", "mpegts"), ".flv": ("-f", "flv"),
        ".avi": ("-f", "avi"), ".mp4": ("-f", "mp4", "-movflags", fragments), ".mpg": ("-f", "mpeg"),
    }  # fmt: skip
    codec = {".webm": _VP9, ".mpg": _MPEG1, ".avi": _MPEG4}
    return [
        *(Variant(f"{flags}, {suffix}", copied(_MP4, suffix, "-movflags", flags))
          for flags, suffix in product(
              ("faststart", fragments, f"{fragments}+default_base_moof", "frag_every_frame+empty_moov",
               "negative_cts_offsets", "dash"), (".mp4", ".mov"))),
        Variant("no edit list", copied(_MP4, ".mp4", "-use_editlist", "0")),
        *(Variant(f"to a pipe, {suffix}", encoded(suffix, *codec.get(suffix, _B_FRAMES), *options, piped=True))
          for suffix, options in piped.items()),
        *(Variant(f"copied, {suffix}", copied(_MP4, suffix))
          for suffix in (".avi", ".mkv", ".mov", ".ts", ".flv", ".h264", ".3gp")),
        *(Variant(f"H.265 copied, {suffix}", copied(encoded(".mp4", *_X265), suffix))
          for suffix in (".avi", ".mkv", ".ts", ".hevc")),
        *(Variant(f"MPEG-4 with B-frames copied, {suffix}",
                  copied(encoded(".mp4", *_MPEG4, "-bf", "2"), suffix)) for suffix in (".avi", ".mkv")),
        *(Variant(f"{tail.decode()!r} after the end, {suffix}", joined(copied(_MP4, suffix), tail=tail * 40))
          for tail, suffix in product((b"TAG", b"\0\0", b"free"), (".mp4", ".mov", ".mkv", ".avi"))),
    ]  # fmt: skip


def _times() -> list[Variant]:
    sources = {
        "H.264": _MP4, "H.265": encoded(".mp4", *_X265), "MPEG-4": encoded(".mp4", *_MPEG4, "-bf", "2"),
        "H.264, Matroska": encoded(".mkv", *_B_FRAMES), "H.264, TS": encoded(".ts", *_B_FRAMES),
    }  # fmt: skip
    uneven = ("-vf", "setpts='N*(1+mod(N,4))/10/TB'", "-fps_mode", "vfr")
    return [
        *(Variant(f"{name}, cut at {start} s, {suffix}", copied(write, suffix, before=("-ss", start)))
          for (name, write), start, suffix in product(sources.items(), _CUTS, (".mp4", ".mov", ".mkv", ".avi", ".ts"))
          if not {(name, suffix), (name, start, suffix)} & _UNWRITABLE),
        *(Variant(f"cut from {start} s for {length} s", copied(_MP4, ".mp4", "-t", length, before=("-ss", start)))
          for start, length in product(("0", "0.4", "0.9"), ("0.5", "0.8"))),
        *(Variant(f"moved by {offset} s, {suffix}",
                  copied(_MP4, suffix, "-output_ts_offset", offset, "-avoid_negative_ts", "disabled"))
          for offset, suffix in product(("5", "-0.35", "-1", "0.25"), (".mp4", ".mov"))),
        *(Variant(f"variable rate, {suffix}", encoded(suffix, *_B_FRAMES, *uneven))
          for suffix in (".mp4", ".mkv", ".mov", ".flv", ".ts")),
        *(Variant(f"{rate} frames a second, {suffix}",
                  encoded(suffix, *_B_FRAMES, "-vf", f"setpts=N/({rate})/TB", "-r", rate))
          for rate, suffix in product(("30000/1001", "24000/1001", "25", "1", "7.5"), (".mp4", ".mkv", ".ts", ".avi"))),
    ]  # fmt: skip


def _joined() -> list[Variant]:
    codecs = {
        ".ts": _B_FRAMES, ".mpg": (*_MPEG1, "-bf", "2"), ".vob": (*_MPEG2, "-r", "25"), ".h264": _B_FRAMES,
        ".hevc": _X265, ".mp4": _B_FRAMES, ".avi": _MPEG4, ".mjpeg": _MJPEG, ".m2v": (*_MPEG2, "-r", "25"),
        ".gif": (), ".mkv": _B_FRAMES, ".webm": _VP9, ".flv": _B_FRAMES,
    }  # fmt: skip
    lengths = ((20, 20), (7, 13), (13, 4), (1, 9))
    ts = [
        encoded(".ts", *_B_FRAMES),
        encoded(".ts", *_MPEG2, "-bf", "2", "-r", "25"),
        encoded(".ts", *_X265),
    ]
    return [
        *(Variant(f"joined, {one} and {two} frames, {suffix}", joined(
            encoded(suffix, *codec, count=one), encoded(suffix, *codec, first=20, count=two)))
          for (suffix, codec), (one, two) in product(codecs.items(), lengths)),
        *(Variant(f"joined, another size, {suffix}", joined(
            encoded(suffix, *codecs[suffix]), encoded(suffix, *codecs[suffix], first=20, size=(48, 32))))
          for suffix in (".ts", ".mpg", ".vob", ".h264")),
        *(Variant(f"three joined, {number}, .ts", joined(part, part, part)) for number, part in enumerate(ts)),
        *(Variant(f"joined, moved by {offset} s, .ts", joined(
            encoded(".ts", *_B_FRAMES), copied(encoded(".ts", *_B_FRAMES, first=20), ".ts", "-output_ts_offset",
                                               offset)))
          for offset in ("3", "5", "30", "95000")),
    ]  # fmt: skip


def _pictures() -> list[Variant]:
    turn = [
        Variant(f"to be turned by {degrees}°{flip}, {suffix}",
                copied(_MP4, suffix, before=("-display_rotation", degrees, *((f"-display_{flip}",) if flip else ()))))
        for degrees, flip, suffix in product(("90", "180", "270"), ("", "hflip", "vflip"), (".mp4", ".mov", ".mkv"))
    ]  # fmt: skip
    colours = [
        Variant(f"matrix {matrix}, {bounds} range, {suffix}", encoded(
            suffix, "-vf", f"scale=out_color_matrix={matrix}:out_range={bounds},format=yuv420p",
            *_X264, "-colorspace", matrix, "-color_range", bounds))
        for matrix, bounds, suffix in product(_MATRICES, ("tv", "pc"), (".mp4", ".mkv", ".ts"))
    ]  # fmt: skip
    sizes = [
        Variant(f"{width} × {height}, {suffix}", encoded(suffix, *options, size=(width, height)))
        for (width, height), (suffix, options) in product(
            ((33, 31), (16, 50), (90, 18)),
            {".mkv": ("-c:v", "ffv1", "-pix_fmt", "yuv444p"), ".mp4": (*_X264, "-pix_fmt", "yuv444p"),
             ".avi": ("-c:v", "rawvideo", "-pix_fmt", "bgr24"), ".webm": _VP9}.items())
    ]  # fmt: skip
    aspects = [
        Variant(f"aspect {aspect}, {suffix}", encoded(suffix, *_B_FRAMES, "-aspect", aspect))
        for aspect, suffix in product(("16:9", "4:3", "1:2"), (".mp4", ".mkv", ".ts", ".avi"))
    ]
    told = ("-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc")
    bright = [
        Variant(
            f"PQ, {suffix}", encoded(suffix, "-vf", _TO_PQ, *_X265, "-pix_fmt", "yuv420p10le", *told), filters=_FROM_PQ
        )
        for suffix in (".mp4", ".mkv", ".ts", ".mov", ".hevc")
    ]
    bright.append(Variant("PQ, VP9, .webm", encoded(
        ".webm", "-vf", _TO_PQ, *_VP9, "-pix_fmt", "yuv420p10le", *told), filters=_FROM_PQ))  # fmt: skip
    return turn + colours + sizes + aspects + bright


_RANDOM = {
    "H.264": (_X264, (".mp4", ".mov", ".mkv", ".ts", ".flv", ".avi", ".h264")),
    "H.265": (_X265, (".mp4", ".mkv", ".ts", ".hevc")),
    "MPEG-4": (_MPEG4, (".mp4", ".avi", ".mkv")),
    "MPEG-2": ((*_MPEG2, "-r", "25"), (".ts", ".mkv", ".m2v")),  # in MPEG, frames so small share their timestamps
    "VP9": (_VP9, (".webm", ".mp4", ".ivf")),
    "MJPEG": (_MJPEG, (".avi", ".mov", ".mkv")),
}


def random_variants(count: int) -> list[Variant]:
    """Variants whose length, groups, B-frames, rate and cuts are drawn by chance, the same each time."""
    draw = np.random.default_rng(0)
    return [_random(number, draw) for number in range(count)]


def _random(number: int, draw: np.random.Generator) -> Variant:
    name = str(draw.choice(list(_RANDOM)))
    options, suffixes = _RANDOM[name]
    suffix = str(draw.choice(suffixes))
    frames, group, b_frames = int(draw.integers(3, 41)), int(draw.integers(1, 16)), int(draw.integers(0, 4))
    choice = ["-g", str(group)]
    if name in ("H.264", "MPEG-4", "MPEG-2"):
        choice += ["-bf", str(min(b_frames, 2) if name == "MPEG-2" else b_frames)]
    write = encoded(suffix, *options, *choice, first=int(draw.integers(0, 21)), count=frames)
    title = f"{number}: {name}, {frames} frames, groups of {group}, {b_frames} B-frames, {suffix}"
    if frames > 12 and suffix in (".mp4", ".mov") and draw.random() < 0.6:
        start = str(round(draw.random() * frames / 15, 2))
        return Variant(f"{title}, cut at {start} s", copied(write, suffix, before=("-ss", start)))
    if suffix in (".ts", ".h264", ".hevc", ".m2v") and draw.random() < 0.5:
        more = int(draw.integers(1, 30))
        return Variant(f"{title}, joined to {more}", joined(
            write, encoded(suffix, *options, *choice, first=int(draw.integers(0, 21)), count=more)))  # fmt: skip
    return Variant(title, write)


def variants() -> list[Variant]:
    """Every variant, the same each time."""
    return [*_encoders(), *_containers(), *_times(), *_joined(), *_pictures()]
