"""Masked attention over tokens, and transformer layers built on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.fusion.presence import require_share, require_width

_DEEPEST = 64


def require_sizes(method: str, dim: int, heads: int, layers: int = 1, dropout: float = 0.0) -> None:
    """Check the sizes of attention layers.

    Raises:
        MmcliError: ``dim`` is not a multiple of ``heads``, ``layers`` is not from 1 to 64, or ``dropout`` is not a
            probability.
    """
    if heads < 1 or dim < 1 or dim % heads:
        raise MmcliError(f"fusion method {method!r}: dim must be a multiple of heads, not {dim} of {heads}")
    require_width("dim", dim)
    if not 1 <= layers <= _DEEPEST:
        raise MmcliError(f"fusion method {method!r}: layers must be from 1 to {_DEEPEST}, not {layers}")
    require_share("dropout", dropout)


def split_heads(values: Tensor, heads: int) -> Tensor:
    """Return (B, heads, N, D / heads) from (B, N, D)."""
    rows, tokens, _ = values.shape
    return values.view(rows, tokens, heads, -1).transpose(1, 2)


def attend(queries: Tensor, keys: Tensor, values: Tensor, own: Tensor) -> Tensor:
    """Return scaled dot-product attention (B, heads, N, E); zeros for a row without keys.

    Args:
        queries: (B, heads, N, D).
        keys: (B, heads, K, D); must be finite; keys outside ``own`` have no effect.
        values: (B, heads, K, E), likewise.
        own: (B, K) bool, the mask of keys.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.2.1.
    """
    # A row without keys attends to all of them and its result is dropped, so that no kernel gets an empty softmax.
    some = own.any(dim=1)
    seen = (own | ~some.unsqueeze(1))[:, None, None, :]
    found = nn.functional.scaled_dot_product_attention(queries, keys, values, attn_mask=seen)
    return torch.where(some[:, None, None, None], found, 0.0)


class MultiHead(nn.Module):
    """Multi-head attention of tokens to the tokens of a source.

    Args:
        dim: The width of both.
        heads: Number of heads; ``dim`` is a multiple of it.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.2.2.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        # A bias on the keys would cancel in the softmax and get no gradient.
        self.query = nn.Linear(dim, dim, bias=False)
        self.key_value = nn.Linear(dim, 2 * dim, bias=False)
        self.output = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, source: Tensor, own: Tensor) -> Tensor:
        """Return (B, N, D); zeros for a row without source tokens.

        Args:
            tokens: What attends, (B, N, D).
            source: What is attended to, (B, K, D).
            own: The mask of the source, (B, K) bool.
        """
        keys, values = self.key_value(source).chunk(2, dim=2)
        queries, keys, values = (split_heads(each, self.heads) for each in (self.query(tokens), keys, values))
        joined = self.output(attend(queries, keys, values, own).transpose(1, 2).flatten(start_dim=2))
        return torch.where(own.any(dim=1)[:, None, None], joined, 0.0)

    def shares(self, tokens: Tensor, source: Tensor, own: Tensor, groups: Tensor) -> Tensor:
        """Return (B, N, G), the attention to each group of source tokens, averaged over heads.

        Args:
            tokens: What attends, (B, N, D).
            source: What is attended to, (B, K, D).
            own: The mask of the source, (B, K) bool.
            groups: (K, G), 1 if a token belongs to a group.
        """
        keys, _ = self.key_value(source).chunk(2, dim=2)
        queries, keys = (split_heads(each, self.heads) for each in (self.query(tokens), keys))
        return attend(queries, keys, groups.expand(len(source), self.heads, -1, -1), own).mean(dim=1)


class Block(nn.Module):
    """A pre-norm transformer layer: attention, then two layers with GELU, each with a residual connection.

    Args:
        dim: The width of the tokens.
        heads: Attention heads.
        dropout: Dropout probability of each residual branch.
        crosses: Attend to a source other than the tokens themselves, with a layer norm of its own.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3.1; Xiong et al. 2020, On Layer Normalization in
    the Transformer Architecture, table 1, for pre-norm.
    """

    def __init__(self, dim: int, heads: int, dropout: float, *, crosses: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.source_norm = nn.LayerNorm(dim) if crosses else None
        self.attention = MultiHead(dim, heads)
        self.drop = nn.Dropout(dropout)
        self.feed = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim)
        )

    def forward(self, tokens: Tensor, own: Tensor, source: Tensor | None = None) -> Tensor:
        """Return (B, N, D) from (B, N, D).

        Args:
            tokens: What attends, (B, N, D).
            own: The mask of what is attended to, (B, K) bool.
            source: What is attended to if the block crosses, (B, K, D).
        """
        tokens = tokens + self.drop(self.attention(*self.inputs(tokens, source), own))
        fed: Tensor = tokens + self.drop(self.feed(tokens))
        return fed

    def inputs(self, tokens: Tensor, source: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the attention's inputs: tokens and source, normalised."""
        normalised = self.norm(tokens)
        if self.source_norm is None:
            return normalised, normalised
        return normalised, self.source_norm(source)


class Stack(nn.Module):
    """A stack of blocks with a final norm; all cross to the same source.

    Args:
        dim: The width of the tokens.
        heads: Attention heads.
        layers: Number of blocks.
        dropout: Dropout probability of each residual branch.
        crosses: Attend to a source.
    """

    def __init__(self, dim: int, heads: int, layers: int, dropout: float, *, crosses: bool = False) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(dim, heads, dropout, crosses=crosses) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, own: Tensor, source: Tensor | None = None) -> Tensor:
        """Return (B, N, D) from (B, N, D), with ``own`` and ``source`` as in a block."""
        for block in self.blocks:
            tokens = block(tokens, own, source)
        normalised: Tensor = self.norm(tokens)
        return normalised
