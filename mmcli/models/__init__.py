"""Building blocks of networks: heads, decoders, pooling, layers, and the network that joins them with a fusion."""

from typing import Literal, get_args

Pooling = Literal["mean", "max", "attention"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
DEFAULT_POOLING: Pooling = "mean"
