"""Chooses the samples that a page shows, and writes them with their media."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.inference.kept_rows import KeptRows
from mmcli.inference.model import TrainedModel
from mmcli.reports.facts.media import RowReader, SeenRow
from mmcli.reports.facts.parts import Part
from mmcli.store.columns import Array, Row
from mmcli.store.rows import dump_row
from mmcli.tasks.abilities import HasExamples

FILE, MEDIA = "examples.jsonl", "media"
_LISTED = 8
_SPACED = 10
_MOST_BYTES = 3 * 2**20
_CLASSES = 3
_AT_ONCE = 16


def lists_of(part: Part) -> list[dict[str, Any]]:
    """Return the lists of samples that a page shows of a target: ``key``, ``rows``, and the metric that ranks them."""
    found = []
    if part.has_classes:
        true, predicted = part.classes()
        sure = part.confidence()
        right = np.array([one == other for one, other in zip(true, predicted, strict=True)], bool)
        told = np.array([label is not None for label in predicted], bool)
        found = [
            _list("confident_mistakes", part, _first(-sure, ~right & told)),
            _list("least_confident", part, _first(sure, told)),
            _list("confident_and_right", part, _first(-sure, right)[: _LISTED // 2]),
        ]
    elif isinstance(part.task, HasExamples):
        spaced = np.linspace(0, len(part) - 1, min(_SPACED, len(part))).round().astype(int)
        found = [_list("evenly_spaced", part, np.unique(spaced))]
    errors = None if part.has_classes else part.errors()
    if errors is not None:
        metric, values = errors
        found.append({**_list("worst", part, _first(-values, values > values.min())), "metric": metric})
    return [each for each in found if each["rows"]]


def _list(key: str, part: Part, chosen: Array) -> dict[str, Any]:
    return {"key": key, "target": part.name, "rows": part.rows[chosen].tolist()}


def _first(order: Array, among: Array) -> Array:
    """Return the samples with the smallest values among some, in order."""
    places = np.flatnonzero(among)
    return places[np.argsort(order[places], kind="stable")[:_LISTED]]


def cell_rows(part: Part) -> Iterator[int]:
    """Yield rows for the cells of a confusion matrix, a row of each cell in turn, the mistakes first."""
    if not part.has_classes:
        return
    true, predicted = part.classes()
    pairs = list(zip(true, predicted, strict=True))
    counts = Counter(pairs)
    rows: dict[Any, list[int]] = {}
    for pair, row in zip(pairs, part.rows.tolist(), strict=True):
        rows.setdefault(pair, []).append(row)
    order = sorted(counts, key=lambda pair: (pair[0] == pair[1], -counts[pair], str(pair)))
    for turn in zip_longest(*(rows[pair] for pair in order)):
        yield from (row for row in turn if row is not None)


def chosen_rows(wanted: Iterable[int], others: Iterable[int], most: int) -> list[int]:
    """Return at most ``most`` different rows: the wanted ones in their order, then others."""
    found: dict[int, None] = {}
    for row in (*wanted, *others):
        if len(found) >= most:
            break
        found.setdefault(row)
    return list(found)


def write_examples(
    folder: Path, rows: Sequence[int], model: TrainedModel, kept: KeptRows, answers: Sequence[Row],
    merged: Mapping[int, Any], jobs: int,
) -> int:  # fmt: skip
    """Write ``examples.jsonl``, the samples in order of their rows, and their media; return how many lack media.

    Media stop at 3 MB in total; samples are served in the order of ``rows``.

    Args:
        folder: The report's folder.
        rows: The numbers of the rows.
        model: The model.
        kept: Holds the raw rows.
        answers: The predictions, as in ``predictions.jsonl``.
        merged: The target of each row that stands for several.
        jobs: How many workers read media.
    """
    reader = RowReader(model, kept.media)
    spent, without = 0, 0
    found: dict[int, Row] = {}
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            for row, seen in zip(some, pool.map(reader.read, [kept.row(row) for row in some]), strict=True):
                size = sum(len(medium.content) for medium in seen.media.values())
                fits = spent + size <= _MOST_BYTES
                without += not fits
                spent += size if fits else 0
                answer = {**answers[row], "target": merged.get(row, answers[row]["target"])}
                found[row] = _record(folder, row, seen, answer, write=fits)
    with (folder / FILE).open("wb") as file:
        file.writelines(dump_row(found[row]) for row in sorted(found))
    return without


def _record(folder: Path, row: int, seen: SeenRow, answer: Row, *, write: bool) -> Row:
    media = {}
    order = sorted(seen.media, key=lambda name: (seen.kinds[name] == "audio", name))
    for number, name in enumerate(order if write else ()):
        medium = seen.media[name]
        place = f"{MEDIA}/{row:06d}-{number}-{re.sub(r'[^A-Za-z0-9]+', '_', name)[:40]}{medium.suffix}"
        (folder / MEDIA).mkdir(exist_ok=True)
        (folder / place).write_bytes(medium.content)
        media[name] = {"kind": seen.kinds[name], "file": place, **medium.facts}
    absent = {name: answer["reasons"].get(name, answer["status"][name]) for name in answer["reasons"]}
    left_out = ("id", "target", "modalities", "status", "reasons")
    return {
        "row": row, "id": answer["id"], "target": answer["target"],
        "answer": _shortened({key: value for key, value in answer.items() if key not in left_out}),
        "texts": seen.texts, "tables": seen.tables, "media": media, "absent": absent,
        **({} if write else {"media_left_out": sorted(seen.media)}),
    }  # fmt: skip


def _shortened(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer with the likeliest classes only."""
    found: dict[str, Any] = {}
    for key, value in answer.items():
        if key == "probabilities":
            likeliest = sorted(value.items(), key=lambda each: (-each[1], each[0]))[:_CLASSES]
            found[key] = dict(likeliest)
        elif key == "targets":
            found[key] = {name: _shortened(own) for name, own in value.items()}
        else:
            found[key] = value
    return found
