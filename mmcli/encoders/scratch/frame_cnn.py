"""Small residual network on each frame, pooled over time, trained from scratch."""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

from torch import Tensor, nn

from mmcli.encoders.scratch._image_stages import ImageStages
from mmcli.models.inputs import bucketed, padded_inputs
from mmcli.models.limits import WIDEST, require_between, require_heads, require_one_of, require_share
from mmcli.models.random import drawn_from
from mmcli.models.sequence import AttentionLayers, feature_form, inside, pool_steps, positions
from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec

_Pool = Literal["mean", "max", "transformer", "none"]
_DEEPEST = 5
_STEP = 4
_HEADS = 4
_LAYERS = 1


class FrameCnn(nn.Module):
    """The features of each frame, as in ``cnn``, pooled by mean, maximum or attention over the frames.

    Args:
        inputs: Clips, frames (3, H, W) uint8.
        width: Channels of the first stage; each later stage doubles them.
        depth: Number of stages, each halving the sides.
        dim: The width D of the features.
        dropout: Dropout probability of each frame's features.
        pool: ``mean`` or ``max`` over the frames, or ``transformer``, an attention layer followed by the mean, gives
            (D,), D a multiple of 4; ``none`` gives a vector for each frame, (T, D).
        seed: Seed of the initial weights.

    Raises:
        MmcliError: A value is out of range.

    Source: Karpathy et al. 2014, Large-scale Video Classification with Convolutional Neural Networks, section 3.1.
    """

    kinds: ClassVar[tuple[str, ...]] = ("video",)
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
            require_between("frame_cnn", option, value, 1, WIDEST)
        require_between("frame_cnn", "depth", depth, 1, _DEEPEST)
        require_share("frame_cnn", dropout)
        require_one_of("frame_cnn", "pool", pool, get_args(_Pool))
        if pool == "transformer":
            require_heads("frame_cnn", dim, _HEADS)
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
            self.attention = AttentionLayers(dim, _LAYERS, _HEADS, dropout) if pool == "transformer" else None
        self.drop = nn.Dropout(dropout)

    def output(self) -> FieldSpec:
        """Return (D,), or (T, D) for ``pool=none``."""
        return feature_form(self.dim, self.pool, self.inputs.main.bound)

    def lengths(self, column: Column) -> Array:
        """Return the number of frames rounded up to a multiple of 4."""
        return bucketed(column, _STEP, self.inputs.main.bound)

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return frames (B, T, 3, H, W) uint8 and lengths (B,)."""
        assert length is not None
        return padded_inputs(column, length)

    def forward(self, frames: Tensor, lengths: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return (B, D), or (B, T, D) with the lengths."""
        values = self.body(frames.flatten(0, 1)).mean(dim=(2, 3))
        values = self.drop(values).view(*frames.shape[:2], -1)
        if self.pool == "none":
            return values, lengths
        if self.attention is None:
            return pool_steps(values, lengths, self.pool)
        values = self.attention(values + positions(values.shape[1], values), inside(lengths, values.shape[1]))
        return pool_steps(values, lengths, "mean")

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}
