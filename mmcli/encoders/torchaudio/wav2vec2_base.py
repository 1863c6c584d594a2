"""Wav2vec 2.0 Base, pretrained on unlabelled speech: 768 features per sound."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchaudio._waves import SpeechNetwork


class Wav2vec2Base(SpeechNetwork):
    """Wav2vec 2.0, base size: convolutions and 12 attention layers.

    Source: Baevski et al. 2020, wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations.
    """

    kinds: ClassVar[tuple[str, ...]] = ("audio",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchaudio, LibriSpeech 960 h"
    licence: ClassVar[str] = "MIT"
    architecture: ClassVar[str] = "wav2vec2_base"
    file: ClassVar[str] = "wav2vec2_fairseq_base_ls960.pth"
