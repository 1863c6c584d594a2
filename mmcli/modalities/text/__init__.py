"""Text: a cell's words, as token ids and as cleaned UTF-8 bytes."""

from mmcli.modalities.text.read import Preprocessor

__all__ = ["Preprocessor"]
