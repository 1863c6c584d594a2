"""From stored waveforms to those that pretrained networks for sound take."""

from __future__ import annotations

from mmcli.errors import MmcliError
from mmcli.store.columns import ModalitySpec

FULL_SCALE = 32768


def require_rate(encoder: str, inputs: ModalitySpec, sample_rate: int) -> None:
    """Refuse waveforms of another sample rate than the network was trained on.

    Args:
        encoder: Its name, for the message.
        inputs: The waveforms.
        sample_rate: In Hz, what the network wants.

    Raises:
        MmcliError: They are.
    """
    found = inputs.facts.get("sample_rate")
    if found != sample_rate:
        raise MmcliError(
            f"{encoder} takes sound of {sample_rate} samples a second, {inputs.source} has {found}: "
            f"preprocess with --sample-rate {sample_rate}"
        )
