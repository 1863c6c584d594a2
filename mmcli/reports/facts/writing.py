"""Writes what an evaluation's page shows into the report's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcli.evaluation.gates import Judged
from mmcli.inference.config import PageConfig
from mmcli.inference.measuring import Measuring
from mmcli.inference.report_files import write_json
from mmcli.reports.facts.curves import curves_of
from mmcli.reports.facts.examples import cell_rows, chosen_rows, lists_of, write_examples
from mmcli.reports.facts.ledger import ledger_of
from mmcli.reports.facts.maps import maps_of
from mmcli.reports.facts.matches import matches_of
from mmcli.reports.facts.numbers import numbers_of
from mmcli.reports.facts.origin import folds_of, history_of, origin_of
from mmcli.reports.facts.parts import parts_of
from mmcli.runtime import Runtime
from mmcli.store.columns import Row
from mmcli.tasks.abilities import ComparesModalities, MergesRows


def write_facts(
    folder: Path, measuring: Measuring, config: PageConfig, judged: Sequence[Judged], sources: Sequence[str],
    files: Mapping[str, str], run: Mapping[str, Any], runtime: Runtime,
) -> None:  # fmt: skip
    """Write what a page shows besides the metrics: curves, numbers, examples with media, a map, and the records.

    Args:
        folder: The report's folder.
        measuring: The measured rows; it has kept them for a page.
        config: What to show.
        judged: What became of the gates.
        sources: What was measured, as typed.
        files: The name of the file of each table of the task.
        run: The record of the evaluation.
        runtime: How many workers read media, and the seed.
    """
    model, kept, seed = measuring.model, measuring.kept, runtime.seed
    assert kept is not None
    samples = measuring.answers()
    parts = list(parts_of(measuring, samples))
    lists = [each for part in parts for each in lists_of(part)]
    modalities = sorted(model.sources) if isinstance(model.task, ComparesModalities) else []
    matches = matches_of(parts[0], modalities) if parts and modalities else []
    mapped = maps_of(kept, config.maps, parts[0], seed) if parts else None
    if mapped:
        mapped["ids"] = [measuring.predictions[row]["id"] for row in mapped["rows"]]
    wanted = [row for each in lists for row in each["rows"]]
    wanted += [hit for direction in matches for query in direction["queries"] for hit in _rows_of(query)]
    others = [row for part in parts for row in cell_rows(part)] + (mapped["rows"] if mapped else [])
    rows = chosen_rows(wanted, others, config.max_examples)
    merged = {}
    if isinstance(model.task, MergesRows):
        merged = dict(zip(samples.rows.tolist(), samples.targets, strict=True))
    without = write_examples(folder, rows, model, kept, measuring.predictions, merged, runtime.jobs)
    found = {
        "origin": {**origin_of(model, sources, run), "files": dict(files)},
        "lists": {"lists": lists, "samples": len(rows), "without_media": without, "of": len(samples.rows)},
        "ledger": ledger_of(measuring.predictions, model.sources),
        "history": history_of(model),
        "folds": folds_of(model),
        "map": mapped,
        "matches": {"directions": matches} if matches else None,
        "gates": [_told(each) for each in judged],
        "curves": {part.name: own for part in parts if (own := curves_of(part))},
        "numbers": {part.name: own for part in parts if (own := numbers_of(part, seed))},
    }
    for name, value in found.items():
        if value:
            write_json(folder / f"{name}.json", value)


def _rows_of(query: Mapping[str, Any]) -> list[int]:
    return [query["row"], *(hit["row"] for hit in query["hits"])]


def _told(judged: Judged) -> Row:
    value = judged.value if judged.value == judged.value else None
    return {"gate": judged.gate.text, "name": judged.gate.name, "value": value, "failed": judged.failed}
