"""Explains the predictions of rows: what each modality gives, and which parts of each input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, Literal

import numpy as np

from mmcli.evaluation.shapley import shapley_values
from mmcli.explanation.gradients import Gradients
from mmcli.explanation.input_chain import Fields, InputChain, replace_vectors, take_vectors
from mmcli.explanation.occlusions import MOST_WORDS, grid_places, occlusions, text_of, word_places
from mmcli.explanation.score import Score
from mmcli.inference.inputs import Asked
from mmcli.inference.model import TrainedModel, Vectors
from mmcli.modalities.text.read import Preprocessor as TextReader
from mmcli.runtime import Runtime
from mmcli.store.columns import Array, ModalitySpec

MOST_MODALITIES = 10
"""Modalities of a row up to which Shapley values are computed, from all their subsets."""
How = Literal["auto", "occlusion", "gradients"]
_AT_ONCE, _BYTES_AT_ONCE = 256, 64 * 2**20


@dataclass
class InputExplanation:
    """What each part of one input does to the prediction.

    Args:
        spec: The modality.
        method: ``occlusion`` or ``gradients``.
        parts: The place and the ``effect`` of each part, in the order of the input: how much the explained number falls
            without it, the mean of that beside all other modalities and of that with this one alone.
        item: The input.
        heat: The attribution of each pixel, (H, W) or (T, H, W), if known more finely than by part.
    """

    spec: ModalitySpec
    method: str
    parts: list[dict[str, Any]]
    item: Fields
    heat: Array | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        total = sum(abs(part["effect"]) for part in self.parts)
        parts = [{**part, "share": abs(part["effect"]) / total if total else 0.0} for part in self.parts]
        told: dict[str, Any] = {"kind": self.spec.kind, "method": self.method}
        if self.spec.kind == "text":
            told["text"] = text_of(self.item)
        if self.spec.kind == "image":
            told["size"] = list(self.item[""].shape[1:])
        return {**told, "parts": parts}


@dataclass
class RowExplanation:
    """Why one row is predicted as it is.

    Args:
        identity: The row's id.
        target: The class, label or ``value`` that is explained.
        score: Its probability, or the value.
        without: The same without any input.
        modalities: Each present modality's Shapley value, which sum to ``score`` - ``without``.
        inputs: What the parts of each input do, by modality.
    """

    identity: str
    target: str
    score: float
    without: float
    modalities: dict[str, float]
    inputs: dict[str, InputExplanation] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "id": self.identity, "target": self.target, "score": self.score, "without_inputs": self.without,
            "modalities": self.modalities, "inputs": {name: each.to_json() for name, each in self.inputs.items()},
        }  # fmt: skip


class RowExplainer:
    """Explains rows of a model.

    Args:
        model: The model.
        inputs: Its chain; None explains only by modality.
        score: The number of a prediction to explain.
        keep: The source modalities in use.
        how: Whether to leave out parts of inputs, or to take gradients where they reach the inputs; ``auto`` takes
            gradients only for texts of more words than are left out one by one.
        runtime: Where to compute.

    Attributes:
        unread: How many rows had features of a modality whose input could not be read, by modality.
    """

    def __init__(
        self, model: TrainedModel, inputs: InputChain | None, score: Score, keep: Sequence[str], how: How,
        runtime: Runtime,
    ) -> None:  # fmt: skip
        self.model = model
        self.inputs = inputs
        self.score = score
        self.keep = list(keep)
        self.how = how
        self.runtime = runtime
        self.unread: Counter[str] = Counter()
        self._gradients = None
        if inputs is not None and how != "occlusion":
            self._gradients = Gradients(model, inputs, score, runtime)

    def reached(self) -> list[str]:
        """Return the modalities in use whose inputs gradients reach."""
        return [] if self._gradients is None else [name for name in self.keep if self._gradients.reach(name)]

    def explain(self, asked: Asked, vectors: Vectors, predictions: Array) -> list[RowExplanation]:
        """Explain rows.

        Args:
            asked: The rows.
            vectors: The fusion's inputs.
            predictions: The model's predictions.
        """
        chosen = self.score.chosen(predictions)
        scores = self.score.of(predictions, chosen)
        found = []
        for row, identity in enumerate(asked.ids):
            without, shares = self._shapley(vectors, row, chosen[row : row + 1])
            target = self.score.name(int(chosen[row]))
            found.append(RowExplanation(identity, target, float(scores[row]), without, shares))
        if self.inputs is not None:
            for name, row, explained in self._explained(asked, vectors, chosen):
                found[row].inputs[name] = explained
        return found

    def _company(self, source: str) -> list[list[str]]:
        """Return the modalities with which an input is measured: all in use, and it alone."""
        return [self.keep] if len(self.keep) == 1 else [self.keep, [source]]

    def _present(self, vectors: Vectors, source: str, row: int) -> bool:
        of = self.model.source_of
        return any(bool(there[row]) for name, there in vectors.present.items() if of[name] == source)

    def _shapley(self, vectors: Vectors, row: int, chosen: Array) -> tuple[float, dict[str, float]]:
        """Return the number without any input, and the Shapley value of each modality that the row has."""
        names = [name for name in self.keep if self._present(vectors, name, row)]
        exact = len(names) <= MOST_MODALITIES
        sizes = range(len(names) + 1) if exact else [0]
        parts = [frozenset(part) for size in sizes for part in combinations(names, size)]
        many = take_vectors(vectors, np.full(len(parts), row))
        present = {
            name: there & np.array([self.model.source_of[name] in part for part in parts], bool)
            for name, there in many.present.items()
        }
        predictions, _ = self.model.outputs(Vectors(many.values, present), self.keep)
        worth = dict(zip(parts, self.score.of(predictions, chosen.repeat(len(parts))).tolist(), strict=True))
        return worth[frozenset()], shapley_values(names, worth) if exact else {}

    def _explained(self, asked: Asked, vectors: Vectors, chosen: Array) -> Iterator[tuple[str, int, InputExplanation]]:
        inputs = self.inputs
        assert inputs is not None
        columns = inputs.decode(asked.batch.rows, self.runtime)
        for source in self.keep:
            column = columns.get(source)
            if column is None:
                continue
            used = [row for row in range(len(column)) if self._present(vectors, source, row)]
            there = [row for row in used if column.present[row]]
            self.unread[source] += len(used) - len(there)
            items = {row: {name: tensor.item(row) for name, tensor in column.fields.items()} for row in there}
            by_gradients = [row for row in there if self._takes_gradients(source, items[row])]
            for row in by_gradients:
                yield source, row, self._by_gradients(source, items[row], vectors, row, int(chosen[row]))
            rest = {row: item for row, item in items.items() if row not in by_gradients}
            for row, parts in self._occluded(source, rest, vectors, chosen).items():
                if parts:
                    yield source, row, InputExplanation(inputs.specs[source], "occlusion", parts, items[row])

    def _takes_gradients(self, source: str, item: Fields) -> bool:
        if self.how == "occlusion" or source not in self.reached():
            return False
        return self.how == "gradients" or len(self._words(source, item)) > MOST_WORDS

    def _words(self, source: str, item: Fields) -> list[tuple[int, int]]:
        """Return the places of the words that a text's ids stand for; [] of other inputs."""
        assert self.inputs is not None
        reader = self.inputs.readers[source]
        if not isinstance(reader, TextReader):
            return []
        return [(start, stop) for start, stop, kept in reader.words(text_of(item)) if kept]

    def _by_gradients(self, source: str, item: Fields, vectors: Vectors, row: int, chosen: int) -> InputExplanation:
        assert self.inputs is not None
        assert self._gradients is not None
        spec = self.inputs.specs[source]
        column = self.inputs.column(source, [item])
        only = take_vectors(vectors, np.array([row]))
        own: Array = np.mean(
            [self._gradients.of(source, column, only, chosen, keep) for keep in self._company(source)], axis=0
        )
        if spec.kind == "text":
            places = word_places(text_of(item), self._words(source, item))
            parts = [{**place, "effect": float(own[number])} for number, place in enumerate(places)]
            return InputExplanation(spec, "gradients", parts, item)
        if spec.kind == "video":
            heat = own[: len(item[""])]
            parts = [{"frame": number, "effect": float(each.sum())} for number, each in enumerate(heat)]
            return InputExplanation(spec, "gradients", parts, item, heat)
        parts = [
            {**at, "effect": float(own[at["top"] : at["bottom"], at["left"] : at["right"]].sum())}
            for at in grid_places(*own.shape)
        ]
        return InputExplanation(spec, "gradients", parts, item, own)

    def _occluded(
        self, source: str, items: dict[int, Fields], vectors: Vectors, chosen: Array
    ) -> dict[int, list[dict[str, Any]]]:
        """Return the parts of each row's input with their effects."""
        assert self.inputs is not None
        spec, reader = self.inputs.specs[source], self.inputs.readers[source]
        places: dict[int, list[dict[str, Any]]] = {row: [] for row in items}
        counts: dict[int, list[int]] = {row: [] for row in items}

        def changed() -> Iterator[tuple[int, Fields | None]]:
            for row, item in items.items():
                yield row, item
                for occlusion in occlusions(spec, reader, item):
                    places[row].append(occlusion.place)
                    counts[row].append(len(occlusion.without))
                    for without in occlusion.without:
                        yield row, without

        scores: dict[int, list[float]] = {row: [] for row in items}
        for block in _blocks(changed()):
            rows = np.array([row for row, _ in block])
            column = self.inputs.column(source, [item for _, item in block])
            own = self.inputs.vectors(source, column, self.runtime)
            both = replace_vectors(take_vectors(vectors, rows), own, self.inputs.features_of(source))
            measured = [
                self.score.of(self.model.outputs(both, keep)[0], chosen[rows]) for keep in self._company(source)
            ]
            for row, score in zip(rows.tolist(), np.mean(measured, axis=0).tolist(), strict=True):
                scores[row].append(score)
        found = {}
        for row, (whole, *others) in scores.items():
            means = [float(np.mean(each)) for each in np.split(np.array(others), np.cumsum(counts[row])[:-1])]
            found[row] = [{**place, "effect": whole - mean} for place, mean in zip(places[row], means, strict=False)]
        return found


def _blocks(items: Iterable[tuple[int, Fields | None]]) -> Iterator[list[tuple[int, Fields | None]]]:
    """Cut changed inputs into blocks of bounded size."""
    block: list[tuple[int, Fields | None]] = []
    size = 0
    for row, item in items:
        block.append((row, item))
        size += sum(values.nbytes for values in (item or {}).values())
        if len(block) == _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield block
            block, size = [], 0
    if block:
        yield block
