"""Videos: frames decoded to RGB bytes of one size, chosen by the time they are shown."""

from mmcli.modalities.video.read import Preprocessor

__all__ = ["Preprocessor"]
