"""Mel-frequency cepstral coefficients, as a sequence or summarised by statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from mmcli.errors import MmcliError
from mmcli.modalities.audio._frames import check_frames, check_mels, check_rate, extract_frames, output_form
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, Tensor
from mmcli.store.state import State

if TYPE_CHECKING:
    import torch


class Mfcc:
    """Mel-frequency cepstral coefficients of sounds: (T, D), or (D,) of their statistics.

    Power spectra of Hann windows centred every ``hop_length`` samples (zero-padded at the ends), mel bands,
    decibels floored at 80 below the sound's maximum, and an orthonormal cosine transform.

    Args:
        n_mfcc: Coefficients per frame, at most ``n_mels``.
        n_fft: Window length in samples.
        hop_length: Samples from one window to the next.
        n_mels: Number of mel bands.
        f_min: Lower edge of the lowest band in Hz.
        f_max: Upper edge of the highest band in Hz; None is half the sample rate.
        deltas: Append the slope of each coefficient over five frames.
        pool: ``stats`` gives mean, standard deviation and maximum over time; ``none`` keeps every frame.
        segments: Number of equal time segments; the statistics of each are concatenated.

    Raises:
        MmcliError: A value is out of range.

    Source: Davis and Mermelstein 1980, Comparison of Parametric Representations for Monosyllabic Word
    Recognition in Continuously Spoken Sentences, section II.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(
        self,
        *,
        n_mfcc: int = 20,
        n_fft: int = 400,
        hop_length: int = 160,
        n_mels: int = 40,
        f_min: float = 0.0,
        f_max: float | None = None,
        deltas: bool = False,
        pool: Literal["none", "stats"] = "stats",
        segments: int = 5,
    ) -> None:
        check_frames("mfcc", n_fft, hop_length, segments)
        check_mels("mfcc", n_mels, f_min, f_max)
        if not 1 <= n_mfcc <= n_mels:
            raise MmcliError(f"mfcc: n_mfcc {n_mfcc}: expected from 1 to n_mels, {n_mels}")
        self.n_mfcc = n_mfcc
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.f_min = f_min
        self.f_max = f_max
        self.deltas = deltas
        self.pool = pool
        self.segments = segments

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (T, D), or (D,) of statistics; D = coefficients, × 2 with deltas, × 3 × segments for statistics."""
        check_rate("mfcc", spec, self.f_min, self.f_max)
        width = self.n_mfcc * (2 if self.deltas else 1)
        return output_form(width, self.pool, self.segments, self.hop_length, spec.main)

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of each sound.

        Raises:
            MmcliError: A sound has no samples.
        """
        import torch
        import torchaudio

        transform = torchaudio.transforms.MFCC(
            check_rate("mfcc", spec, self.f_min, self.f_max),
            n_mfcc=self.n_mfcc,
            melkwargs={
                "n_fft": self.n_fft, "hop_length": self.hop_length, "n_mels": self.n_mels, "f_min": self.f_min,
                "f_max": self.f_max, "pad_mode": "constant",
            },
        )  # fmt: skip

        def frames(waveform: torch.Tensor) -> torch.Tensor:
            coefficients: torch.Tensor = transform(waveform)[0, 0]
            if not self.deltas:
                return coefficients
            return torch.cat([coefficients, torchaudio.functional.compute_deltas(coefficients)])

        return extract_frames(self.output(spec), column, runtime, frames, self.segments)

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""
