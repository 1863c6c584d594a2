"""Sounds: decoded to mono waveforms of one sample rate."""

from mmcli.modalities.audio.read import Preprocessor

__all__ = ["Preprocessor"]
