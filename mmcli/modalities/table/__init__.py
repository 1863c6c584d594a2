"""Table: the numeric and categorical cells of a row, together one modality."""

from mmcli.modalities.table.read import Preprocessor

__all__ = ["Preprocessor"]
