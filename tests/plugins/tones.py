"""Worked examples of each kind that a plugin can bring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_array, check_X_y
from torch import Tensor, nn

from mmcli.runtime import Runtime
from mmcli.store.columns import Array, Column, Dense, FieldSpec, ModalitySpec
from mmcli.store.state import State
from mmcli.tasks.classification import Classification


class Tone:
    """The mean colour of each quarter of an image: dense (12,)."""

    version: ClassVar[int] = 1
    fitted: ClassVar[bool] = False
    scaling: ClassVar[str] = "column"

    def __init__(self, *, gain: float = 1.0) -> None:
        self.gain = gain

    def fit(self, spec: ModalitySpec, columns: Iterable[Column]) -> None:
        """Learn nothing."""

    def output(self, spec: ModalitySpec) -> FieldSpec:
        """Return the form of the features."""
        return FieldSpec("dense", "float32", (12,), "D")

    def extract(self, spec: ModalitySpec, column: Column, runtime: Runtime) -> Dense:
        """Return the features, (B, 12)."""
        pixels = column.main.values.astype(np.float64)
        half = pixels.shape[2] // 2
        quarters = [pixels[:, :, y : y + half, x : x + half] for y in (0, half) for x in (0, half)]
        means = [quarter.mean(axis=(2, 3)) for quarter in quarters]
        return Dense((self.gain * np.concatenate(means, axis=1)).astype(np.float32))

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}

    def state(self) -> State:
        """Return nothing: it learns nothing."""
        return State()

    def load_state(self, state: State) -> None:
        """Do nothing."""


class Halves(nn.Module):
    """Every feature at half its size, side by side; zeros where a modality is absent."""

    kind: ClassVar[str] = "static"
    version: ClassVar[int] = 1

    def __init__(self, in_dims: Mapping[str, int]) -> None:
        super().__init__()
        self.names = sorted(in_dims)
        self.out_dim = sum(in_dims.values())

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> Tensor:
        """Return (B, out_dim)."""
        parts = [torch.where(present[name].unsqueeze(1), features[name], 0.0) for name in self.names]
        return 0.5 * torch.cat(parts, dim=1)


class Flat(nn.Module):
    """A linear layer of an image's pixels: dense (dim,)."""

    kinds: ClassVar[tuple[str, ...]] = ("image",)
    version: ClassVar[int] = 1
    origin: ClassVar[str] = ""
    licence: ClassVar[str] = ""

    def __init__(self, inputs: ModalitySpec, *, dim: int = 8, seed: int = 0) -> None:
        super().__init__()
        self.dim, self.seed = dim, seed
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layer = nn.Linear(int(np.prod(inputs.main.dims)), dim)

    def output(self) -> FieldSpec:
        """Return the form of the features."""
        return FieldSpec("dense", "float32", (self.dim,), "D")

    def lengths(self, column: Column) -> Array | None:
        """Return None: all images are of one size."""

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return the pixels."""
        return (torch.from_numpy(np.array(column.main.values)),)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return (B, dim)."""
        found: Tensor = self.layer(inputs[0].flatten(1).to(self.layer.weight.dtype) / 255)
        return found

    def assets(self) -> dict[str, str]:
        """Return nothing: it reads no files."""
        return {}


class Verdict(Classification):
    """Classes, as classification has them, under another name."""

    version = 1
    link = "softmax"
    monitor = "log_loss"
    headline = ("accuracy",)
    smaller_is_better = ("log_loss", "ece")

    def fault(self, target: Any) -> str | None:
        """Return what a target should be."""
        return super().fault(target)


class Nearest(ClassifierMixin, BaseEstimator):
    """The class whose mean is nearest; nearer ones are likelier."""

    def __init__(self, *, sharpness: float = 1.0) -> None:
        self.sharpness = sharpness

    def fit(self, rows: NDArray[Any], classes: NDArray[Any]) -> Nearest:
        """Learn the mean of each class."""
        rows, classes = check_X_y(rows, classes)
        self.n_features_in_ = rows.shape[1]
        self.classes_ = np.unique(classes)
        self.means_ = np.stack([rows[classes == each].mean(axis=0) for each in self.classes_])
        return self

    def predict_proba(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return (N, classes)."""
        distances = ((check_array(rows)[:, None] - self.means_) ** 2).sum(axis=2)
        found: NDArray[Any] = softmax(-self.sharpness * distances, axis=1)
        return found

    def predict(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the likeliest class of each row."""
        found: NDArray[Any] = self.classes_[self.predict_proba(rows).argmax(axis=1)]
        return found


def darken(inputs: tuple[Tensor, ...], strength: float) -> tuple[Tensor, ...]:
    """Darken each image by up to half of its brightness."""
    images, *rest = inputs
    kept = 1 - 0.5 * strength * torch.rand(len(images), 1, 1, 1, device=images.device)
    return ((images * kept).round().to(images.dtype), *rest)


MMCLI = {
    "extractors": {"image.tone": Tone},
    "encoders": {"flat": Flat},
    "fusion": {"halves": Halves},
    "tasks": {"verdict": Verdict},
    "augmentations": {"image.darken": darken},
    "estimators": {"nearest": Nearest},
}
