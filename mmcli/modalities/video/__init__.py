"""Videos: frames decoded to RGB bytes of one size, chosen by display time."""

from mmcli.modalities.video.read import Preprocessor

__all__ = ["Preprocessor"]
