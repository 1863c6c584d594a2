"""Prepares stored waveforms for pretrained sound networks."""

from __future__ import annotations

from mmcli.errors import MmcliError
from mmcli.store.columns import ModalitySpec

FULL_SCALE = 32768


def require_rate(encoder: str, inputs: ModalitySpec, sample_rate: int) -> None:
    """Require the sample rate that the network was trained on.

    Args:
        encoder: The encoder's name, for the message.
        inputs: The waveforms.
        sample_rate: The network's sample rate in Hz.

    Raises:
        MmcliError: The waveforms have another sample rate.
    """
    found = inputs.facts.get("sample_rate")
    if found != sample_rate:
        raise MmcliError(
            f"{encoder} needs a sample rate of {sample_rate} Hz, but {inputs.source} has {found}: "
            f"preprocess with --sample-rate {sample_rate}"
        )
