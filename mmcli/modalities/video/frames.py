"""An image extractor on each frame, averaged over time: frames:EXTRACTOR, such as frames:hog."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Literal

import numpy as np

from mmcli.errors import MmcliError
from mmcli.modalities import Extractor
from mmcli.registry import options_of
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, FieldSpec, ModalitySpec, Ragged, Tensor, assemble
from mmcli.store.keys import fingerprint
from mmcli.store.state import State

_FRAME = "frame"


class Frames:
    """Features of each frame by an image extractor, pooled over time: frames:hog, frames:resnet18:time=max.

    Args:
        argument: The image extractor's name; all other options go to it.
        inner: The image extractor.
        time: ``mean`` or ``max`` over the frames, ``meanmax`` for both concatenated, ``none`` keeps every frame.

    Raises:
        MmcliError: The extractor learns from the train rows.
    """

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False

    def __init__(
        self, argument: str, inner: Extractor, *, time: Literal["mean", "max", "meanmax", "none"] = "mean"
    ) -> None:
        if inner.fitted:
            raise MmcliError(f"frames:{argument}: {argument} is fitted on images and cannot be used on frames")
        self.argument = argument
        self.inner = inner
        self.time = time
        self.scaling = inner.scaling

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of an image's features, twice as wide for ``meanmax``, with T first for ``none``.

        Raises:
            MmcliError: An image's features are a sequence, or a feature map with ``meanmax``.
        """
        form = self.inner.output(as_images(spec))
        if form.layout != "dense":
            raise MmcliError(f"frames:{self.argument}: it makes a sequence for each frame; pool it to one vector")
        if self.time == "none":
            return FieldSpec("ragged", form.dtype, form.dims, f"T{form.axes}", spec.main.bound)
        width = 2 * form.dims[0] if self.time == "meanmax" else form.dims[0]
        return FieldSpec("dense", form.dtype, (width, *form.dims[1:]), form.axes)

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Tensor:
        """Return the features of each video.

        Raises:
            MmcliError: A video has no frames.
        """
        form, videos = self.output(spec), column.main
        assert isinstance(videos, Ragged)
        if not np.diff(videos.offsets).all():
            raise MmcliError("a video of 0 frames has no features")
        frames = videos.values[videos.offsets[0] : videos.offsets[-1]]
        keys = np.repeat(column.key, np.diff(videos.offsets), axis=0)
        images = Column({"": Dense(frames)}, np.ones(len(frames), bool), keys)
        features = self.inner.extract(as_images(spec), images, runtime)
        assert isinstance(features, Dense)
        steps = Ragged(features.values, videos.offsets - videos.offsets[0])
        return assemble(form, [self._pool(steps.item(row)) for row in range(len(column))])

    def _pool(self, steps: Array) -> Array:
        parts = {"mean": steps.mean(axis=0), "max": steps.max(axis=0)}
        if self.time == "none":
            return steps
        return np.concatenate(list(parts.values())) if self.time == "meanmax" else parts[self.time]

    def assets(self) -> dict[str, str]:
        """Return the image extractor's assets, and the hash of its name and options as ``frame``."""
        assets = self.inner.assets()
        options = {name: getattr(self.inner, name) for name in options_of(type(self.inner)) if name not in assets}
        return {**assets, _FRAME: fingerprint([self.argument, self.inner.version, options])}

    def state(self) -> State:
        """Return nothing: nothing is learnt."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""


def as_images(spec: ModalitySpec) -> ModalitySpec:
    """Return the form of a video's frames as images."""
    main = spec.main
    form = FieldSpec("dense", main.dtype, main.dims, main.axes.removeprefix("T"))
    facts = {name: value for name, value in spec.facts.items() if name == "size"}
    return ModalitySpec("image", spec.source, None, spec.fingerprint, {"": form}, facts=facts)
