"""Images: decoded to RGB bytes of one size."""

from mmcli.modalities.image.read import Preprocessor

__all__ = ["Preprocessor"]
