"""Reads sound files of any format and channel count into mono waveforms of one sample rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities import Media
from mmcli.modalities.audio._decode import decode
from mmcli.modalities.audio._resample import resample
from mmcli.modalities.files import read_cell
from mmcli.store.columns import Array, FieldSpec
from mmcli.store.state import State

_MARGIN = 1.0  # seconds decoded past the end, so that filters are not affected by where decoding stopped
_SILENCE = 0.01  # -40 dB
_RMS = 0.1  # -20 dB of full scale
_FILTER_ORDER = 4
_FULL_SCALE = 32768


class Preprocessor:
    """Mono waveforms, (S,) int16; channels are averaged, then filtered, trimmed, cut and normalised, in this order.

    Args:
        columns: The column whose cells name sound files.
        sample_rate: In Hz; other rates are resampled.
        max_seconds: Keep only the first seconds of each sound.
        trim: Remove leading and trailing parts more than 40 dB below the peak.
        high_pass: Attenuate frequencies below this, in Hz, with a zero-phase Butterworth filter.
        low_pass: Attenuate frequencies above this, in Hz.
        normalize: ``peak`` scales the largest sample to full scale, ``rms`` the root mean square to -20 dB.
        max_decode_seconds: Decode at most this much of a sound to find where to trim it.

    Raises:
        MmcliError: A value is out of range, or a frequency is not below half the sample rate.
    """

    version: ClassVar[int] = 2
    fitted: ClassVar[bool] = False
    threaded: ClassVar[bool] = True

    def __init__(
        self,
        columns: tuple[str, ...],
        *,
        sample_rate: int = 16000,
        max_seconds: float = 10.0,
        trim: bool = False,
        high_pass: float | None = None,
        low_pass: float | None = None,
        normalize: Literal["none", "peak", "rms"] = "none",
        max_decode_seconds: float = 600.0,
    ) -> None:
        if not 1000 <= sample_rate <= 384_000:
            raise MmcliError(f"--sample-rate {sample_rate}: expected 1000 to 384000 Hz")
        if max_seconds * sample_rate < 1:
            raise MmcliError(f"--max-seconds {max_seconds}: expected at least one sample of {sample_rate} a second")
        if not max_seconds <= max_decode_seconds < float("inf"):
            raise MmcliError(
                f"--max-decode-seconds {max_decode_seconds}: expected --max-seconds, {max_seconds:g}, or more"
            )
        for option, frequency in (("--high-pass", high_pass), ("--low-pass", low_pass)):
            if frequency is not None and not 0 < frequency < sample_rate / 2:
                raise MmcliError(f"{option} {frequency}: expected between 0 and {sample_rate / 2:g} Hz")
        if high_pass is not None and low_pass is not None and high_pass >= low_pass:
            raise MmcliError(f"--high-pass {high_pass} must be below --low-pass {low_pass}")
        self.columns = columns
        self.sample_rate = sample_rate
        self.max_seconds = max_seconds
        self.trim = trim
        self.high_pass = high_pass
        self.low_pass = low_pass
        self.normalize = normalize
        self.max_decode_seconds = max_decode_seconds

    @property
    def _max_samples(self) -> int:
        return round(self.max_seconds * self.sample_rate)

    def content(self, row: Mapping[str, Any], media: Media) -> bytes | None:
        """Return the file's bytes; None if the cell is empty."""
        return read_cell(row, self.columns[0], media)

    def decode(self, content: bytes) -> dict[str, Array]:
        """Return the waveform as (S,) int16.

        Raises:
            UnusableError: ``corrupt`` if it is not audio, damaged, truncated, or empty.
        """
        samples, rate = decode(content, self.max_decode_seconds if self.trim else self.max_seconds + _MARGIN)
        samples = self._filter(resample(samples, rate, self.sample_rate))
        if self.trim:
            samples = _trim(samples)
        samples = _normalize(samples[: self._max_samples], self.normalize)
        if not len(samples):
            raise UnusableError("corrupt", "0 audio samples")
        return {"": np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int16)}

    def _filter(self, samples: Array) -> Array:
        limits = [frequency for frequency in (self.high_pass, self.low_pass) if frequency is not None]
        if not limits:
            return samples
        from scipy.signal import butter, sosfiltfilt

        form = "bandpass" if len(limits) == 2 else "lowpass" if self.high_pass is None else "highpass"
        sections = butter(
            _FILTER_ORDER, limits if len(limits) == 2 else limits[0], form, fs=self.sample_rate, output="sos"
        )
        padding = min(self.sample_rate // 10, len(samples) - 1)
        filtered: Array = sosfiltfilt(sections, samples, padlen=padding)
        return filtered

    def fit(self, contents: Iterable[bytes]) -> None:
        """Learn nothing."""

    def fields(self) -> dict[str, FieldSpec]:
        """Return the form of the waveform."""
        return {"": FieldSpec("ragged", "int16", (), "S", self._max_samples)}

    def facts(self) -> dict[str, Any]:
        """Return ``sample_rate`` in Hz."""
        return {"sample_rate": self.sample_rate}

    def config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "columns": list(self.columns), "sample_rate": self.sample_rate, "max_seconds": self.max_seconds,
            "trim": self.trim, "high_pass": self.high_pass, "low_pass": self.low_pass,
            "normalize": self.normalize, "max_decode_seconds": self.max_decode_seconds,
        }  # fmt: skip

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""


def _trim(samples: Array) -> Array:
    """Remove leading and trailing parts more than 40 dB below the peak; a silent sound is kept as is."""
    loudness = np.abs(samples)
    loud = np.flatnonzero(loudness >= _SILENCE * loudness.max(initial=0))
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def _normalize(samples: Array, how: Literal["none", "peak", "rms"]) -> Array:
    """Scale to a peak of full scale or a root mean square of -20 dB; silence stays silent."""
    if how == "none" or not len(samples):
        return samples
    level = np.abs(samples).max() if how == "peak" else np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    return samples * ((1.0 if how == "peak" else _RMS) / level) if level > 0 else samples
