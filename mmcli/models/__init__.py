"""The machinery of networks: heads, decoders, pooling, blocks, and the network that composes them with a fusion."""

POOLINGS = ("mean", "max", "attention")
DEFAULT_POOLING = "mean"
