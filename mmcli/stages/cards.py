"""Describes each encoder: input, output, size and weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcli.encoders import PublishedAs, PublishedAt
from mmcli.errors import MmcliError
from mmcli.plugins import KINDS
from mmcli.registry import ENCODERS, Spec, options_of
from mmcli.stages.told_options import tell_options
from mmcli.store.columns import FieldSpec, ModalitySpec

_TYPICAL = {
    "text": ModalitySpec("text", "text", None, "", {
        "": FieldSpec("ragged", "int32", (), "T", 256), "text": FieldSpec("ragged", "uint8", (), "T"),
        "tokens": FieldSpec("ragged", "uint8", (), "T"),
    }, facts={"vocabulary": 10_000, "language": "en"}),
    "image": ModalitySpec("image", "image", None, "", {"": FieldSpec("dense", "uint8", (3, 224, 224), "CHW")}),
    "audio": ModalitySpec(
        "audio", "audio", None, "", {"": FieldSpec("ragged", "int16", (), "S", 160_000)}, facts={"sample_rate": 16000}
    ),
    "video": ModalitySpec("video", "video", None, "", {"": FieldSpec("ragged", "uint8", (3, 224, 224), "TCHW", 8)}),
    "table": ModalitySpec("table", "table", None, "", {
        "": FieldSpec("dense", "float32", (16,), "D"), "categories": FieldSpec("dense", "int32", (4,), "D"),
    }, facts={
        "numeric": [f"n{i}" for i in range(8)], "categorical": [f"c{i}" for i in range(4)], "categories": [20] * 4,
    }),
}  # fmt: skip
_INPUTS = {
    "text": "10,000-word vocabulary", "image": "3 × 224 × 224", "audio": "10 s at 16 kHz",
    "video": "8 frames of 3 × 224 × 224", "table": "8 numbers, 4 categories",
}  # fmt: skip


@dataclass(frozen=True)
class Card:
    """One encoder.

    Args:
        name: Its name, as typed.
        summary: One-line description.
        kinds: The kinds of modalities it encodes.
        inputs: The typical input that the sizes refer to.
        features: The shape of its output: ``512``, ``T × 384``; "" for a family, where it depends on the model.
        parameters: Number of parameters; None for a family.
        origin: Where its weights come from and what they were trained on; "" if it is trained from scratch.
        licence: Licence of the weights.
        offline: Whether it can be used now: ``yes``, ``no`` if its published weights are not on this machine, or
            ``depends on the model`` for a family.
        options: Its options with their defaults.
    """

    name: str
    summary: str
    kinds: str
    inputs: str
    features: str
    parameters: int | None
    origin: str
    licence: str
    offline: str
    options: str


def encoder_cards() -> list[Card]:
    """Return the card of every encoder without reading weights."""
    return [_card(name) for name in encoder_names()]


def encoder_names() -> list[str]:
    """Return the names of encoders by kind, those of several kinds last."""
    kinds = {name: ENCODERS.constant(name, "kinds", ()) for name in ENCODERS.names()}
    return sorted(kinds, key=lambda name: (len(kinds[name]) > 1, [*map(KINDS.index, kinds[name])]))


def kinds_of_encoder(name: str) -> str:
    """Return the kinds of modalities that an encoder encodes, for display."""
    return ", ".join(ENCODERS.constant(name, "kinds", ()))


def _card(name: str) -> Card:
    kinds, summary = kinds_of_encoder(name), ENCODERS.summary(name)
    typical = kinds.partition(",")[0]
    origin, licence = (str(ENCODERS.constant(name, what, "")) for what in ("origin", "licence"))
    kind: Any = ENCODERS.load(name)
    options = tell_options(ENCODERS, name)
    if "argument" in kind.__init__.__annotations__:
        return Card(
            name, summary, kinds, "depends on the model", "", None, origin, licence, "depends on the model", options
        )
    import torch

    unweighted = {"weights": "none"} if "weights" in options_of(kind) else {}
    try:
        with torch.device("meta"):
            network = ENCODERS.build(Spec(name, None, unweighted), inputs=_TYPICAL[typical], seed=0)
    except MmcliError as error:
        return Card(name, summary, kinds, _INPUTS[typical], str(error), None, origin, licence, "", options)
    form = network.output()
    shape = [str(size) for size in form.dims]
    features = " × ".join([form.axes[0], *shape] if form.layout == "ragged" else shape)
    count = sum(parameter.numel() for parameter in network.parameters())
    return Card(name, summary, kinds, _INPUTS[typical], features, count, origin, licence, _offline(kind), options)


def _offline(kind: Any) -> str:
    import torch

    published = kind.url if isinstance(kind, PublishedAt) else kind.file if isinstance(kind, PublishedAs) else ""
    here = (Path(torch.hub.get_dir()) / "checkpoints" / published.rpartition("/")[2]).is_file()
    return "yes" if not published or here else "no"
