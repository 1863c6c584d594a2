"""Residual network on the mel spectrogram, trained from scratch."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from mmcli.encoders.scratch._mel_frames import MelFrames, mask_spectrogram, sound_inputs, sound_lengths
from mmcli.models.limits import WIDEST, require_between, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.models.residual import ResidualStages
from mmcli.models.sequence import feature_form, inside, pool_steps
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_Pool = Literal["mean", "max", "none"]
_DEEPEST = 5
_FEWEST_MELS, _MOST_MELS = 8, 512


class AudioCnn(nn.Module):
    """Mel spectrograms in decibels as images; a linear layer joins the bands of each step, and steps are pooled.

    ``spec_augment``, from 0 to 1, is the strength of spectrogram masking in training.

    Args:
        inputs: Waveforms, (S,) int16.
        n_mels: Number of mel bands.
        width: Channels of the first stage; each later stage doubles them.
        depth: Number of stages, each halving bands and time steps, as does the first convolution.
        dim: The width D of the features.
        dropout: Dropout probability of the features.
        pool: ``mean`` or ``max`` over time gives (D,); ``none`` gives features every 20 ms times 2^depth, (T, D).
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Hershey et al. 2017, CNN Architectures for Large-Scale Audio Classification, section 3.
    """

    kinds: ClassVar[tuple[str, ...]] = ("audio",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    spec_augment: float = 0.0

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        n_mels: int = 64,
        width: int = 16,
        depth: int = 3,
        dim: int = 256,
        dropout: float = 0.2,
        pool: _Pool = "mean",
        seed: int = 0,
    ) -> None:
        super().__init__()
        require_between("audio_cnn", "n_mels", n_mels, _FEWEST_MELS, _MOST_MELS)
        for option, value in (("width", width), ("dim", dim)):
            require_between("audio_cnn", option, value, 1, WIDEST)
        require_between("audio_cnn", "depth", depth, 1, _DEEPEST)
        require_share("audio_cnn", dropout)
        require_one_of("audio_cnn", "pool", pool, get_args(_Pool))
        self.inputs = inputs
        self.n_mels = n_mels
        self.width = width
        self.depth = depth
        self.dim = dim
        self.dropout = dropout
        self.pool = pool
        self.seed = seed
        self.frames = MelFrames(inputs, n_mels)
        with drawn_from(seed):
            self.stages = ResidualStages(1, width, depth, stem_stride=2)
            self.join = nn.Linear(self.stages.channels * _halved(n_mels, depth + 1), dim)
        self.drop = nn.Dropout(dropout)

    def output(self) -> FieldSpec:
        """Return (D,), or (T, D) for ``pool=none``."""
        return feature_form(self.dim, self.pool, _halved(self.frames.bound, self.depth + 1))

    def lengths(self, column: Column) -> Array:
        """Return the number of samples rounded up to a multiple of half a second."""
        return sound_lengths(self.inputs, column)

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return waveforms (B, S) int16 and lengths (B,)."""
        return sound_inputs(column, length)

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return (B, D), or (B, T, D) with the number of steps of each row."""
        frames, counts = self.frames(samples, lengths)
        if self.training:
            frames = mask_spectrogram(frames, counts, self.spec_augment)
        image = frames.to(self.join.weight.dtype).unsqueeze(1)
        maps = self.stages(image, inside(counts, frames.shape[2]))
        steps = self.drop(self.join(maps.flatten(1, 2).transpose(1, 2)).relu())
        for _ in range(self.depth + 1):
            counts = (counts + 1) // 2
        return (steps, counts) if self.pool == "none" else pool_steps(steps, counts, self.pool)

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}


def _halved(size: int, times: int) -> int:
    return -(-size >> times)
