"""evaluate: how well a model does on rows whose targets are known, and with fewer modalities."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.evaluation.subsets import subset_name, subsets
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import Runtime, detect
from mmcli.stages.driver import run_record
from mmcli.stages.inputs import Asked, open_inputs
from mmcli.stages.model import TrainedModel
from mmcli.stages.predict import prediction
from mmcli.stages.splitting import known_split
from mmcli.store.columns import Array, Row
from mmcli.store.rows import dump_row
from mmcli.store.writer import ArtifactWriter, check_output

STAGE = "evaluate"


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Args:
        metrics: What ``metrics.json`` holds.
        tables: By name, each a file of the report beside ``metrics.json``, such as ``confusion``.
        output: The folder written, if any.
    """

    metrics: dict[str, Any]
    tables: dict[str, Any]
    output: str | None


@dataclass
class _Collected:
    """Predictions for every row measured, with all modalities and with each subset."""

    targets: list[Any]
    known: list[Array]
    whole: list[Array]
    parts: dict[str, list[Array]]
    predictions: list[Row]
    unknown_targets: int = 0
    unseen: int = 0


def evaluate(
    model: Path,
    source: str,
    output: Path | None = None,
    *,
    split: str = "test",
    root: str | None = None,
    encoding: str = "utf-8",
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    device: str = "auto",
    deterministic: bool = False,
    fresh: bool = False,
    reporter: Reporter | None = None,
) -> Report:
    """Measure a model on the rows of a split and write a report where ``output`` says.

    Raises:
        MmcliError: The model, the source or a target is not as it must be, or no row is in the split.
    """
    began = time.time()
    reporter = reporter if reporter is not None else Silent()
    runtime = detect(jobs, device, "auto", None, seed, deterministic=deterministic)
    if output is not None:
        check_output(Path(os.path.abspath(output)), STAGE)
    trained = TrainedModel(model)
    wanted = None if split == "all" else known_split(split, "--split (or all)")
    inputs = open_inputs(trained, source, runtime, reporter, root=root, encoding=encoding, limit=limit)
    collected = _Collected([], [], [], {subset_name(part): [] for part in subsets(trained.sources)}, [])
    for asked in inputs:
        chosen = _in_split(asked, trained, wanted)
        if chosen is not None:
            _collect(collected, chosen, trained, runtime)
    if not collected.targets:
        raise MmcliError(f"{source}: no row of the split {split!r} to evaluate on (--split all takes every row)")
    if collected.unknown_targets:
        reporter.warn(
            f"{collected.unknown_targets} rows have a target that the model was not trained on: they are not measured"
        )
    if collected.unseen:
        reporter.warn(
            f"the targets have {collected.unseen} labels that the model was not trained on: they are left out of them"
        )
    metrics, tables = _measure(collected, trained, split, seed)
    if output is not None:
        _write(output, fresh, trained, metrics, tables, collected.predictions, seed, began, runtime)
    return Report(metrics, tables, None if output is None else str(output))


def _in_split(asked: Asked, model: TrainedModel, split: str | None) -> Asked | None:
    """Return the rows of a split; rows of a table without a split column are all wanted."""
    column = model.artifact.roles.split
    if split is None or all(column not in row for row in asked.batch.rows):
        return asked
    rows = [
        number
        for number, row in enumerate(asked.batch.rows)
        if known_split(row.get(column), f"sample {asked.ids[number]!r}, column {column!r}") == split
    ]
    return asked.take(rows) if rows else None


def _collect(collected: _Collected, asked: Asked, model: TrainedModel, runtime: Runtime) -> None:
    column = model.artifact.roles.target
    targets = []
    for identity, row in zip(asked.ids, asked.batch.rows, strict=True):
        value = row.get(str(column))
        if value is None or str(value).strip() == "":
            raise MmcliError(f"sample {identity!r}: no target (column {column!r}) to compare the prediction with")
        fault = model.task.fault(value)
        if fault is not None:
            raise MmcliError(f"sample {identity!r}: its target (column {column!r}) is {value!r}, expected {fault}")
        targets.append(value)
    known_rows = [number for number, value in enumerate(targets) if model.task.known(value)]
    collected.unknown_targets += len(targets) - len(known_rows)
    if len(known_rows) < len(targets):
        asked, targets = asked.take(known_rows), [targets[number] for number in known_rows]
    if not targets:
        return
    vectors = model.vectors(asked.batch.columns, runtime)
    whole, known = model.outputs(vectors)
    collected.targets += targets
    unseen = getattr(model.task, "unseen", None)
    collected.unseen += 0 if unseen is None else len(unseen(targets))
    collected.whole.append(whole)
    collected.known.append(known)
    for part in subsets(model.sources):
        collected.parts[subset_name(part)].append(model.outputs(vectors, part)[0])
    records = model.task.records(whole, known)
    for number, problems in enumerate(asked.problems(model.sources)):
        predicted = prediction(asked.ids[number], records[number], problems, model.sources)
        collected.predictions.append({**predicted, "target": targets[number]})


def _measure(
    collected: _Collected, model: TrainedModel, split: str, seed: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    from mmcli.evaluation.intervals import intervals, row_intervals

    encoded = model.task.encode(collected.targets)
    whole = np.concatenate(collected.whole)
    drawn = getattr(model.task, "metrics_of_draws", None)
    decide = getattr(model.task, "decide", None)
    tables = getattr(model.task, "tables", None)
    metrics = {
        "task": model.artifact.header["task"],
        "split": split,
        "n": len(encoded),
        "unknown_targets": collected.unknown_targets,
        **({"unknown_labels": collected.unseen} if hasattr(model.task, "unseen") else {}),
        "without_modalities": int((~np.concatenate(collected.known)).sum()),
        "metrics": model.task.metrics(whole, encoded),
        "intervals": intervals(whole, encoded, predicted=None if decide is None else decide(whole), seed=seed)
        if drawn is None
        else row_intervals(partial(drawn, whole, encoded), len(encoded), seed=seed),
        "baselines": model.task.baselines(encoded),
        "subsets": {
            name: model.task.metrics(np.concatenate(parts), encoded) for name, parts in collected.parts.items()
        },
    }
    return metrics, {} if tables is None else tables(whole, encoded)


def _write(
    output: Path, fresh: bool, model: TrainedModel, metrics: dict[str, Any], tables: dict[str, Any],
    predictions: list[Row], seed: int, began: float, runtime: Runtime,
) -> None:  # fmt: skip
    with ArtifactWriter(output, STAGE, fresh) as writer:
        for name, value in {"metrics": metrics, **tables}.items():
            (writer.folder / f"{name}.json").write_text(
                json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        with (writer.folder / "predictions.jsonl").open("wb") as file:
            file.writelines(map(dump_row, predictions))
        header = {
            "stage": STAGE, "rows": 0, "rows_per_shard": 1, "columns": dataclasses.asdict(model.artifact.roles),
            "source": model.artifact.digest, "seed": seed, "parameters": {"split": metrics["split"]},
            "chain": [record.to_json() for record in model.artifact.chain], "modalities": {}, "counts": {},
        }  # fmt: skip
        writer.publish(header, run_record(began, runtime))
