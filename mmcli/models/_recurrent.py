"""What recurrent encoders share: packed runs over rows of differing length."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmcli.models._sequence import inside, pool_steps

POOLS = ("mean", "max", "last", "none")


def run_steps(network: nn.LSTM | nn.GRU, values: Tensor, lengths: Tensor, pool: str) -> Tensor | tuple[Tensor, Tensor]:
    """Run a network of both directions over each row's own steps.

    Args:
        network: Batch first.
        values: (B, T, D).
        lengths: (B,); a row of none gives zeros.
        pool: ``mean`` or ``max`` over the steps' states, ``last``, the state after the last step of each direction,
            or ``none``, every step's, (B, T, 2 H), with the lengths.
    """
    packed = pack_padded_sequence(values, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
    found, last = network(packed)
    if pool == "last":
        state = last[0] if isinstance(last, tuple) else last
        both: Tensor = state[-2:].transpose(0, 1).flatten(start_dim=1) * (lengths > 0).unsqueeze(1)
        return both
    states, _ = pad_packed_sequence(found, batch_first=True, total_length=values.shape[1])
    if pool == "none":
        return states * inside(lengths, values.shape[1]).unsqueeze(2), lengths
    return pool_steps(states, lengths, pool)
