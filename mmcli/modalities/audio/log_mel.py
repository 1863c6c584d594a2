"""Mel spectrogram in decibels, as a sequence or summarised by statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from mmcli.modalities.audio._frames import check_frames, check_mels, check_rate, extract_frames, output_form
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, Tensor
from mmcli.store.state import State

if TYPE_CHECKING:
    import torch


class LogMel:
    """Mel spectrograms of sounds in decibels: (T, D), or (D,) of their statistics.

    Power spectra of Hann windows centred every ``hop_length`` samples (zero-padded at the ends), summed in
    triangular bands; values are floored at 80 decibels below the sound's maximum.

    Args:
        n_mels: Number of mel bands.
        n_fft: Window length in samples.
        hop_length: Samples from one window to the next.
        f_min: Lower edge of the lowest band in Hz.
        f_max: Upper edge of the highest band in Hz; None is half the sample rate.
        pool: ``stats`` gives mean, standard deviation and maximum over time; ``none`` keeps every frame.

    Raises:
        MmcliError: A value is out of range.

    Source: Stevens, Volkmann and Newman 1937 for the scale, in the form of O'Shaughnessy 1987, Speech
    Communication: 2595 log10(1 + f / 700).
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(
        self,
        *,
        n_mels: int = 64,
        n_fft: int = 512,
        hop_length: int = 160,
        f_min: float = 0.0,
        f_max: float | None = None,
        pool: Literal["none", "stats"] = "stats",
    ) -> None:
        check_frames("log_mel", n_fft, hop_length)
        check_mels("log_mel", n_mels, f_min, f_max)
        self.n_mels = n_mels
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.f_min = f_min
        self.f_max = f_max
        self.pool = pool

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (T, D) with D = bands, or (D,) with D = 3 × bands for their statistics."""
        check_rate("log_mel", spec, self.f_min, self.f_max)
        return output_form(self.n_mels, self.pool, 1, self.hop_length, spec.main)

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of each sound.

        Raises:
            MmcliError: A sound has no samples.
        """
        import torchaudio

        bands = torchaudio.transforms.MelSpectrogram(
            check_rate("log_mel", spec, self.f_min, self.f_max),
            n_fft=self.n_fft, hop_length=self.hop_length, n_mels=self.n_mels, f_min=self.f_min, f_max=self.f_max,
            pad_mode="constant",
        )  # fmt: skip
        decibels = torchaudio.transforms.AmplitudeToDB("power", top_db=80.0)

        def frames(waveform: torch.Tensor) -> torch.Tensor:
            loudness: torch.Tensor = decibels(bands(waveform))[0, 0]
            return loudness

        return extract_frames(self.output(spec), column, runtime, frames, 1)

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""
