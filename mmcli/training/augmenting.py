"""Augmentation of train batches: parses ``--augment`` and applies it to batches on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmcli.augmentation import MIXUP, SPEC_AUGMENT, brought, check_names, default_names
from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.networks.encoder_choice import EncoderChoice
from mmcli.plugins import Origin
from mmcli.registry import ENCODERS
from mmcli.reporting import Reporter
from mmcli.store.columns import ModalitySpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mmcli.training.data import Inputs

AUTO = "auto"
_READY = "tensor"


@dataclass(frozen=True)
class Augmentation:
    """The augmentations of each modality of a train batch and their strength; val and test rows are not augmented.

    Args:
        names: The augmentations of each augmented modality.
        kinds: The kind of each of these as seen by the network; ready features are ``tensor``.
        strength: From 0 to 1.
    """

    names: Mapping[str, tuple[str, ...]]
    kinds: Mapping[str, str]
    strength: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"names": {name: list(own) for name, own in self.names.items()}, "strength": self.strength}

    def plugins(self) -> dict[str, Origin]:
        """Return the plugins that provide augmentations, by ``augmentation KIND.NAME``."""
        kinds = {self.kinds[name] for name in self.names}
        asked = {(self.kinds[name], each) for name, own in self.names.items() for each in own}
        return {
            f"augmentation {kind}.{name}": entry.origin
            for kind in sorted(kinds)
            for name, entry in brought(kind).items()
            if (kind, name) in asked
        }

    def on(self, encoders: Mapping[str, nn.Module]) -> Augmenting:
        """Return the augmenter for a network with these encoders."""
        return Augmenting(self, encoders)


class Augmenting:
    """Augments batches of a network.

    Raises:
        MmcliError: An encoder does not support an augmentation.
    """

    def __init__(self, augmentation: Augmentation, encoders: Mapping[str, nn.Module]) -> None:
        from mmcli.augmentation.augmenter import Augmenter

        self.strength = augmentation.strength
        self.augmenters = {
            name: Augmenter(augmentation.kinds[name], own, augmentation.strength)
            for name, own in augmentation.names.items()
        }
        for name, encoder in encoders.items():
            if name in self.augmenters:
                self.augmenters[name].prepare(encoder)

    def loss(self, model: Callable[..., Tensor], batch: Inputs, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Return the loss of an augmented batch; mixed rows count for both their targets.

        Args:
            model: Maps features and presence to outputs.
            batch: The batch before augmentation.
            loss: Maps outputs and targets to the loss.
        """
        features = dict(batch.features)
        for name, augmenter in self.augmenters.items():
            value = features[name]
            changed = augmenter(value if isinstance(value, tuple) else (value,))
            features[name] = changed if isinstance(value, tuple) else changed[0]
        batch = replace(batch, features=features)
        if not any(augmenter.mixes for augmenter in self.augmenters.values()):
            return loss(model(batch.features, batch.present), batch.targets)
        from mmcli.augmentation.mixup import draw_mixup

        mixup = draw_mixup(len(batch.targets), self.strength, batch.targets.device)
        outputs = model(_mixed(batch, mixup), batch.present)
        return mixup.loss(lambda targets: loss(outputs, targets), batch.targets)


def _mixed(batch: Inputs, mixup: Any) -> dict[str, Tensor | tuple[Tensor, ...]]:
    """Return a batch's features, each row mixed with its partner if both have the modality."""
    import torch

    mixed: dict[str, Tensor | tuple[Tensor, ...]] = {}
    for name, value in batch.features.items():
        values = value if isinstance(value, tuple) else (value,)
        both = batch.present[name] & batch.present[name][mixup.partner]
        found = tuple(torch.where(both.view(-1, *[1] * (own.dim() - 1)), mixup.mix(own), own) for own in values)
        mixed[name] = found if isinstance(value, tuple) else found[0]
    return mixed


def plan_augmentation(
    asked: Sequence[str],
    strength: float,
    modalities: Mapping[str, ModalitySpec],
    encoders: Mapping[str, EncoderChoice],
    reporter: Reporter,
    mixable: bool = True,
    texts: bool = False,
) -> Augmentation:
    """Parse ``--augment``: ``auto`` for all encoded modalities, or ``MODALITY=NAME,NAME``, which takes precedence.

    Ready sequences can be mixed only as pooled vectors, that is, if ``mixable``. Rows with ``texts`` as targets cannot
    be mixed.

    Raises:
        UsageError: A text is neither, or a modality or augmentation does not exist.
        MmcliError: Rows of different shapes are to be mixed.
    """
    kinds = {name: spec.kind if name in encoders else _READY for name, spec in modalities.items()}
    names: dict[str, tuple[str, ...]] = {}
    if AUTO in asked:
        names = {name: _suitable(kinds[name], encoders[name]) for name in encoders}
    for text in asked:
        name, equals, listed = text.partition("=")
        if text == AUTO:
            continue
        if not equals or not name:
            raise UsageError(f"--augment {text}: expected auto, or MODALITY=NAME,NAME")
        if name not in modalities:
            raise unknown_name("modality", name, modalities)
        names[name] = tuple(part for part in listed.split(",") if part and part != "none")
    names = {name: own for name, own in names.items() if own}
    for name, own in names.items():
        check_names(kinds[name], own, strength)
    sequences = sorted(
        name
        for name, spec in modalities.items()
        if (kinds[name] not in ("image", "table") if name in encoders else spec.main.axes == "TD" and not mixable)
    )
    if texts and any(MIXUP in own for own in names.values()):
        raise MmcliError(f"--augment …={MIXUP}: text targets cannot be mixed")
    if sequences and any(MIXUP in own for own in names.values()):
        raise MmcliError(f"--augment …={MIXUP}: rows of {', '.join(sequences)} differ in length and cannot be mixed")
    if AUTO in asked:
        told = "; ".join(f"{name} {', '.join(own)}" for name, own in names.items())
        if told:
            reporter.note(f"augmentation at strength {strength:g}: {told}")
        else:
            reporter.warn("--augment auto has no effect without encoders; augment features with MODALITY=noise")
    return Augmentation(names, kinds, strength)


def _suitable(kind: str, choice: EncoderChoice) -> tuple[str, ...]:
    return default_names(kind, ENCODERS.constant(choice.spec.name, SPEC_AUGMENT) is not None)
