"""Token losses of texts."""

from __future__ import annotations

from torch import Tensor

from mmcli.tasks._caption_tokens import PAD


def token_loss(outputs: Tensor, encoded: Tensor, smoothing: float) -> Tensor:
    """Return the mean cross-entropy over tokens.

    Args:
        outputs: The log probabilities of every token of every text, (S, V).
        encoded: Tokens (B, R, T), S of them, padded with zeros.
        smoothing: Label smoothing: the share of every target that is spread over all tokens.
    """
    missed = -outputs.gather(1, _tokens_of(encoded)).mean()
    return missed if not smoothing else (1 - smoothing) * missed - smoothing * outputs.mean()


def token_sums(outputs: Tensor, encoded: Tensor) -> Tensor:
    """Return (3,): the sum of the unsmoothed cross-entropy, the number of correct tokens, and that of all tokens."""
    wanted = _tokens_of(encoded)
    missed = -outputs.gather(1, wanted).sum()
    right = (outputs.argmax(dim=1, keepdim=True) == wanted).sum()
    return outputs.new_tensor([missed, right, len(wanted)]).cpu().double()


def _tokens_of(encoded: Tensor) -> Tensor:
    """Return the tokens of all texts, (S, 1)."""
    return encoded[encoded != PAD].unsqueeze(1)
