"""One modality, such as only:image; the others are ignored."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmcli.errors import UsageError, unknown_name
from mmcli.fusion.presence import fill_absent


class Only(nn.Module):
    """The features of one modality; those of several extractors are concatenated.

    Zeros if it is absent, whatever else is present.

    Args:
        in_dims: The width of each modality.
        argument: A modality's name, or a source whose features are named ``argument_extractor``.

    Raises:
        UsageError: No modality is named.
        MmcliError: No modality has that name.
    """

    kind = "static"
    version = 1

    def __init__(self, in_dims: Mapping[str, int], argument: str | None = None) -> None:
        super().__init__()
        if argument is None:
            raise UsageError(f"fusion method 'only' needs the name of a modality, such as only:{min(in_dims)}")
        extracted = [name for name in sorted(in_dims) if name.startswith(f"{argument}_")]
        self.names = [argument] if argument in in_dims else extracted
        if not self.names:
            raise unknown_name("modality", argument, sorted(in_dims))
        self.out_dim = sum(in_dims[name] for name in self.names)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim); zeros if the modality is absent."""
        return torch.cat(fill_absent(features, present, self.names), dim=1)
