"""Extractors by the names that people type: those of a kind, networks run frozen, and either on frames of videos."""

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
"""What is used where no ``--use`` names an extractor: nothing that needs weights."""


WORDS_ASKED = "words_asked"
"""The fact of a text modality that says what was asked of its tokens."""
_COUNTING_TOKENS = ("tfidf:analyzer=word",)


def names_for(kind: str) -> list[str]:
    """Return every extractor for a kind: its own, and the networks that serve it frozen."""
    return sorted(EXTRACTORS[kind].names() + _frozen_names(kind))


def _frozen_names(kind: str) -> list[str]:
    return [name for name in ENCODERS.names() if kind in ENCODERS.constant(name, "kinds", ())]


def registry_for(kind: str, name: str) -> Registry:
    """Return the registry that has an extractor for a kind.

    Raises:
        MmcliError: None has.
    """
    if name in _frozen_names(kind):
        return ENCODERS
    if name not in EXTRACTORS[kind].names():
        others = [other for other in EXTRACTORS if other != kind and name in names_for(other)]
        if others:
            raise MmcliError(
                f"extractor {name!r} is for {' or '.join(others)}, this is {kind}; for that there are "
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
        inputs: Videos.
        spec: ``frames``, with the extractor for images as its argument and the options of both.
        seed: Of weights that are drawn at random.

    Raises:
        MmcliError: No extractor for images is named, there is no such one, or it has no such option.
    """
    if spec.argument is None:
        raise UsageError("frames: which extractor for images? write frames:hog, or frames:NAME:key=value")
    told = parse_spec(spec.argument)
    own = options_of(Frames)
    inner = Spec(told.name, told.argument, {key: value for key, value in spec.options.items() if key not in own})
    outer = Spec(FRAMES, spec.argument, {key: value for key, value in spec.options.items() if key in own})
    made: Extractor = EXTRACTORS["video"].build(outer, inner=make_extractor(as_images(inputs), inner, seed))
    return made


def runs_network(extractor: Extractor) -> bool:
    """Tell whether an extractor, or the one it puts to work, is a network."""
    return isinstance(inner_of(extractor), FrozenEncoder)


def default_extractors(inputs: ModalitySpec) -> list[Spec]:
    """Return what is used on a modality where no one names an extractor.

    Of a text it is what counts the tokens, where more was asked of them than lower case.
    """
    asked = [option for option in inputs.facts.get(WORDS_ASKED, []) if option != "--lower"]
    return [parse_spec(text) for text in (_COUNTING_TOKENS if asked else DEFAULT_EXTRACTORS[inputs.kind])]


def passed_over(inputs: ModalitySpec, extractor: Extractor) -> list[str]:
    """Return the options asked of the tokens, as typed, that do not change an extractor's features."""
    asked = list(inputs.facts.get(WORDS_ASKED, []))
    if isinstance(extractor, FrozenEncoder):
        return asked if ENCODERS.constant(extractor.spec.name, "reads_text", False) else []
    return extractor.passes_over(asked) if isinstance(extractor, ReadsText) else []


def is_untrained(extractor: Extractor) -> bool:
    """Tell whether an extractor is a network that only ``train`` would teach anything."""
    inner = inner_of(extractor)
    return isinstance(inner, FrozenEncoder) and not ENCODERS.constant(inner.spec.name, "origin", "")


def tell_loading(extractor: Extractor) -> str:
    """Return what a network says of how its weights were fitted to it; "" where there is nothing to say."""
    inner = inner_of(extractor)
    network = inner.network if isinstance(inner, FrozenEncoder) else None
    return network.loaded if isinstance(network, TellsLoading) else ""


def inner_of(extractor: Extractor) -> Extractor:
    """Return the extractor that another puts to work, or itself."""
    return extractor.inner if isinstance(extractor, Wraps) else extractor


def name_of(spec: Spec) -> str:
    """Return what tells an extractor from others on the same modality: ``hog``, ``frames_hog``."""
    return f"{FRAMES}_{parse_spec(spec.argument).name}" if spec.name == FRAMES and spec.argument else spec.name
