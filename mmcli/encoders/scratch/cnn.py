"""Small residual network, trained from scratch."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from mmcli.encoders.scratch._image_stages import ImageStages
from mmcli.models.inputs import dense_inputs
from mmcli.models.limits import WIDEST, require_between, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_Pool = Literal["mean", "none"]
_DEEPEST = 5


class Cnn(nn.Module):
    """A residual network of a few stages; its first convolution downsamples images above 40 and above 112 pixels.

    Args:
        inputs: Images, (3, H, W) uint8.
        width: Channels of the first stage; each later stage doubles them.
        depth: Number of stages, each halving the sides.
        dim: The width D of the features.
        dropout: Dropout probability of the features.
        pool: ``mean`` over the feature map gives (D,); ``none`` gives the map, (D, H', W').
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: He et al. 2016, Deep Residual Learning for Image Recognition, section 3.3; Wu and He 2018, Group
    Normalization, which small batches and absent images do not disturb.
    """

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(
        self,
        inputs: ModalitySpec,
        *,
        width: int = 32,
        depth: int = 3,
        dim: int = 256,
        dropout: float = 0.1,
        pool: _Pool = "mean",
        seed: int = 0,
    ) -> None:
        super().__init__()
        for option, value in (("width", width), ("dim", dim)):
            require_between("cnn", option, value, 1, WIDEST)
        require_between("cnn", "depth", depth, 1, _DEEPEST)
        require_share("cnn", dropout)
        require_one_of("cnn", "pool", pool, get_args(_Pool))
        self.inputs = inputs
        self.width = width
        self.depth = depth
        self.dim = dim
        self.dropout = dropout
        self.pool = pool
        self.seed = seed
        _, rows, columns = inputs.main.dims
        with drawn_from(seed):
            self.body = ImageStages(rows, columns, width, depth, dim)
        self.drop = nn.Dropout(dropout)

    def output(self) -> FieldSpec:
        """Return (D,), or (D, H', W') for ``pool=none``."""
        if self.pool == "mean":
            return FieldSpec("dense", "float32", (self.dim,), "D")
        _, rows, columns = self.inputs.main.dims
        return FieldSpec("dense", "float32", (self.dim, *self.body.map_size(rows, columns)), "CHW")

    def lengths(self, column: Column) -> Array | None:
        """Return None: all images have the same shape."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the stored pixels."""
        del length
        return (dense_inputs(column),)

    def forward(self, values: Tensor) -> Tensor:
        """Return the features of images (B, 3, H, W) uint8."""
        maps = self.body(values)
        features: Tensor = self.drop(maps.mean(dim=(2, 3)) if self.pool == "mean" else maps)
        return features

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
