"""Tensor: features computed elsewhere, from a file per row, one array for all rows, or numeric columns."""

from mmcli.modalities.tensor.read import Preprocessor

__all__ = ["Preprocessor"]
