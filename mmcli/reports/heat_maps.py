"""Draws which parts of a picture, a sound or a clip speak for a prediction (red) or against it (blue)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]
_COLOURS = "RdBu_r"
_DPI = 100
_A_ROW = 8
_FEW = 0.99
_WINDOW_SECONDS, _FLOOR = 0.025, 80.0  # decibels below the maximum


def draw_picture(
    path: Path, title: str, pixels: Array, parts: Sequence[Mapping[str, Any]], heat: Array | None, least: float
) -> None:
    """Write a PNG of a picture, beside it the same under a heat map.

    Args:
        path: The file.
        title: What the colours explain.
        pixels: (3, H, W) uint8.
        parts: Squares with ``left``, ``top``, ``right``, ``bottom`` in pixels and their ``effect``.
        heat: The effect of each pixel, (H, W), instead of the squares.
        least: An effect that has the full colour if no other is larger.
    """
    shown = pixels.transpose(1, 2, 0)
    by_parts = heat is None
    if heat is None:
        heat = np.zeros(shown.shape[:2])
        for part in parts:
            heat[part["top"] : part["bottom"], part["left"] : part["right"]] = part["effect"]
    figure = _figure(7.5, 3.8, title)
    left, right = figure.subplots(1, 2)
    left.imshow(shown)
    # Grey below the colours: the picture's own colours would be read as effects.
    right.imshow(shown.mean(axis=2), cmap="gray", vmin=0, vmax=255)
    most = max(_most(heat), least) if by_parts else _most_of_pixels(heat)
    strength = (np.abs(heat) / most).clip(0, 1)
    seen = right.imshow(heat, cmap=_COLOURS, vmin=-most, vmax=most, alpha=0.85 * strength**0.5)
    for axes in (left, right):
        axes.set_axis_off()
    seen = right.imshow(np.full_like(heat, np.nan), cmap=_COLOURS, vmin=-most, vmax=most)
    figure.colorbar(seen, ax=[left, right], shrink=0.8, label="effect")
    _save(figure, path)


def draw_sound(
    path: Path, title: str, samples: Array, rate: int, parts: Sequence[Mapping[str, Any]], least: float
) -> None:
    """Write a PNG of a sound's spectrogram above the effect of each window.

    Args:
        path: The file.
        title: What the colours explain.
        samples: (S,) int16.
        rate: Samples per second.
        parts: Windows with ``start`` and ``end`` in seconds and their ``effect``.
        least: An effect that has the full colour if no other is larger.
    """
    figure = _figure(7.5, 4.2, title)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    _spectrogram(above, samples, rate)
    effects = np.array([part["effect"] for part in parts])
    most = max(_most(effects), least)
    for part, colour in zip(parts, _coloured(effects, most), strict=True):
        above.axvspan(part["start"], part["end"], color=colour, alpha=0.45 * abs(part["effect"]) / most, lw=0)
        below.bar(
            part["start"], part["effect"], width=part["end"] - part["start"], align="edge", color=colour,
            edgecolor="0.6", linewidth=0.5,
        )  # fmt: skip
    below.axhline(0, color="0.3", lw=0.8)
    below.set_xlim(0, len(samples) / rate)
    below.set_xlabel("seconds")
    below.set_ylabel("effect")
    above.set_ylabel("Hz")
    _save(figure, path)


def draw_frames(
    path: Path, title: str, frames: Array, parts: Sequence[Mapping[str, Any]], heat: Array | None, least: float
) -> None:
    """Write a PNG of frames in a colour that tells their effect.

    Args:
        path: The file.
        title: What the colours explain.
        frames: (T, 3, H, W) uint8.
        parts: Frames, ``frame`` or ``frame`` to ``last``, and their ``effect``.
        heat: The effect of each pixel, (T, H, W), drawn over the frames, if known.
        least: An effect of a frame that has the full colour if no other is larger.
    """
    columns = min(_A_ROW, len(parts))
    rows = -(-len(parts) // columns)
    effects = np.array([part["effect"] for part in parts])
    figure = _figure(1.6 * columns, 1.9 * rows + 0.5, title)
    places: list[Axes] = list(np.atleast_1d(figure.subplots(rows, columns)).ravel())
    for axes in places:
        axes.set_axis_off()
    for axes, part, colour in zip(places, parts, _coloured(effects, max(_most(effects), least)), strict=False):
        frame = part["frame"]
        axes.set_axis_on()
        axes.set_xticks([])
        axes.set_yticks([])
        axes.imshow(frames[frame].transpose(1, 2, 0))
        if heat is not None:
            most = _most_of_pixels(heat)
            strength = (np.abs(heat[frame]) / most).clip(0, 1)
            axes.imshow(heat[frame], cmap=_COLOURS, vmin=-most, vmax=most, alpha=0.85 * strength)
        for spine in axes.spines.values():
            spine.set(color=colour, linewidth=4)
        name = f"{frame + 1}" if "last" not in part else f"{frame + 1}-{part['last'] + 1}"
        axes.set_title(f"frame {name}\n{part['effect']:+.3g}", fontsize=8)
    _save(figure, path)


def _figure(width: float, height: float, title: str) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(width, 3.5), height), dpi=_DPI, layout="constrained")
    figure.suptitle(title.replace("$", r"\$"), fontsize=10)
    return figure


def _spectrogram(axes: Axes, samples: Array, rate: int) -> None:
    from scipy.signal import spectrogram

    length = min(len(samples), max(16, round(rate * _WINDOW_SECONDS)))
    if length < 2:
        return
    frequencies, _, power = spectrogram(samples.astype(np.float64), rate, nperseg=length, noverlap=length * 3 // 4)
    decibels = 10 * np.log10(power + 1e-12)
    top = decibels.max()
    axes.imshow(
        decibels, origin="lower", aspect="auto", cmap="gray_r", vmin=top - _FLOOR, vmax=top,
        extent=(0, len(samples) / rate, 0, float(frequencies[-1])),
    )  # fmt: skip


def _most(effects: Array) -> float:
    return float(np.abs(effects).max(initial=0)) or 1.0


def _most_of_pixels(heat: Array) -> float:
    """Return the effect of full colour: a few pixels with more do not make all others pale."""
    return float(np.quantile(np.abs(heat), _FEW)) or _most(heat)


def _coloured(effects: Array, most: float) -> list[Any]:
    from matplotlib import colormaps

    return [colormaps[_COLOURS](0.5 + 0.5 * effect / most) for effect in effects.tolist()]


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="png", metadata={"Software": None})
