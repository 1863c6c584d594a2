"""What is left out of an input, part by part, to see what the model makes of the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmcli.evaluation.windows import equal_parts
from mmcli.explanation.input_chain import Fields
from mmcli.modalities.text.read import Preprocessor as TextReader
from mmcli.store.columns import Array, ModalitySpec

MOST_WORDS = 64
GRID = 7
_MOST_FRAMES, _MOST_STEPS, _MOST_WINDOWS = 16, 16, 20
_SHORTEST_WINDOW = 0.05  # seconds
_OTHER_CATEGORIES = 5
_KNOWN_ID = 2  # of the most frequent category; below are missing and unknown ones


@dataclass(frozen=True)
class Occlusion:
    """A part of an input, and the input without it.

    Args:
        place: Where the part is, as JSON values.
        without: The input without it; several if it can be replaced in several ways; None means nothing is left.
    """

    place: dict[str, Any]
    without: Sequence[Fields | None]


def occlusions(spec: ModalitySpec, reader: object, item: Fields) -> Iterator[Occlusion]:
    """Yield the parts of an input: words, squares, spans of seconds, frames, columns or steps.

    Together they cover all of it. A vector and a feature map, whose numbers have no names, have none.
    """
    if spec.kind == "text" and isinstance(reader, TextReader):
        return _words(reader, item)
    if spec.kind == "image":
        return _squares(item)
    if spec.kind == "audio":
        return _windows(item, int(spec.facts["sample_rate"]))
    if spec.kind == "video":
        return _steps(item, "frame", _MOST_FRAMES)
    if spec.kind == "table":
        return _columns(spec, item)
    return _steps(item, "step", _MOST_STEPS) if spec.main.layout == "ragged" else iter(())


def text_of(item: Fields) -> str:
    """Return the normalised text of an input."""
    return bytes(item["text"]).decode()


def word_places(text: str, spans: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the place of each word."""
    return [{"word": text[start:stop], "start": start, "end": stop} for start, stop in spans]


def _words(reader: TextReader, item: Fields) -> Iterator[Occlusion]:
    """Drop each word, or each of at most 64 groups of neighbouring ones."""
    text = text_of(item)
    words = reader.words(text)
    groups = [(words[start][0], words[stop - 1][1]) for start, stop in equal_parts(len(words), MOST_WORDS)]
    for place, (start, stop) in zip(word_places(text, groups), groups, strict=True):
        before, after = text[:start], text[stop:]
        rest = (before + (after.lstrip() if before[-1:].isspace() or not before else after)).strip()
        yield Occlusion(place, [reader.decode(rest.encode()) if rest else None])


def _squares(item: Fields) -> Iterator[Occlusion]:
    """Replace each square of a grid by the picture's mean colour."""
    pixels = item[""]
    mean = pixels.mean(axis=(1, 2), keepdims=True).round().astype(pixels.dtype)
    for place in grid_places(*pixels.shape[1:]):
        changed = pixels.copy()
        changed[:, place["top"] : place["bottom"], place["left"] : place["right"]] = mean
        yield Occlusion(place, [{**item, "": changed}])


def grid_places(height: int, width: int) -> list[dict[str, Any]]:
    """Return the squares of a grid of 7 by 7 over a picture, row by row, in pixels."""
    return [
        {"left": left, "top": top, "right": right, "bottom": bottom}
        for top, bottom in equal_parts(height, GRID)
        for left, right in equal_parts(width, GRID)
    ]


def _windows(item: Fields, rate: int) -> Iterator[Occlusion]:
    """Silence each of at most 20 windows of at least 50 ms."""
    samples = item[""]
    most = min(_MOST_WINDOWS, max(1, round(len(samples) / rate / _SHORTEST_WINDOW)))
    for start, stop in equal_parts(len(samples), most):
        changed = samples.copy()
        changed[start:stop] = 0
        yield Occlusion({"start": round(start / rate, 4), "end": round(stop / rate, 4)}, [{**item, "": changed}])


def _steps(item: Fields, name: str, most: int) -> Iterator[Occlusion]:
    """Drop each frame or step, or each of a number of groups of neighbouring ones."""
    values = item[""]
    for start, stop in equal_parts(len(values), most):
        rest = np.concatenate([values[:start], values[stop:]])
        place = {name: start} if stop == start + 1 else {name: start, "last": stop - 1}
        yield Occlusion(place, [{**item, "": rest} if len(rest) else None])


def _columns(spec: ModalitySpec, item: Fields) -> Iterator[Occlusion]:
    """Replace a number by the train rows' mean, and a category by the most frequent other ones; skip empty cells."""
    numeric, categorical = spec.facts["numeric"], spec.facts["categorical"]
    for place, column in enumerate(numeric):
        if not item[""][len(numeric) + place]:
            yield Occlusion({"column": column}, [{**item, "": _with(item[""], place, 0.0)}])
    for place, column in enumerate(categorical):
        own, size = int(item["categories"][place]), spec.facts["categories"][place]
        if own:
            others = [known for known in range(_KNOWN_ID, size) if known != own][:_OTHER_CATEGORIES] or [0]
            changed = [{**item, "categories": _with(item["categories"], place, other)} for other in others]
            yield Occlusion({"column": column}, changed)


def _with(values: Array, place: int, value: float) -> Array:
    changed = values.copy()
    changed[place] = value
    return changed
