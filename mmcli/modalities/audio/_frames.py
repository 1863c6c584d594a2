"""Shared by extractors of short-time frames: waveforms in, one vector or a sequence of frames out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, Tensor, assemble

if TYPE_CHECKING:
    import torch

Pool = Literal["none", "stats"]
STATISTICS = 3
_FULL_SCALE = 32768
_WORTH_SHARING = 2**15
"""Mean samples per sound from which splitting sounds among workers pays; short sounds are many small calls."""


def check_frames(name: str, n_fft: int, hop_length: int, segments: int = 1) -> None:
    """Reject invalid windows and steps.

    Raises:
        MmcliError: A value is not positive.
    """
    if n_fft < 2 or hop_length < 1 or segments < 1:
        raise MmcliError(
            f"{name}: n_fft {n_fft}, hop_length {hop_length}, segments {segments}: expected at least 2, 1 and 1"
        )


def check_mels(name: str, n_mels: int, f_min: float, f_max: float | None) -> None:
    """Reject a mel scale without bands.

    Raises:
        MmcliError: There is no band, or its frequencies are out of order.
    """
    if n_mels < 1 or f_min < 0 or (f_max is not None and f_max <= f_min):
        raise MmcliError(
            f"{name}: n_mels {n_mels}, f_min {f_min}, f_max {f_max}: expected bands from a lower to a higher"
        )


def check_rate(name: str, spec: ModalitySpec, f_min: float, f_max: float | None) -> int:
    """Return the sample rate of a modality in Hz.

    Raises:
        MmcliError: The mel scale does not fit below half of it.
    """
    rate = int(spec.facts["sample_rate"])
    if max(f_min, f_max or 0.0) > rate / 2 or f_min >= rate / 2:
        raise MmcliError(
            f"{name}: f_min {f_min}, f_max {f_max}: expected at most {rate / 2:g} Hz, half the sample rate"
        )
    return rate


def output_form(width: int, pool: Pool, segments: int, hop_length: int, source: FieldSpec) -> FieldSpec:
    """Return the form of features of ``width`` a frame: (T, D), or their statistics (D,)."""
    if pool == "stats":
        return FieldSpec("dense", "float32", (width * STATISTICS * segments,), "D")
    return FieldSpec("ragged", "float32", (width,), "TD", source.bound and source.bound // hop_length + 1)


def extract_frames(
    form: FieldSpec,
    column: Column,
    runtime: Runtime,
    frames_of: Callable[[torch.Tensor], torch.Tensor],
    segments: int,
) -> Tensor:
    """Return the features of each sound, computed one by one so that none depends on its neighbours.

    Args:
        form: The result of ``output_form``.
        column: int16 waveforms (S,).
        runtime: Its workers share the sounds.
        frames_of: Maps a waveform (1, 1, S), from -1 to 1, to its features (D, T).
        segments: Number of equal time segments to compute statistics over.

    Raises:
        MmcliError: A sound has no samples.
    """
    import torch

    threads = torch.get_num_threads()

    def features(row: int) -> Array:
        # Splitting one short sound among threads takes many times as long as computing it in one.
        torch.set_num_threads(1)
        samples = column.main.item(row)
        if not len(samples):
            raise MmcliError("a sound of 0 samples has no features")
        with torch.inference_mode():
            waveform = torch.from_numpy(samples.astype(np.float32) / _FULL_SCALE)
            frames = frames_of(waveform[None, None]).numpy().T
        return summarise(frames, segments) if form.layout == "dense" else np.ascontiguousarray(frames)

    samples = len(column.main.values) / max(1, len(column))
    share = runtime.map if samples >= _WORTH_SHARING else map
    try:
        return assemble(form, list(share(features, range(len(column)))))
    finally:
        torch.set_num_threads(threads)


def summarise(frames: Array, segments: int) -> Array:
    """Return the mean, standard deviation and maximum over T of frames (T, D), segment after segment.

    Segments share frames if there are fewer frames than segments.
    """
    length = len(frames)
    if length >= segments:
        return _summarise_apart(frames.astype(np.float64), np.arange(segments) * length // segments)
    parts = []
    for segment in range(segments):
        start = segment * length // segments
        part = frames[start : max(start + 1, (segment + 1) * length // segments)].astype(np.float64)
        parts += [part.mean(axis=0), part.std(axis=0), part.max(axis=0)]
    return np.concatenate(parts).astype(np.float32)


def _summarise_apart(frames: Array, starts: Array) -> Array:
    """Do the same where segments do not share frames: each runs from its start to the next one's."""
    counts = np.diff(np.append(starts, len(frames)))
    means = np.add.reduceat(frames, starts, axis=0) / counts[:, None]
    deviations = frames - np.repeat(means, counts, axis=0)
    spreads = np.sqrt(np.add.reduceat(deviations * deviations, starts, axis=0) / counts[:, None])
    highest = np.maximum.reduceat(frames, starts, axis=0)
    return np.stack([means, spreads, highest], axis=1).reshape(-1).astype(np.float32)
