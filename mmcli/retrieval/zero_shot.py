"""Zero-shot classification: a row's class is the label whose name is closest in the shared space."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.config import PLACE
from mmcli.inference.inputs import STAGES
from mmcli.inference.model import TrainedModel, Vectors
from mmcli.registry import TASKS
from mmcli.retrieval.embed import require_embeddings
from mmcli.retrieval.queries import Query, embed_queries, only_modality
from mmcli.runtime import Runtime
from mmcli.store.artifact import is_artifact
from mmcli.store.columns import Array
from mmcli.store.opening import open_samples
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.opening import open_table

_SCALE = 1 / 0.07
"""The initial value of CLIP's learnt scale; probabilities depend on it, labels do not."""


class LabelModel(TrainedModel):
    """A retrieval model as a classifier by the names of labels.

    Args:
        path: The model's folder.
        labels: The names, at least two different ones.
        template: The text to embed for a label, with ``{}`` in place of its name.
        column: The target column of rows with known labels.
        runtime: Where to compute.

    Raises:
        MmcliError: The model has no shared space or not exactly one text modality, or labels or template are invalid.
    """

    _text: str | None = None
    """The modality of the labels, set once they are embedded."""

    def __init__(self, path: Path, labels: Sequence[str], template: str, column: str | None, runtime: Runtime) -> None:
        import torch

        from mmcli.models.shared_space import LabelHead

        super().__init__(path)
        option = "--labels" if column is None else "--labels-from"
        require_embeddings(self, option)
        if PLACE not in template:
            raise UsageError(f"--template {template!r}: expected {PLACE} in place of the label")
        text = only_modality(self, "text", option)
        task = TASKS.load("classification")()
        if len(set(labels)) < 2:
            raise UsageError(f"{option}: expected at least two different labels, found {', '.join(labels) or 'none'}")
        task.fit(labels)
        said = [Query(name, option, text, template.replace(PLACE, name)) for name in task.classes]
        names = torch.from_numpy(embed_queries(self, said, runtime)).float()
        places = [place for place, name in enumerate(self.sources) if name != text]
        self.network.head = LabelHead(names, places, _SCALE)
        self._text = text
        self.task = task
        self.artifact.roles = dataclasses.replace(self.artifact.roles, target=column)
        self.artifact.header = {**self.artifact.header, "task": "classification"}

    @property
    def sources(self) -> list[str]:
        """The source modalities that rows are classified by, sorted: all except the text of the labels."""
        return [name for name in super().sources if name != self._text]

    def outputs(self, vectors: Vectors, keep: Collection[str] | None = None) -> tuple[Array, Array]:
        """Return the probability of each label, (B, K), and which rows had any of ``sources``, (B,) bool."""
        return super().outputs(vectors, self.sources if keep is None else keep)


def parse_labels(texts: Sequence[str]) -> list[str]:
    """Parse the comma-separated names of ``--labels``."""
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def label_names(source: str, column: str, limit: int | None, text: TableText) -> list[str]:
    """Return the distinct values of a column of a source, sorted.

    Raises:
        UsageError: The source is standard input, which can be read only once.
        MmcliError: There is no such column.
    """
    if source == "-":
        raise UsageError("--labels-from: standard input can be read only once; name a table or an artifact folder")
    if is_artifact(Path(source)):
        cells = [row.get(column) for row in open_samples(source, STAGES, limit).rows]
    else:
        cells = [row.get(column) for _, row in open_table(source, text=text).rows]
    found = sorted({str(cell) for cell in cells if cell is not None and str(cell).strip()})
    if not found:
        raise MmcliError(f"{source}: --labels-from: no column {column!r} with labels")
    return found
