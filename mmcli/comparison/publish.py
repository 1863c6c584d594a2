"""Publishes a comparison: checks what exists, what may be replaced, and writes the artifact."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcli.chain.driver import run_record
from mmcli.comparison.choices import choose_metric
from mmcli.comparison.ranking import Comparison, summarise, write_table
from mmcli.comparison.records import each_run, read_seconds
from mmcli.comparison.runs import ComparisonRuns, Trial
from mmcli.errors import MmcliError
from mmcli.inference.model import STAGE as MODEL
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.rows import dump_row
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tasks.targets import target_role
from mmcli.training.publish import registered_name
from mmcli.training.request import TrainingRequest

STAGE = "compare"
FOUND = "comparison.json"


def read_comparison(path: Path) -> Comparison:
    """Read a comparison's folder.

    Raises:
        MmcliError: It is damaged.
    """
    found = json.loads(Artifact(path).sound_file(FOUND).read_bytes())
    seconds = read_seconds(path)
    taken: dict[str, list[float]] = {}
    for method, key in each_run(found):
        if key in seconds:
            taken.setdefault(method, []).append(seconds[key])
    return Comparison(found, {method: sum(each) / len(each) for method, each in taken.items()}, str(path))


def is_done(writer: ArtifactWriter, request: Mapping[str, Any], keep: Path | None, trials: Sequence[Trial]) -> bool:
    """Return whether the output holds exactly this comparison, and ``keep`` its models."""
    if writer.fresh or not is_artifact(writer.output, STAGE):
        return False
    header = Artifact(writer.output).header
    if any(header.get(key) != json.loads(json.dumps(value)) for key, value in request.items()):
        return False
    if keep is None:
        return True
    found = read_comparison(writer.output).found
    wanted = {each["method"]: each["best_seed"] for each in found["methods"] if each["error"] is None}
    return all(trial.has_model_in(keep, wanted[trial.method]) for trial in trials if trial.method in wanted)


def check_places(keep: Path, trials: Sequence[Trial]) -> None:
    """Check that the folder for models can take all of them.

    Raises:
        MmcliError: A model's place is taken by something else, or lies inside an artifact.
    """
    for trial in trials:
        try:
            check_output(Path(os.path.abspath(trial.model_in(keep))), MODEL)
        except MmcliError as error:
            raise MmcliError(f"--keep {keep}: {error}") from None


def refuse_to_drop(writer: ArtifactWriter, trials: Sequence[Trial]) -> None:
    """Refuse to replace a comparison by one without some of its runs.

    Raises:
        MmcliError: Runs would be lost.
    """
    if writer.fresh or not is_artifact(writer.output, STAGE):
        return
    asked = {key for trial in trials for key in trial.keys().values()}
    lost = [method for method, key in each_run(read_comparison(writer.output).found) if key not in asked]
    if lost:
        raise MmcliError(
            f"{writer.output}: has {len(lost)} runs that this command does not include (of other methods, such as "
            f"{lost[0]}, or with other options): include them, choose another -o, or discard them with --fresh"
        )


def compare_and_publish(
    writer: ArtifactWriter, runs: ComparisonRuns, trials: Sequence[Trial], first: TrainingRequest,
    request: Mapping[str, Any], metric: str | None, began: float, draw: Callable[[Path], None],
) -> None:  # fmt: skip
    """Do the runs that are missing, and publish the results of all; ``draw`` adds what people look at to the folder."""
    from mmcli.tasks import mode_of

    reporter = runs.reporter
    data = runs.load(first)
    targets = data.val.encoded
    baselines = data.task.baselines(targets)
    metric = choose_metric(metric, list(next(iter(baselines.values()))), data.task)
    with reporter.progress("compare", sum(len(trial.requests) for trial in trials)) as progress:
        tried = [runs.attempt(trial, metric, mode_of(data.task, metric), progress) for trial in trials]
    failed = [each for each in tried if each.error is not None]
    if len(failed) == len(tried):
        raise MmcliError(f"no method could be trained; {failed[0].method}: {failed[0].error}")
    methods, reference = summarise(tried, metric, data.task, targets, request["seed"])
    found = {
        "task": registered_name(data.task), "target": target_role(first.targets), "split": "val", "n": len(targets),
        "metric": metric, "seeds": request["parameters"]["seeds"], "reference": reference, "baselines": baselines,
        "methods": methods,
    }  # fmt: skip
    runs.finish()
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    (writer.folder / FOUND).write_text(text, encoding="utf-8")
    write_table(found, writer.folder / "comparison.csv")
    draw(writer.folder)
    with (writer.folder / "val.jsonl").open("wb") as file:
        file.writelines(dump_row({"id": first.samples.id_of(row)}) for row in first.samples.rows.take(data.val.rows))
    header = {
        "stage": STAGE, "rows": 0, "rows_per_shard": 1, "columns": first.samples.roles.to_json(),
        **request, "chain": [record.to_json() for record in first.samples.chain], "modalities": {}, "counts": {},
    }  # fmt: skip
    seconds = {run.key: run.seconds for each in tried for run in each.runs.values()}
    writer.publish(header, run_record(began, runs.runtime, runs=seconds))
    if failed:
        names = ", ".join(each.method for each in failed)
        reporter.warn(f"{len(failed)} of {len(tried)} methods failed ({names}); the table says why")
