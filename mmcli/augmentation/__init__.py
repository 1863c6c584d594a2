"""Random changes of the inputs that leave what they show as it is, for training: one file for each kind.

The names are here, so that listing them loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError, unknown_name
from mmcli.plugins import Entry, entries_of

MIXUP = "mixup"
SPEC_AUGMENT = "spec_augment"
AUGMENTATIONS: dict[str, dict[str, str]] = {
    "image": {
        "crop": "Enlarge a random part to the full image.",
        "flip": "Flip half of the images horizontally.",
        "rotate": "Rotate by up to 30 degrees.",
        "color": "Change brightness, contrast and saturation.",
        "rand_augment": "Two random changes of 14 kinds (RandAugment).",
        MIXUP: "Mix pairs of rows and their targets.",
    },
    "audio": {
        "gain": "Change the loudness by up to 12 dB.",
        "noise": "Add white noise, 20 to 40 dB below the sound.",
        "time_shift": "Shift by up to 20% of the length, earlier or later.",
        SPEC_AUGMENT: "Mask parts of the spectrogram (SpecAugment); for encoders with a spectrogram.",
    },
    "text": {"word_dropout": "Replace up to 30% of the words by the unknown token."},
    "video": {
        "temporal_crop": "Stretch a part of the clip to its full length.",
        "flip": "Flip half of the clips horizontally.",
        "crop": "Enlarge a random part to the full frame.",
    },
    "table": {"noise": "Add Gaussian noise to the numbers that are not missing."},
    "tensor": {"noise": "Add Gaussian noise, relative to each feature's standard deviation; also for features."},
}
"""The augmentations of each kind with a summary, in the order in which they are applied; features are ``tensor``."""

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


def summary_of(kind: str, name: str) -> str:
    """Return the one-line description of an augmentation; a plugin's is imported for it."""
    entry = brought(kind).get(name)
    if entry is None:
        return AUGMENTATIONS[kind][name]
    return (entry.load().__doc__ or "").strip().partition("\n")[0]


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
