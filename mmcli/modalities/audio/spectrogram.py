"""Spectrogram, linear or in decibels, as a sequence or summarised by statistics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Literal

from mmcli.errors import MmcliError
from mmcli.modalities.audio._frames import check_frames, extract_frames, output_form
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, FieldSpec, ModalitySpec, Tensor
from mmcli.store.state import State

if TYPE_CHECKING:
    import torch


class Spectrogram:
    """Spectrograms of sounds: (T, D), or (D,) of their statistics; one column per frequency.

    Spectra of Hann windows centred every ``hop_length`` samples, zero-padded at the ends.

    Args:
        n_fft: Window length in samples; there are n_fft // 2 + 1 frequencies.
        hop_length: Samples from one window to the next.
        power: The exponent of the magnitude: 1 for amplitude, 2 for power.
        decibels: Use decibels, floored at 80 below the sound's maximum, instead of linear values.
        pool: ``stats`` gives mean, standard deviation and maximum over time; ``none`` keeps every frame.

    Raises:
        MmcliError: A value is out of range.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[Literal["column", "whole"]] = "column"

    def __init__(
        self,
        *,
        n_fft: int = 400,
        hop_length: int = 160,
        power: float = 2.0,
        decibels: bool = True,
        pool: Literal["none", "stats"] = "stats",
    ) -> None:
        check_frames("spectrogram", n_fft, hop_length)
        if not 0 < power <= 4:
            raise MmcliError(f"spectrogram: power {power}: expected above 0 and at most 4")
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.power = power
        self.decibels = decibels
        self.pool = pool

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return (T, D) with D = frequencies, or (D,) with D = 3 × frequencies for their statistics."""
        return output_form(self.n_fft // 2 + 1, self.pool, 1, self.hop_length, spec.main)

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of each sound.

        Raises:
            MmcliError: A sound has no samples.
        """
        import torchaudio

        transform = torchaudio.transforms.Spectrogram(
            n_fft=self.n_fft, hop_length=self.hop_length, power=self.power, pad_mode="constant"
        )

        def frames(waveform: torch.Tensor) -> torch.Tensor:
            spectrum: torch.Tensor = transform(waveform)
            if self.decibels:
                spectrum = torchaudio.functional.amplitude_to_DB(spectrum, 20 / self.power, 1e-10, 0.0, top_db=80.0)
            return spectrum[0, 0]

        return extract_frames(self.output(spec), column, runtime, frames, 1)

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""
