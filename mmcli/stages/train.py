"""train: fits a model and stores it, at its best val epoch, with the chain that made its inputs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcli.chain.driver import Summary
from mmcli.context import RunContext, listed, takes
from mmcli.errors import UsageError
from mmcli.inference.model import STAGE
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.training.checks import check_options
from mmcli.training.config import TrainConfig
from mmcli.training.cross_validation import cross_validate, has_models_in
from mmcli.training.publish import summary_of_model
from mmcli.training.request import open_sources, request_training
from mmcli.training.single import finished_before, fit_and_publish, load

SOURCES = ("fuse", "preprocess", "extract-features")


@takes(TrainConfig)
def train(sources: str | Sequence[str], output: Path, config: TrainConfig, context: RunContext) -> Summary:
    """Train a model and write it as an artifact.

    Raises:
        MmcliError: A source, a target or an option is invalid.
        StoppedError: Ctrl-C; the best epoch so far has been published, marked as stopped.
    """
    began = time.time()
    reporter, fresh, folds, keep = context.reporter, context.fresh, config.folds, config.keep
    runtime = context.runtime(
        config.data.seed, precision=config.precision, batch_size=config.fit.batch_size, default_batch_size=64
    )
    place = Path(os.path.abspath(output))
    check_output(place, STAGE)
    _check_folds(folds, keep, place)
    check_options(config)
    asked = listed(sources)
    samples = open_sources(asked, SOURCES if len(asked) == 1 else SOURCES[1:], config.data.limit, reporter)
    training = request_training(samples, config, runtime, reporter)
    request = training.to_json()
    if folds is not None:
        request["folds"] = folds
    with ArtifactWriter(output, STAGE, fresh) as writer:
        before = finished_before(writer, request)
        if before is not None and (keep is None or has_models_in(keep, folds or 0)):
            return summary_of_model(before, began)
        loaded = load(training, reporter)
        told: dict[str, Any] = {}
        if folds is not None:
            validated = cross_validate(training, loaded, folds, writer.output, keep, fresh, runtime, reporter)
            validated.write(writer.folder)
            told = validated.header()
        made = fit_and_publish(writer, training, request, loaded, runtime, reporter, began, told)
    return summary_of_model(made, began)


def _check_folds(folds: int | None, keep: Path | None, output: Path) -> None:
    if keep is not None and folds is None:
        raise UsageError(f"--keep {keep}: keeps the models of folds; set their number with --folds")
    if keep is not None and Path(os.path.abspath(keep)).is_relative_to(output):
        raise UsageError(f"--keep {keep}: lies inside the output folder, which is replaced; name a folder outside it")
