"""Extractors for images, put to work on the frames of videos: ``frames:hog``, ``frames:resnet18:weights=none``."""

from __future__ import annotations

from mmcli.errors import UsageError
from mmcli.modalities import Extractor
from mmcli.modalities.video.frames import Frames, as_images
from mmcli.registry import EXTRACTORS, Spec, options_of, parse_spec
from mmcli.stages.frozen import FrozenEncoder
from mmcli.stages.transforms.extract_features import make_extractor
from mmcli.store.columns import ModalitySpec

NAME = "frames"


def make_frame_extractor(inputs: ModalitySpec, spec: Spec, seed: int) -> Extractor:
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
    outer = Spec(NAME, spec.argument, {key: value for key, value in spec.options.items() if key in own})
    made: Extractor = EXTRACTORS["video"].build(outer, inner=make_extractor(as_images(inputs), inner, seed))
    return made


def runs_network(extractor: Extractor) -> bool:
    """Tell whether an extractor, or the one it puts to work, is a network."""
    return isinstance(getattr(extractor, "inner", extractor), FrozenEncoder)


def name_of(spec: Spec) -> str:
    """Return what tells an extractor from others on the same modality: ``hog``, ``frames_hog``."""
    return f"{NAME}_{parse_spec(spec.argument).name}" if spec.name == NAME and spec.argument else spec.name
