"""The second decoder: the FFmpeg executable that imageio-ffmpeg carries, and what it reads out of a video."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_SHOWN = re.compile(r"Parsed_showinfo\S* @ \S+ n: *\d+ pts: *\S+ pts_time:(\S+) +duration: *\S+ duration_time:(\S+)")


@dataclass(frozen=True)
class Shown:
    """What FFmpeg shows of a file.

    Args:
        starts: (N,) when each frame is shown, in seconds from the first.
        seconds: How long all of them are shown.
        frames: (N, H, W, 4) RGBA.
    """

    starts: np.ndarray
    seconds: float
    frames: np.ndarray

    def at(self, time: float) -> np.ndarray:
        """Return the frame that is shown at a time, (H, W, 4)."""
        return self.frames[max(0, int(np.searchsorted(self.starts, time + 1e-3, side="right")) - 1)]


def run(*arguments: str, given: bytes | None = None) -> tuple[bytes, str]:
    """Run FFmpeg; return its output and what it said.

    Raises:
        RuntimeError: It failed.
    """
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostats", "-y", "-threads", "1", *arguments]
    done = subprocess.run(command, input=given, stdin=None if given else subprocess.DEVNULL, capture_output=True)
    said = done.stderr.decode(errors="replace")
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {said[-500:]}")
    return done.stdout, said


def shown(path: Path, size: int, before: Sequence[str] = (), filters: str = "") -> Shown:
    """Return the frames that FFmpeg shows of a file, scaled to a square.

    Args:
        path: Of the file.
        size: Of a side, in pixels.
        before: Options of the input.
        filters: To be applied to its frames.
    """
    scale = f"scale={size}:{size}:flags=bicubic+accurate_rnd+full_chroma_int"
    chain = ",".join(part for part in ("showinfo=checksum=0", filters, scale) if part)
    raw, said = run(
        *before, "-i", str(path), "-an", "-sn", "-dn", "-vf", chain, "-fps_mode", "passthrough",
        "-pix_fmt", "rgba", "-f", "rawvideo", "-",
    )  # fmt: skip
    times = [(float(start), float(length) if length != "N/A" else 0.0) for start, length in _SHOWN.findall(said)]
    frames = np.frombuffer(raw, np.uint8).reshape(-1, size, size, 4)
    if not len(frames) or len(frames) != len(times):
        raise RuntimeError(f"{path.name}: {len(frames)} frames, {len(times)} times: {said[-500:]}")
    starts = _in_sequence(times)
    pace = float(np.median(np.diff(starts))) if len(starts) > 1 else 0.04
    last = pace if path.suffix == ".avi" else times[-1][1] or pace  # its durations leave empty chunks out
    return Shown(starts - starts[0], float(starts[-1] - starts[0] + last), frames)


def _in_sequence(times: Sequence[tuple[float, float]]) -> np.ndarray:
    """Return when frames are shown, none before the one in front of it ends, as where files are joined."""
    starts: list[float] = []
    late = end = 0.0
    for start, length in times:
        if starts and start + late < starts[-1] + min(length, 1e-3):
            late = end - start
        starts.append(start + late)
        end = starts[-1] + length
    return np.array(starts)


def on_white(frames: np.ndarray) -> np.ndarray:
    """Return RGBA frames (…, 4) on white, (…, 3) float."""
    alpha = frames[..., 3:] / 255.0
    return frames[..., :3] * alpha + 255.0 * (1 - alpha)
