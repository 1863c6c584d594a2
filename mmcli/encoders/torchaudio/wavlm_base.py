"""WavLM Base, pretrained on unlabelled speech: 768 features per sound."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from mmcli.encoders.torchaudio._waves import SpeechNetwork


class WavlmBase(SpeechNetwork):
    """WavLM, base size: convolutions and 12 attention layers with relative positions.

    Source: Chen et al. 2022, WavLM: Large-Scale Self-Supervised Pre-Training for Full Stack Speech Processing.
    """

    kinds: ClassVar[tuple[str, ...]] = ("audio",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchaudio, LibriSpeech 960 h"
    licence: ClassVar[str] = "MIT"
    architecture: ClassVar[str] = "wavlm_base"
    file: ClassVar[str] = "wavlm_base.pth"

    def attended(self, own: Tensor, values: Tensor) -> dict[str, Tensor]:
        """Return the arguments that restrict a layer's attention to a row's own frames."""
        outside = torch.where(own, 0.0, -torch.inf).to(values.dtype)
        return {"key_padding_mask": outside}
