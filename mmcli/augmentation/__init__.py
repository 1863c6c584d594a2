"""Random changes of the inputs that leave what they show as it is, for training: one file for each kind.

The names are here, so that listing them loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError, unknown_name
from mmcli.plugins import Entry, entries_of

MIXUP = "mixup"
SPEC_AUGMENT = "spec_augment"
AUGMENTATIONS: dict[str, tuple[str, ...]] = {
    "image": ("crop", "flip", "rotate", "color", "rand_augment", MIXUP),
    "audio": ("gain", "noise", "time_shift", SPEC_AUGMENT),
    "text": ("word_dropout",),
    "video": ("temporal_crop", "flip", "crop"),
    "table": ("noise",),
    "tensor": ("noise",),
}
"""The augmentations of each kind, in the order in which they are done; ready features are of kind ``tensor``."""

_DEFAULTS: dict[str, tuple[str, ...]] = {
    # A flipped picture is another one where it shows text, digits or arrows: flip is for those who know it is not.
    "image": ("crop", "rotate", "color"),
    "audio": ("gain", "noise", "time_shift", SPEC_AUGMENT),
    "text": ("word_dropout",),
    "video": ("temporal_crop", "crop"),
    "table": ("noise",),
    "tensor": ("noise",),
}


def brought(kind: str) -> dict[str, Entry]:
    """Return the augmentations of a kind that plugins bring, by name."""
    return entries_of("augmentations", f"augmentation for {kind}", AUGMENTATIONS.get(kind, ()), f"{kind}.")


def names_for(kind: str) -> tuple[str, ...]:
    """Return the augmentations of a kind in the order in which they are applied: mmcli's own, then those of plugins."""
    return (*AUGMENTATIONS.get(kind, ()), *sorted(brought(kind)))


def default_names(kind: str, masks: bool = True) -> tuple[str, ...]:
    """Return the augmentations that harm no kind of data, in their order.

    Args:
        kind: Of the inputs.
        masks: Whether what the inputs are for makes a spectrogram, of which parts can be masked.
    """
    names = _DEFAULTS.get(kind, ())
    return tuple(name for name in names if name != SPEC_AUGMENT or masks)


def check_names(kind: str, names: Sequence[str], strength: float) -> None:
    """Refuse augmentations that there are none of.

    Raises:
        MmcliError: The kind has no such augmentation, or the strength is not from 0 to 1.
    """
    known = names_for(kind)
    for name in names:
        if name not in known:
            raise unknown_name(f"augmentation for {kind}", name, known)
    if not 0 <= strength <= 1:
        raise MmcliError(f"augmentation strength {strength}: expected 0 to 1")
