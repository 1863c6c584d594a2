"""Tensor: features made elsewhere, from a file for each row, one array for all rows, or numeric columns."""

from mmcli.modalities.tensor.read import Preprocessor

__all__ = ["Preprocessor"]
