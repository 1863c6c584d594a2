"""HuBERT Base, pretrained on unlabelled speech: 768 features per sound."""

from __future__ import annotations

from typing import ClassVar

from mmcli.encoders.torchaudio._waves import SpeechNetwork


class HubertBase(SpeechNetwork):
    """HuBERT, base size: convolutions and 12 attention layers.

    Source: Hsu et al. 2021, HuBERT: Self-Supervised Speech Representation Learning, section II.
    """

    kinds: ClassVar[tuple[str, ...]] = ("audio",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = "torchaudio, LibriSpeech 960 h"
    licence: ClassVar[str] = "MIT"
    architecture: ClassVar[str] = "hubert_base"
    file: ClassVar[str] = "hubert_fairseq_base_ls960.pth"
