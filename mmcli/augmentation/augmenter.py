"""Augments the input batches of an encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor, nn

from mmcli.augmentation import (
    MIXUP,
    SPEC_AUGMENT,
    audio,
    brought,
    check_names,
    feature,
    image,
    names_for,
    text,
    video,
)
from mmcli.errors import MmcliError
from mmcli.models.abilities import MasksSpectrogram

Inputs = tuple[Tensor, ...]
Operation = Callable[[Inputs, float], Inputs]


def _done_elsewhere(inputs: Inputs, strength: float) -> Inputs:
    """Return the inputs unchanged: the loss applies ``mixup``, and the encoder ``spec_augment``."""
    del strength
    return inputs


OPERATIONS: Mapping[str, Mapping[str, Operation]] = {
    "image": {**image.OPERATIONS, MIXUP: _done_elsewhere},
    "audio": {**audio.OPERATIONS, SPEC_AUGMENT: _done_elsewhere},
    "text": text.OPERATIONS,
    "video": video.OPERATIONS,
    "table": feature.TABLE_OPERATIONS,
    "tensor": feature.OPERATIONS,
}
"""The function of each name in ``AUGMENTATIONS``, by kind."""


class Augmenter:
    """Changes each row of a batch independently, with torch's random generator of the inputs' device.

    Args:
        kind: Kind of the modality; ``tensor`` for ready features.
        names: The augmentations, applied in the order of ``names_for``. Two are applied elsewhere: ``mixup`` in
            the loss (see ``mixes``), ``spec_augment`` in the encoder (see ``prepare``).
        strength: From 0, no change, to 1.

    Raises:
        MmcliError: The kind has no such augmentation, or the strength is not from 0 to 1.
    """

    def __init__(self, kind: str, names: Sequence[str], strength: float = 0.5) -> None:
        check_names(kind, names, strength)
        self.kind = kind
        self.names = tuple(name for name in names_for(kind) if name in names)
        self.strength = strength
        known: dict[str, Operation] = {
            **OPERATIONS.get(kind, {}),
            **{name: entry.load() for name, entry in brought(kind).items() if name in names},
        }
        self._operations = [known[name] for name in self.names]

    @property
    def mixes(self) -> bool:
        """Whether rows and their targets are to be mixed."""
        return MIXUP in self.names and self.strength > 0

    def prepare(self, encoder: nn.Module) -> None:
        """Set the augmentations that only the encoder can apply.

        Raises:
            MmcliError: ``spec_augment`` is set for an encoder without spectrograms.
        """
        if SPEC_AUGMENT not in self.names:
            return
        if not isinstance(encoder, MasksSpectrogram):
            raise MmcliError(
                f"augmentation {SPEC_AUGMENT!r} needs an encoder with a spectrogram, such as audio_cnn or "
                f"audio_lstm, not {type(encoder).__name__}"
            )
        encoder.spec_augment = self.strength

    def __call__(self, inputs: Inputs) -> Inputs:
        """Return inputs of the same shapes and types; lengths and padding are unchanged."""
        if self.strength == 0:
            return inputs
        for operation in self._operations:
            inputs = operation(inputs, self.strength)
        return inputs
