"""The machinery of networks: heads, decoders, pooling, blocks, and the network that composes them with a fusion."""

from typing import Literal, get_args

Pooling = Literal["mean", "max", "attention"]
POOLINGS: tuple[Pooling, ...] = get_args(Pooling)
DEFAULT_POOLING: Pooling = "mean"
