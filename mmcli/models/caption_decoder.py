"""A transformer decoder that writes a text while attending to the steps of every modality."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, log_softmax, scaled_dot_product_attention

from mmcli.models.beam_search import beam_search
from mmcli.models.sequence import inside, positions

Memory = tuple[Tensor, Tensor]
"""The memory to attend to: steps (B, L, D) and their mask (B, L) bool, with at least one step per row."""
Cache = list[tuple[Tensor, Tensor]]
"""For each layer the keys and values of the tokens so far, (rows, heads, T, D / heads) each."""
_TEXTS = 64


class CaptionDecoder(nn.Module):
    """Pre-norm layers of causal self-attention, attention to the memory, and a feed-forward network.

    The output layer shares the token embedding matrix; position encodings are sinusoidal.

    Args:
        out_dim: The number of tokens V.
        width: Width D of the memory and of each layer; even, and a multiple of ``heads``.
        layers: Number of layers.
        heads: Attention heads.
        dropout: Dropout probability of embeddings and of each residual branch.
        max_length: Maximum number of tokens that ``forward`` writes.
        beam: Beam width.
        length_penalty: See ``beam_search``.
        pad: The padding token after the end of a text.
        begin: The token before the first of every text.
        end: The token after the last.
        unsaid: Tokens that are never written.

    Source: Vaswani et al. 2017, Attention Is All You Need, section 3; Xiong et al. 2020, On Layer Normalization in the
    Transformer Architecture, table 1, for pre-norm; Press and Wolf 2017, Using the Output Embedding to Improve Language
    Models, for the shared matrix.
    """

    def __init__(
        self, out_dim: int, *, width: int, layers: int, heads: int, dropout: float, max_length: int, beam: int,
        length_penalty: float, pad: int, begin: int, end: int, unsaid: Sequence[int],
    ) -> None:  # fmt: skip
        super().__init__()
        self.max_length, self.beam, self.length_penalty = max_length, beam, length_penalty
        self.pad, self.begin, self.end, self.unsaid = pad, begin, end, list(unsaid)
        self.embedding = nn.Parameter(torch.randn(out_dim, width) * width**-0.5)
        self.bias = nn.Parameter(torch.zeros(out_dim))
        self.drop = nn.Dropout(dropout)
        self.layers = nn.ModuleList(_Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def teach(self, memory: Memory, targets: Tensor) -> Tensor:
        """Return the log probabilities of every token of every text, given the true tokens before it, (S, V).

        Args:
            memory: The memory of B rows.
            targets: The texts of each row with their end tokens, (B, R, T), padded; S tokens in total.
        """
        texts = targets.flatten(end_dim=1)
        lengths = (texts != self.pad).sum(dim=1)
        told = torch.cat([torch.full_like(texts[:, :1], self.begin), texts[:, :-1]], dim=1)
        looked = self._look(memory[0])
        # Texts of similar length go together, so that little padding is computed.
        order = lengths.argsort(stable=True)
        parts = torch.split(order[lengths[order] > 0], _TEXTS)
        made = [self._told(told[part], lengths[part], looked, memory[1], part // targets.shape[1]) for part in parts]
        places = torch.cat([part.repeat_interleave(lengths[part]) for part in parts])
        return self._log_probabilities(torch.cat(made)[places.argsort(stable=True)])

    def _told(
        self, told: Tensor, lengths: Tensor, looked: list[tuple[Tensor, Tensor]], own: Tensor, rows: Tensor
    ) -> Tensor:
        """Return the layers' outputs for the tokens of some texts, without padding, (S, D), text after text."""
        told = told[:, : int(lengths.max())]
        values = self.drop(self._embed(told, torch.arange(told.shape[1], device=told.device)))
        for layer, (keys, seen) in zip(self.layers, looked, strict=True):
            values, _ = layer(values, (keys[rows], seen[rows]), own[rows], None)
        found: Tensor = values[inside(lengths, told.shape[1])]
        return found

    def forward(self, memory: Memory) -> Tensor:
        """Return the mean log probability of each row's text and its tokens, (B, 1 + max_length), padded with -1."""
        steps, own = memory
        looked = self._look(steps)
        beam = self.beam

        def step(tokens: Tensor, number: int, cache: Cache | None) -> tuple[Tensor, Cache]:
            """Return (B, beam, V) for the last tokens (B, beam), and the cache for the next ones."""
            place = torch.full((1,), number, device=tokens.device)
            values, kept = self._embed(tokens.flatten().unsqueeze(1), place), []
            for index, layer in enumerate(self.layers):
                values, pair = layer(values, looked[index], own, None if cache is None else cache[index], beam)
                kept.append(pair)
            found = self._log_probabilities(values.squeeze(1))
            found[:, self.unsaid] = -torch.inf
            return found.view(-1, beam, found.shape[1]), kept

        return beam_search(
            step, rows=len(steps), beam=beam, begin=self.begin, end=self.end, most=self.max_length,
            length_penalty=self.length_penalty, device=steps.device,
        )  # fmt: skip

    def _look(self, steps: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each layer's keys and values of the memory, (B, heads, L, D / heads) each."""
        return [layer.look(steps) for layer in self.layers if isinstance(layer, _Layer)]

    def _embed(self, tokens: Tensor, places: Tensor) -> Tensor:
        """Return (B, T, D) for tokens (B, T) at positions (T,)."""
        width = self.embedding.shape[1]
        waves = positions(self.max_length + 1, self.embedding.new_zeros(1, 1, width))
        found: Tensor = self.embedding[tokens] * width**0.5 + waves[places]
        return found

    def _log_probabilities(self, values: Tensor) -> Tensor:
        """Return (N, V) from (N, D)."""
        return log_softmax(linear(self.norm(values), self.embedding, self.bias), dim=1)


class _Layer(nn.Module):
    def __init__(self, dim: int, heads: int, dropout: float, widening: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.own_norm, self.look_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.project = nn.Linear(dim, 3 * dim)
        self.join = nn.Linear(dim, dim)
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.look_join = nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)
        self.feed = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, widening * dim), nn.GELU(), nn.Dropout(dropout),
            nn.Linear(widening * dim, dim),
        )  # fmt: skip

    def look(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys and values of the memory, (B, heads, L, D / heads) each: the same for every token."""
        keys, values = self._split(self.key_value(steps), 2)
        return keys, values

    def forward(
        self, values: Tensor, looked: tuple[Tensor, Tensor], own: Tensor, cache: tuple[Tensor, Tensor] | None,
        beam: int = 1,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:  # fmt: skip
        """Return (P, T, D) from (P, T, D), and the keys and values of all tokens so far.

        Args:
            values: Complete texts; or one token each, which attends to those in ``cache``.
            looked: The result of ``look`` for P / beam rows.
            own: The mask of the memory, (P / beam, L).
            cache: Keys and values of the earlier tokens.
            beam: Number of consecutive rows of ``values``, one token each, that share a memory.
        """
        query, key, value = self._split(self.project(self.own_norm(values)), 3)
        if cache is not None:
            key, value = torch.cat([cache[0], key], dim=2), torch.cat([cache[1], value], dim=2)
        found = scaled_dot_product_attention(query, key, value, is_causal=query.shape[2] > 1)
        values = values + self.drop(self.join(found.transpose(1, 2).flatten(start_dim=2)))
        asked = self.query(self.look_norm(values)).view(len(values) // beam, -1, values.shape[2])
        (query,) = self._split(asked, 1)
        found = scaled_dot_product_attention(query, *looked, attn_mask=own[:, None, None])
        values = values + self.drop(self.look_join(found.transpose(1, 2).reshape(values.shape)))
        fed: Tensor = values + self.drop(self.feed(values))
        return fed, (key, value)

    def _split(self, values: Tensor, parts: int) -> tuple[Tensor, ...]:
        """Return ``parts`` of (B, heads, T, D / heads) each."""
        rows, steps, _ = values.shape
        return values.view(rows, steps, parts, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(dim=0)
