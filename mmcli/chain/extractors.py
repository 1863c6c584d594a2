"""Makes extractors by name: those of a kind, frozen networks, and either of them on video frames."""

from __future__ import annotations

from mmcli.chain.frozen import FrozenEncoder
from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.modalities import Extractor, ReadsText, Wraps
from mmcli.modalities.video.frames import Frames, as_images
from mmcli.models.abilities import TellsLoading
from mmcli.registry import ENCODERS, EXTRACTORS, Registry, Spec, options_of, parse_spec
from mmcli.store.columns import ModalitySpec

FRAMES = "frames"
DEFAULT_EXTRACTORS = {
    "text": ("tfidf",),
    "image": ("hog", "color_histogram"),
    "audio": ("mfcc",),
    "video": ("frames:hog", "motion"),
    "table": ("identity",),
    "tensor": ("identity",),
}
"""The extractors used without ``--use``; none needs weights."""


WORDS_ASKED = "words_asked"
"""The fact of a text modality that lists the options given for its tokens."""
_COUNTING_TOKENS = ("tfidf:analyzer=word",)


def names_for(kind: str) -> list[str]:
    """Return the names of all extractors for a kind, frozen networks included."""
    return sorted(EXTRACTORS[kind].names() + _frozen_names(kind))


def _frozen_names(kind: str) -> list[str]:
    return [name for name in ENCODERS.names() if kind in ENCODERS.constant(name, "kinds", ())]


def registry_for(kind: str, name: str) -> Registry:
    """Return the registry of an extractor for a kind.

    Raises:
        MmcliError: There is no such extractor.
    """
    if name in _frozen_names(kind):
        return ENCODERS
    if name not in EXTRACTORS[kind].names():
        others = [other for other in EXTRACTORS if other != kind and name in names_for(other)]
        if others:
            raise MmcliError(
                f"extractor {name!r} is for {' or '.join(others)}, not {kind}; extractors for {kind} are "
                f"{', '.join(names_for(kind))}"
            )
        raise unknown_name(f"extractor for {kind}", name, names_for(kind))
    return EXTRACTORS[kind]


def make_extractor(inputs: ModalitySpec, spec: Spec, seed: int) -> Extractor:
    """Make an extractor for a modality from its name and options.

    Raises:
        MmcliError: There is no such extractor or option.
    """
    registry = registry_for(inputs.kind, spec.name)
    if (inputs.kind, spec.name) == ("video", FRAMES):
        return _make_frame_extractor(inputs, spec, seed)
    if registry is ENCODERS:
        frozen: Extractor = FrozenEncoder(spec, inputs, seed)
        return frozen
    extractor: Extractor = registry.build(spec)
    return extractor


def _make_frame_extractor(inputs: ModalitySpec, spec: Spec, seed: int) -> Extractor:
    """Make an extractor for videos from one for images.

    Args:
        inputs: The video modality.
        spec: ``frames``, with the image extractor as its argument and the options of both.
        seed: Seed of random weights.

    Raises:
        MmcliError: No image extractor is given, it is unknown, or it does not have an option.
    """
    if spec.argument is None:
        raise UsageError("frames: needs an image extractor; write frames:hog or frames:NAME:key=value")
    told = parse_spec(spec.argument)
    own = options_of(Frames)
    inner = Spec(told.name, told.argument, {key: value for key, value in spec.options.items() if key not in own})
    outer = Spec(FRAMES, spec.argument, {key: value for key, value in spec.options.items() if key in own})
    made: Extractor = EXTRACTORS["video"].build(outer, inner=make_extractor(as_images(inputs), inner, seed))
    return made


def runs_network(extractor: Extractor) -> bool:
    """Return whether an extractor, or the one it wraps, is a network."""
    return isinstance(inner_of(extractor), FrozenEncoder)


def default_extractors(inputs: ModalitySpec) -> list[Spec]:
    """Return the default extractors of a modality.

    For text they count tokens if preprocess was given token options other than ``--lower``.
    """
    asked = [option for option in inputs.facts.get(WORDS_ASKED, []) if option != "--lower"]
    return [parse_spec(text) for text in (_COUNTING_TOKENS if asked else DEFAULT_EXTRACTORS[inputs.kind])]


def passed_over(inputs: ModalitySpec, extractor: Extractor) -> list[str]:
    """Return the token options, as typed, that do not affect an extractor's features."""
    asked = list(inputs.facts.get(WORDS_ASKED, []))
    if isinstance(extractor, FrozenEncoder):
        return asked if ENCODERS.constant(extractor.spec.name, "reads_text", False) else []
    return extractor.passes_over(asked) if isinstance(extractor, ReadsText) else []


def is_untrained(extractor: Extractor) -> bool:
    """Return whether an extractor is a network without pretrained weights."""
    inner = inner_of(extractor)
    return isinstance(inner, FrozenEncoder) and not ENCODERS.constant(inner.spec.name, "origin", "")


def tell_loading(extractor: Extractor) -> str:
    """Return a network's note on how its weights were loaded, or ""."""
    inner = inner_of(extractor)
    network = inner.network if isinstance(inner, FrozenEncoder) else None
    return network.loaded if isinstance(network, TellsLoading) else ""


def inner_of(extractor: Extractor) -> Extractor:
    """Return the extractor that another one wraps, or the extractor itself."""
    return extractor.inner if isinstance(extractor, Wraps) else extractor


def name_of(spec: Spec) -> str:
    """Return the name that distinguishes extractors on one modality: ``hog``, ``frames_hog``."""
    return f"{FRAMES}_{parse_spec(spec.argument).name}" if spec.name == FRAMES and spec.argument else spec.name
