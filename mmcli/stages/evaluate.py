"""evaluate: measures a model, or several on the same rows, on rows with known targets."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mmcli.chain.driver import run_record
from mmcli.comparison.learning_curve import CurvePlan, learning_curve, plan_curve
from mmcli.comparison.models import Entry, check_comparable, compare_models, entry_of, names_of, split_models
from mmcli.context import RunContext, listed, takes
from mmcli.errors import UsageError
from mmcli.evaluation.gates import Gate, Judged, judge, junit, parse_gate
from mmcli.explanation.importance import Importance, KeptInputs
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.evaluation import predict_rows
from mmcli.inference.measuring import Measuring
from mmcli.inference.model import TrainedModel
from mmcli.inference.report_files import file_names, write_json, write_report
from mmcli.reports.facts.writing import write_facts
from mmcli.reports.folder import ReportFolder
from mmcli.reports.rendering import render
from mmcli.retrieval.zero_shot import LabelModel, label_names
from mmcli.runtime import Runtime
from mmcli.stages.curve_rows import check_curve, rows_to_train_on
from mmcli.stages.evaluated import ModelsReport, Report
from mmcli.store.artifact import Artifact
from mmcli.store.keys import fingerprint
from mmcli.store.whole_file import whole_file
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tasks import Task
from mmcli.tasks.targets import take_positives, take_same_positives

STAGE = "evaluate"
COMPARISON = "comparison.json"


@takes(EvaluateConfig)
def evaluate(
    model: Path,
    sources: str | Sequence[str],
    output: Path | None = None,
    config: EvaluateConfig = EvaluateConfig(),  # noqa: B008 - frozen
    context: RunContext = RunContext(),  # noqa: B008
) -> Report | ModelsReport:
    """Measure a model on the rows of a split, and write a report to ``output``.

    If the first ``sources`` are models too, all models are measured on the same rows and compared. With ``labels_from``
    a retrieval model is measured as a classifier: its classes are the names in this column, each put into ``template``.

    Raises:
        MmcliError: A model, a source or a target is invalid, or no row is in the split.
    """
    began = time.time()
    gates = [parse_gate(text) for text in config.fail_if]
    if config.junit is not None and not gates:
        raise UsageError("--junit: there is no --fail-if to report")
    models, read = split_models(model, listed(sources))
    if config.learning_curve:
        check_curve(config, models, read)
    if output is not None:
        check_output(Path(os.path.abspath(output)), STAGE)
    shows = output is not None and not config.show.no_page
    if shows:
        config.show.check()
    run = _Run(read, config, context, context.runtime(config.rows.seed), began, shows)
    found = run.one(models[0], gates, output) if len(models) == 1 else run.several(models, gates, output)
    if config.junit is not None:
        with whole_file(config.junit) as beside:
            beside.write_bytes(junit(found.judged, f"mmcli evaluate {' '.join(names_of(models))}"))
    return found


@dataclass(frozen=True)
class _Measured:
    """A measured model, with the content of its report."""

    model: TrainedModel
    measuring: Measuring
    metrics: dict[str, Any]
    tables: dict[str, Any]


@dataclass(frozen=True)
class _Run:
    """One call of evaluate, from the sources named after the models; ``shows`` is whether it writes a page."""

    sources: Sequence[str]
    config: EvaluateConfig
    context: RunContext
    runtime: Runtime
    began: float
    shows: bool

    def one(self, path: Path, gates: Sequence[Gate], output: Path | None) -> Report:
        """Measure a model, with its learning curve if asked for, and write its report."""
        model = self._open(path)
        with TemporaryDirectory(prefix="mmcli-") as folder:
            curve = self._plan_curve(model, Path(folder)) if self.config.learning_curve else None
            found = self._measure(model)
            if curve is not None:
                found.metrics["learning_curve"] = learning_curve(
                    curve, found.measuring.keep, self.config, self.runtime, self.context.reporter
                )
        judged = judge(gates, found.metrics, model.task.headline)
        if output is not None:
            with ArtifactWriter(output, STAGE, self.context.fresh) as writer:
                self._write(found, writer.folder, judged)
                self._publish(writer, model.artifact, {"source": model.artifact.digest})
        return Report(None if output is None else str(output), judged, found.metrics, found.tables)

    def several(self, paths: Sequence[Path], gates: Sequence[Gate], output: Path | None) -> ModelsReport:
        """Measure models one after the other, compare them, and write a report of each beside the comparison."""
        models = dict(zip(names_of(paths), paths, strict=True))
        if self.config.labels_from is None:
            check_comparable(models, same_target=self.config.target is None)
        entries: dict[str, Entry] = {}
        with nullcontext() if output is None else ArtifactWriter(output, STAGE, self.context.fresh) as writer:
            for name, path in models.items():
                self.context.reporter.note(f"── {name}")
                found = self._measure(self._open(path, next((entry.task for entry in entries.values()), None)))
                entries[name] = entry_of(found.model, found.measuring, found.metrics["metrics"])
                if writer is not None:
                    self._write(found, writer.folder / name)
                del found  # one model at a time
            compared = compare_models(entries, self.config.split, self.config.rows.seed)
            judged = judge(gates, compared)
            if writer is not None:
                write_json(writer.folder / COMPARISON, compared)
                if self.shows:
                    render(ReportFolder(writer.folder))
                source = fingerprint(list(compared["digests"].values()))
                self._publish(writer, Artifact(paths[0]), {"source": source, "models": compared["digests"]})
        return ModelsReport(None if output is None else str(output), judged, compared)

    def _open(self, path: Path, like: Task | None = None) -> TrainedModel:
        """Open a model, with ``labels_from`` as a classifier of these labels; unless asked for, positives as ``like``.

        Raises:
            UsageError: Options do not go together.
        """
        column, rows = self.config.labels_from, self.config.rows
        if column is None:
            model = TrainedModel(path)
        else:
            if len(self.sources) > 1:
                raise UsageError(f"--labels-from {column}: works with one source only, found {len(self.sources)}")
            labels = label_names(self.sources[0], column, rows.limit, rows.written)
            model = LabelModel(path, labels, self.config.template, column, self.runtime)
        if like is not None:
            take_same_positives(model.task, like)
        take_positives(model.task, self.config.positive, model.artifact.roles.targets)
        return model

    def _measure(self, model: TrainedModel) -> _Measured:
        config, reporter = self.config, self.context.reporter
        kept = KeptInputs() if config.importance else None
        receiver = None if kept is None else kept.add
        measuring = predict_rows(
            model, self.sources, config, self.runtime, reporter, for_page=self.shows, receiver=receiver
        )
        metrics, tables = measuring.measure(config.split, config.rows.seed)
        if kept is not None:
            shuffled = Importance(model, kept, measuring.answers(), measuring.keep, config.rows.seed, self.runtime)
            metrics["importance"] = shuffled.measure(reporter)
        return _Measured(model, measuring, metrics, tables)

    def _plan_curve(self, model: TrainedModel, folder: Path) -> CurvePlan:
        reporter = self.context.reporter
        samples = rows_to_train_on(model, self.sources, self.config, folder, self.runtime, reporter)
        return plan_curve(model, samples, self.config.split, self.runtime, reporter)

    def _write(self, found: _Measured, folder: Path, judged: Sequence[Judged] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_report(folder, found.metrics, found.tables, found.measuring.predictions)
        if self.shows:
            files, record = file_names(found.tables), run_record(self.began, self.runtime)
            write_facts(folder, found.measuring, self.config.show, judged, self.sources, files, record, self.runtime)
            render(ReportFolder(folder))

    def _publish(self, writer: ArtifactWriter, model: Artifact, origin: Mapping[str, Any]) -> None:
        header = {
            "stage": STAGE, "rows": 0, "rows_per_shard": 1, "columns": model.roles.to_json(), **origin,
            "seed": self.config.rows.seed, "parameters": {"split": self.config.split},
            "chain": [record.to_json() for record in model.chain], "modalities": {}, "counts": {},
        }  # fmt: skip
        writer.publish(header, run_record(self.began, self.runtime))
