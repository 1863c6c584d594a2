"""Chooses the encoder of each modality in train, and how much of it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmcli.chain.word_start import with_width
from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.networks.config import DEFAULT_ENCODERS
from mmcli.options import coerce
from mmcli.registry import ENCODERS, EXTRACTORS, Spec, options_of, parse_spec
from mmcli.store.columns import ModalitySpec

_FREEZE = "freeze"


@dataclass(frozen=True)
class EncoderChoice:
    """One encoder on one modality.

    Args:
        spec: The encoder's name and options.
        freeze: Train none of its layers.
        last: Train only its last layers, this many; None trains all.
        lr_scale: Its learning rate relative to that of the rest.
        vectors: A file of word vectors to start from; not part of the text form, because a trained model no longer
            needs it.
    """

    spec: Spec
    freeze: bool = False
    last: int | None = None
    lr_scale: float = 1.0
    vectors: str | None = None

    def __str__(self) -> str:
        own = {
            _FREEZE: "true" if self.freeze else None,
            "last": self.last,
            "lr_scale": None if self.lr_scale == 1 else self.lr_scale,
        }
        told = {name: str(value) for name, value in own.items() if value is not None}
        return str(replace(self.spec, options={**self.spec.options, **told}))


def parse_choice(text: str) -> EncoderChoice:
    """Parse ``name:key=value,…``, where ``freeze``, ``last=N``, ``lr_scale=X`` and ``vectors=FILE`` are train's own.

    Raises:
        UsageError: The text has a syntax error or invalid values.
        MmcliError: There is no such encoder.
    """
    bare = text.endswith(f":{_FREEZE}") or text.endswith(f",{_FREEZE}")
    spec = parse_spec(text[: -len(_FREEZE) - 1] if bare else text)
    ENCODERS.summary(spec.name)
    options = dict(spec.options)
    freeze = bare or coerce(f"{text}: {_FREEZE}", options.pop(_FREEZE, "false"), bool)
    last = coerce(f"{text}: last", options.pop("last"), int) if "last" in options else None
    lr_scale = coerce(f"{text}: lr_scale", options.pop("lr_scale", "1"), float)
    if (last is not None and last < 1) or not lr_scale > 0 or (freeze and (last is not None or lr_scale != 1)):
        raise UsageError(f"{text}: expected last of at least 1 and lr_scale above 0, neither together with freeze")
    vectors = options.pop("vectors", None)
    spec = replace(spec, options=options)
    return EncoderChoice(spec if vectors is None else with_width(spec, vectors), freeze, last, lr_scale, vectors)


def build_encoder(choice: EncoderChoice, inputs: ModalitySpec, seed: int, pretrained: bool) -> Any:
    """Build an encoder, a torch module, for a modality; if not ``pretrained``, without its published weights.

    Raises:
        MmcliError: An option does not exist, or the weights cannot be found.
    """
    spec = choice.spec
    if not pretrained and "weights" in options_of(ENCODERS.load(spec.name)):
        spec = replace(spec, options={**spec.options, "weights": "none"})
    encoder = ENCODERS.build(spec, inputs=inputs, seed=seed)
    set_trained(encoder, choice)
    return encoder


def reads_files(choice: EncoderChoice) -> bool:
    """Return whether an encoder starts from weights in files, that is, has an ``origin``."""
    return bool(ENCODERS.constant(choice.spec.name, "origin", ""))


def set_trained(encoder: Any, choice: EncoderChoice) -> None:
    """Set which of an encoder's parameters are trained; ``last`` counts layers with a matrix or kernel.

    Raises:
        MmcliError: It has fewer layers.
    """
    layers = [module for module in encoder.modules() if any(own.ndim > 1 for own in module.parameters(recurse=False))]
    if choice.last is not None and choice.last > len(layers):
        raise MmcliError(f"{choice}: has {len(layers)} layers; expected last of 1 to {len(layers)}")
    if not choice.freeze and choice.last in (None, len(layers)):
        return
    first = None if choice.last is None else layers[-choice.last]
    reached = False
    for module in encoder.modules():
        reached = reached or module is first
        for parameter in module.parameters(recurse=False):
            parameter.requires_grad_(reached)


def choose_encoders(asked: Sequence[str], modalities: Mapping[str, ModalitySpec]) -> dict[str, EncoderChoice]:
    """Return the encoder of each preprocessed modality.

    Args:
        asked: The values of ``--encoder``, ``MODALITY=NAME`` each.
        modalities: Those of the source, preprocessed and features.

    Raises:
        UsageError: A value has a syntax error.
        MmcliError: A modality or encoder does not exist, or the encoder is for another kind.
    """
    chosen: dict[str, EncoderChoice] = {}
    for text in asked:
        name, equals, spec = text.partition("=")
        if not equals or not name or not spec:
            raise UsageError(f"--encoder {text}: expected MODALITY=ENCODER")
        if name not in modalities:
            raise unknown_name("modality", name, modalities)
        if modalities[name].extractor is not None:
            raise MmcliError(
                f"--encoder {text}: {name} was already extracted by {modalities[name].extractor}; use the preprocessed "
                f"artifact as the source, and leave {name} out of the features with --use {name}=none"
            )
        kind = modalities[name].kind
        named = spec.partition(":")[0]
        if named in EXTRACTORS[kind].names():
            raise MmcliError(
                f"--encoder {text}: {named} is not trainable; use it in extract-features with --use {name}={spec}"
            )
        chosen[name] = parse_choice(spec)
        kinds = ENCODERS.constant(chosen[name].spec.name, "kinds", ())
        if modalities[name].kind not in kinds:
            if kind not in DEFAULT_ENCODERS:
                raise MmcliError(f"--encoder {text}: {name} is {kind}, which needs no encoder; leave it out")
            fitting = [known for known in ENCODERS.names() if kind in ENCODERS.constant(known, "kinds", ())]
            raise MmcliError(
                f"--encoder {text}: {chosen[name].spec.name} is for {' or '.join(kinds)}, but {name} is {kind}; "
                f"use one of {', '.join(fitting)}"
            )
    for name, form in modalities.items():
        if form.extractor is None and name not in chosen and form.kind in DEFAULT_ENCODERS:
            chosen[name] = parse_choice(DEFAULT_ENCODERS[form.kind])
    return chosen
