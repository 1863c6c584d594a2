"""evaluate: measures a model on rows with known targets, also with fewer modalities."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcli.chain.driver import run_record
from mmcli.context import RunContext, listed, takes
from mmcli.errors import GateError, MmcliError, UsageError
from mmcli.evaluation.examples import Example, write_examples
from mmcli.evaluation.gates import Judged, judge, junit, parse_gate
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.example_pictures import picture_reader
from mmcli.inference.inputs import Asked, open_inputs
from mmcli.inference.measuring import Measuring
from mmcli.inference.modality_choice import modalities_of
from mmcli.inference.model import TrainedModel
from mmcli.reporting import Reporter
from mmcli.retrieval.zero_shot import LabelModel, label_names
from mmcli.runtime import Runtime
from mmcli.store.columns import Row
from mmcli.store.rows import dump_row
from mmcli.store.splitting import known_split
from mmcli.store.whole_file import whole_file
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tasks.targets import take_positives, told_counts

STAGE = "evaluate"
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Report:
    """The result of an evaluation.

    Args:
        metrics: The content of ``metrics.json``.
        tables: The further files of the report by name, such as ``confusion``.
        output: The folder written, if any.
        judged: What became of the gates.
    """

    metrics: dict[str, Any]
    tables: dict[str, Any]
    output: str | None
    judged: Sequence[Judged] = ()

    @property
    def failure(self) -> GateError | None:
        """The gates that failed, if any did."""
        failed = [each.message for each in self.judged if each.failed]
        return GateError(failed) if failed else None


@takes(EvaluateConfig)
def evaluate(
    model: Path,
    sources: str | Sequence[str],
    output: Path | None = None,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008 - frozen
    context: RunContext = RunContext(),  # noqa: B008
) -> Report:
    """Measure a model on the rows of a split, and write a report to ``output``.

    With ``labels_from`` a retrieval model is measured as a classifier: its classes are the names in this column, each
    put into ``template``.

    Raises:
        MmcliError: The model, a source or a target is invalid, or no row is in the split.
    """
    began = time.time()
    gates = [parse_gate(text) for text in config.fail_if]
    if config.junit is not None and not gates:
        raise UsageError("--junit: there is no --fail-if to report")
    reporter, seed, rows, split = context.reporter, config.rows.seed, config.rows, config.split
    runtime = context.runtime(seed)
    source, *others = listed(sources)
    if output is not None:
        check_output(Path(os.path.abspath(output)), STAGE)
    if config.labels_from is None:
        trained = TrainedModel(model)
    else:
        if others:
            raise UsageError(f"--labels-from {config.labels_from}: works with one source only, found {len(others) + 1}")
        labels = label_names(source, config.labels_from, rows.limit, rows.written)
        trained = LabelModel(model, labels, config.template, config.labels_from, runtime)
    take_positives(trained.task, config.positive, trained.artifact.roles.targets)
    keep = modalities_of(trained, config.look.modalities)
    wanted = None if split == "all" else known_split(split, "--split (or all)")
    inputs = open_inputs(trained, [source, *others], rows, runtime, reporter, tensor=config.look.tensor)
    measuring = Measuring(trained, keep, source, config.target, config.by)
    for asked in inputs:
        chosen = _in_split(asked, trained, wanted)
        if chosen is not None:
            measuring.add(chosen, runtime)
    if not len(measuring):
        raise MmcliError(_nothing_measured(source, split, measuring))
    _warn(measuring, reporter)
    metrics, tables = measuring.measure(split, seed)
    judged = judge(gates, metrics)
    if output is not None:
        examples = measuring.examples(picture_reader(trained, source, rows.root))
        _write(output, context.fresh, trained, metrics, tables, measuring.predictions, seed, began, runtime, examples)
    if config.junit is not None:
        with whole_file(config.junit) as beside:
            beside.write_bytes(junit(judged, f"mmcli evaluate {model.name}"))
    return Report(metrics, tables, None if output is None else str(output), judged)


def _nothing_measured(source: str, split: str, measuring: Measuring) -> str:
    if measuring.without_target:
        return (
            f"{source}: none of the {measuring.without_target} rows of split {split!r} has a target to compare with"
            + _told_odd(measuring)
        )
    return f"{source}: no rows in split {split!r} to evaluate on (--split all uses every row)"


def _told_odd(measuring: Measuring) -> str:
    """Return the non-empty cells that are not targets, for a message."""
    return f" ({told_counts(measuring.odd)})" if measuring.odd else ""


def _warn(measuring: Measuring, reporter: Reporter) -> None:
    """Warn of rows that are not measured, or count as wrong whatever is predicted."""
    if measuring.without_target:
        rows = len(measuring) + measuring.without_target
        reporter.warn(
            f"{measuring.without_target} of {rows} rows have no target{_told_odd(measuring)}: only the other "
            f"{len(measuring)} are measured"
        )
    elif measuring.odd:
        reporter.warn(f"cells that are not numbers in a column of numbers are not targets{_told_odd(measuring)}")
    if measuring.unknown:
        shown = told_counts(measuring.unknown)
        reporter.warn(
            f"{measuring.unknown_targets} of {len(measuring)} rows have a class that the model was not trained on "
            f"({shown}): they count as wrong, except in {', '.join(measuring.skipped_if_unseen)}, which ignore them"
        )
    if measuring.unseen:
        names = list(dict.fromkeys(measuring.unseen))
        shown = f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        reporter.warn(
            f"the targets have {len(measuring.unseen)} labels that the model was not trained on ({shown}): they are "
            "ignored"
        )


def _in_split(asked: Asked, model: TrainedModel, split: str | None) -> Asked | None:
    """Return the rows of a split; all rows if the table has no split column."""
    column = model.artifact.roles.split
    if split is None or all(column not in row for row in asked.batch.rows):
        return asked
    rows = [
        number
        for number, row in enumerate(asked.batch.rows)
        if known_split(row.get(column), f"sample {asked.ids[number]!r}, column {column!r}") == split
    ]
    return asked.take(rows) if rows else None


def _by_file(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tables by distinct file names, in which other characters than letters and digits are replaced."""
    found: dict[str, Any] = {}
    for name, value in tables.items():
        plain = re.sub(r"[^\w.-]+", "_", name)[:_LONGEST_NAME]
        taken = sum(other == plain or other.startswith(f"{plain}-") for other in found)
        found[f"{plain}-{taken + 1}" if taken else plain] = value
    return found


def _write(
    output: Path, fresh: bool, model: TrainedModel, metrics: dict[str, Any], tables: dict[str, Any],
    predictions: list[Row], seed: int, began: float, runtime: Runtime, examples: Sequence[Example],
) -> None:  # fmt: skip
    with ArtifactWriter(output, STAGE, fresh) as writer:
        if examples:
            write_examples(writer.folder, f"{metrics['task']}: examples of {metrics['split']}", examples)
        for name, value in {"metrics": metrics, **_by_file(tables)}.items():
            (writer.folder / f"{name}.json").write_text(
                json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
            )
        with (writer.folder / "predictions.jsonl").open("wb") as file:
            file.writelines(map(dump_row, predictions))
        header = {
            "stage": STAGE, "rows": 0, "rows_per_shard": 1, "columns": model.artifact.roles.to_json(),
            "source": model.artifact.digest, "seed": seed, "parameters": {"split": metrics["split"]},
            "chain": [record.to_json() for record in model.artifact.chain], "modalities": {}, "counts": {},
        }  # fmt: skip
        writer.publish(header, run_record(began, runtime))
