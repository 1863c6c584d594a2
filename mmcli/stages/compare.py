"""compare: trains many fusion methods on one source with several seeds and ranks them on the val rows."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from mmcli.comparison.choices import choose_methods, parse_seeds, sources_of
from mmcli.comparison.config import CompareConfig
from mmcli.comparison.publish import STAGE, check_places, compare_and_publish, is_done, read_comparison, refuse_to_drop
from mmcli.comparison.ranking import SINGLE, Comparison
from mmcli.comparison.records import RunRecords
from mmcli.comparison.runs import ComparisonRuns, Trial
from mmcli.context import RunContext, listed, takes
from mmcli.errors import StoppedError, UsageError
from mmcli.options import changed
from mmcli.reports.folder import ReportFolder
from mmcli.reports.rendering import render
from mmcli.runtime import check_seed
from mmcli.stages.train import SOURCES
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tasks.targets import target_role
from mmcli.training.checks import check_options
from mmcli.training.request import open_sources, request_training


@takes(CompareConfig)
def compare(sources: str | Sequence[str], output: Path, config: CompareConfig, context: RunContext) -> Comparison:
    """Train every method with every seed, measure each on the val rows, and write the results as an artifact.

    Raises:
        MmcliError: A source, a target or an option is invalid, or every method failed.
        StoppedError: Ctrl-C; finished runs will not be repeated.
    """
    began = time.time()
    reporter, fresh, keep, asked = context.reporter, context.fresh, config.keep, config.train
    seed = asked.data.seed
    place = Path(os.path.abspath(output))
    check_output(place, STAGE)
    if keep is not None and Path(os.path.abspath(keep)).is_relative_to(place):
        raise UsageError(
            f"--keep {keep}: lies inside the output folder, which will be replaced; name a folder outside it"
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
        check_places(keep, trials)
    done: RunRecords | None = None
    try:
        with ArtifactWriter(output, STAGE, fresh) as writer:
            refuse_to_drop(writer, trials)
            if not is_done(writer, request, keep, trials):
                runs = ComparisonRuns(writer, keep, runtime, reporter)
                done = runs.records
                compare_and_publish(writer, runs, trials, first, request, config.metric, began, _draw)
    except KeyboardInterrupt:
        raise StoppedError(
            f"stopped after {0 if done is None else done.count} of {len(methods) * len(numbers)} runs; "
            "run the same command again to continue"
        ) from None
    return read_comparison(output)


def _draw(folder: Path) -> None:
    render(ReportFolder(folder, STAGE))
