"""compare: many fusion methods on one source, each with several seeds, judged on the val rows."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcli.chain.driver import run_record
from mmcli.comparison.choices import choose_methods, choose_metric, parse_seeds, sources_of
from mmcli.comparison.config import CompareConfig
from mmcli.comparison.figure import draw_comparison
from mmcli.comparison.ranking import SINGLE, Comparison, summarise, write_table
from mmcli.comparison.records import RunRecords, each_run, read_seconds
from mmcli.comparison.runs import ComparisonRuns, Trial
from mmcli.context import RunContext, listed, takes
from mmcli.errors import MmcliError, StoppedError, UsageError
from mmcli.inference.model import STAGE as MODEL
from mmcli.options import changed
from mmcli.runtime import check_seed
from mmcli.stages.train import SOURCES
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.rows import dump_row
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tasks.targets import target_role
from mmcli.training.checks import check_options
from mmcli.training.publish import registered_name
from mmcli.training.request import TrainingRequest, open_sources, request_training

STAGE = "compare"
FOUND = "comparison.json"


@takes(CompareConfig)
def compare(sources: str | Sequence[str], output: Path, config: CompareConfig, context: RunContext) -> Comparison:
    """Train every method with every seed, measure each on the val rows, and write what was found as an artifact.

    Raises:
        MmcliError: A source, a target or an option is not as it must be, or every method failed.
        StoppedError: Ctrl-C; the runs that are done will not be done again.
    """
    began = time.time()
    reporter, fresh, keep, asked = context.reporter, context.fresh, config.keep, config.train
    seed = asked.data.seed
    place = Path(os.path.abspath(output))
    check_output(place, STAGE)
    if keep is not None and Path(os.path.abspath(keep)).is_relative_to(place):
        raise UsageError(
            f"--keep {keep}: lies in the comparison, which is replaced as a whole; name a folder beside it"
        )
    numbers = parse_seeds(config.seeds, seed)
    for number in numbers:
        check_seed(number)
    check_options(asked)
    runtime = context.runtime(seed, precision=asked.precision, batch_size=asked.fit.batch_size, default_batch_size=64)
    samples = open_sources(listed(sources), SOURCES[1:], asked.data.limit, reporter)
    methods = choose_methods(config.method, samples, asked)
    single = f"{SINGLE}:{min(sources_of(samples))}"
    first = request_training(samples, changed(asked, method=single), runtime, reporter)
    trials = [Trial(name, numbers, first, runtime) for name in methods]
    request = {
        "source": samples.digest, "seed": seed,
        "parameters": {
            "methods": methods, "seeds": numbers, "metric": config.metric, "target": target_role(first.targets),
        },
        "runs": {trial.method: list(trial.keys().values()) for trial in trials},
    }  # fmt: skip
    if keep is not None:
        _check_places(keep, trials)
    done: RunRecords | None = None
    try:
        with ArtifactWriter(output, STAGE, fresh) as writer:
            _refuse_to_drop(writer, trials)
            if not _is_done(writer, request, keep, trials):
                runs = ComparisonRuns(writer, keep, runtime, reporter)
                done = runs.records
                _do(writer, runs, trials, first, request, config.metric, began)
    except KeyboardInterrupt:
        raise StoppedError(
            f"stopped after {0 if done is None else done.count} of {len(methods) * len(numbers)} runs; "
            "the same command goes on from here"
        ) from None
    return read_comparison(output)


def read_comparison(path: Path) -> Comparison:
    """Return what a comparison's folder holds.

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


def _is_done(writer: ArtifactWriter, request: Mapping[str, Any], keep: Path | None, trials: Sequence[Trial]) -> bool:
    """Tell whether the output holds this very comparison, and ``keep`` the models of it."""
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


def _check_places(keep: Path, trials: Sequence[Trial]) -> None:
    """Refuse a folder for models in which one of them has no place.

    Raises:
        MmcliError: It holds, or lies in, something else.
    """
    for trial in trials:
        try:
            check_output(Path(os.path.abspath(trial.model_in(keep))), MODEL)
        except MmcliError as error:
            raise MmcliError(f"--keep {keep}: {error}") from None


def _refuse_to_drop(writer: ArtifactWriter, trials: Sequence[Trial]) -> None:
    """Refuse to replace a comparison by one that does without some of its runs.

    Raises:
        MmcliError: It would.
    """
    if writer.fresh or not is_artifact(writer.output, STAGE):
        return
    asked = {key for trial in trials for key in trial.keys().values()}
    lost = [method for method, key in each_run(read_comparison(writer.output).found) if key not in asked]
    if lost:
        raise MmcliError(
            f"{writer.output}: holds {len(lost)} runs that this command does not ask for ({lost[0]} and so on, or with "
            "other options): name these too, choose another -o, or drop them with --fresh"
        )


def _do(
    writer: ArtifactWriter, runs: ComparisonRuns, trials: Sequence[Trial], first: TrainingRequest,
    request: Mapping[str, Any], metric: str | None, began: float,
) -> None:  # fmt: skip
    """Do the runs that have not been done, and publish what all of them say."""
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
    draw_comparison(found, writer.folder / "comparison.png")
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
        reporter.warn(f"{len(failed)} of {len(tried)} methods failed, the table says why: {names}")
