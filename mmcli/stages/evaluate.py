"""evaluate: measures a model on rows with known targets, also with fewer modalities."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcli.chain.driver import run_record
from mmcli.context import RunContext, listed, takes
from mmcli.errors import GateError, UsageError
from mmcli.evaluation.gates import Judged, judge, junit, parse_gate
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.evaluation import predict_rows
from mmcli.inference.example_pictures import picture_reader
from mmcli.inference.model import TrainedModel
from mmcli.inference.report_files import write_report
from mmcli.retrieval.zero_shot import LabelModel, label_names
from mmcli.runtime import Runtime
from mmcli.store.whole_file import whole_file
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tasks.targets import take_positives

STAGE = "evaluate"


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
    runtime = context.runtime(config.rows.seed)
    read = listed(sources)
    if output is not None:
        check_output(Path(os.path.abspath(output)), STAGE)
    trained = _open(model, read, config, runtime)
    take_positives(trained.task, config.positive, trained.artifact.roles.targets)
    measuring = predict_rows(trained, read, config, runtime, context.reporter)
    metrics, tables = measuring.measure(config.split, config.rows.seed)
    judged = judge(gates, metrics)
    if output is not None:
        with ArtifactWriter(output, STAGE, context.fresh) as writer:
            examples = measuring.examples(picture_reader(trained, read[0], config.rows.root))
            write_report(writer.folder, metrics, tables, measuring.predictions, examples)
            writer.publish(_header(trained, config), run_record(began, runtime))
    if config.junit is not None:
        with whole_file(config.junit) as beside:
            beside.write_bytes(junit(judged, f"mmcli evaluate {model.name}"))
    return Report(metrics, tables, None if output is None else str(output), judged)


def _open(model: Path, sources: Sequence[str], config: EvaluateConfig, runtime: Runtime) -> TrainedModel:
    """Open a model; with ``labels_from`` as a classifier of these labels."""
    if config.labels_from is None:
        return TrainedModel(model)
    if len(sources) > 1:
        raise UsageError(f"--labels-from {config.labels_from}: works with one source only, found {len(sources)}")
    labels = label_names(sources[0], config.labels_from, config.rows.limit, config.rows.written)
    return LabelModel(model, labels, config.template, config.labels_from, runtime)


def _header(model: TrainedModel, config: EvaluateConfig) -> dict[str, Any]:
    return {
        "stage": STAGE, "rows": 0, "rows_per_shard": 1, "columns": model.artifact.roles.to_json(),
        "source": model.artifact.digest, "seed": config.rows.seed, "parameters": {"split": config.split},
        "chain": [record.to_json() for record in model.artifact.chain], "modalities": {}, "counts": {},
    }  # fmt: skip
