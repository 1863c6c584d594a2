"""Beam search over the texts of a step-by-step model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def beam_search(
    step: Callable[[Tensor, int, Any], tuple[Tensor, Any]], *, rows: int, beam: int, begin: int, end: int, most: int,
    length_penalty: float, device: torch.device,
) -> Tensor:  # fmt: skip
    """Return the mean log probability of each row's text and its tokens, (B, 1 + most), padded with -1.

    Each row keeps its ``beam`` likeliest beginnings. A beginning is finished when ``end`` is among its ``beam``
    likeliest next tokens; a row stops after ``beam`` finished texts or ``most`` tokens. The best text has the highest
    log probability divided by length to the power of ``length_penalty``, both including the end token. A row's text
    does not depend on other rows.

    Args:
        step: Called with the last tokens (B, beam), the token number and its own cache (None at first); returns log
            probabilities (B, beam, V) and the next cache, a list of tuples of tensors whose first axis is B times
            ``beam``.
        rows: B.
        beam: Beam width; 1 is greedy search.
        begin: The token before the first.
        end: The token after the last.
        most: Maximum number of tokens.
        length_penalty: Larger values give longer texts.
        device: Device to compute on.
    """
    sums = torch.full((rows, beam), -torch.inf, device=device)
    sums[:, 0] = 0.0
    tokens = torch.full((rows, beam, 1), begin, device=device)
    best = torch.full((rows,), -torch.inf, device=device)
    means, texts = best.clone(), torch.full((rows, most), -1, device=device)
    done, written = (
        torch.zeros(rows, dtype=torch.bool, device=device),
        torch.zeros(rows, dtype=torch.long, device=device),
    )
    kept: Any = None
    number = torch.arange(rows, device=device).unsqueeze(1)

    def take(scores: Tensor, origins: Tensor, length: int) -> None:
        """Keep finished texts, of these log probabilities (B, n), where they beat the best so far."""
        ranked = (scores / length**length_penalty).masked_fill(done.unsqueeze(1), -torch.inf)
        highest, place = ranked.max(dim=1)
        better = highest > best
        chosen = tokens[number.squeeze(1), origins.gather(1, place.unsqueeze(1)).squeeze(1), 1:]
        best[better], means[better] = highest[better], scores.gather(1, place.unsqueeze(1)).squeeze(1)[better] / length
        texts[better, : chosen.shape[1]] = chosen[better]
        texts[better, chosen.shape[1] :] = -1

    for length in range(1, most + 1):
        found, kept = step(tokens[:, :, -1], length - 1, kept)
        count = found.shape[2]
        scores, places = (sums.unsqueeze(2) + found).flatten(start_dim=1).topk(min(2 * beam, beam * count), dim=1)
        origins, next_tokens = places // count, places % count
        ends = (next_tokens == end) & scores.isfinite()
        first = ends.clone()
        first[:, beam:] = False
        take(scores.masked_fill(~first, -torch.inf), origins, length)
        written = written + first.sum(dim=1)
        done = done | (written >= beam)
        sums, order = scores.masked_fill(ends, -torch.inf).topk(beam, dim=1)
        origins, next_tokens = origins.gather(1, order), next_tokens.gather(1, order)
        tokens = torch.cat([tokens[number, origins], next_tokens.unsqueeze(2)], dim=2)
        if bool(done.all()):
            break
        flat = (number * beam + origins).flatten()
        kept = [tuple(part[flat] for part in pair) for pair in kept]
    else:
        take(sums, torch.arange(beam, device=device).expand(rows, -1), most)
    return torch.cat([means.unsqueeze(1), texts.to(means.dtype)], dim=1)
