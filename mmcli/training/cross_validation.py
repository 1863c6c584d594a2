"""Cross-validation: trains a model without each fold of the train rows and measures it on that fold."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError, StoppedError
from mmcli.inference.inputs import inputs_of_samples
from mmcli.inference.measuring import Measuring
from mmcli.inference.model import STAGE, TrainedModel
from mmcli.reporting import Reporter, Silent, Within
from mmcli.runtime import Runtime
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.columns import Array, Row
from mmcli.store.publish import FolderLock, partial_folder
from mmcli.store.rows import dump_row
from mmcli.store.samples import Samples
from mmcli.store.writer import ArtifactWriter
from mmcli.tasks.abilities import encodes_classes
from mmcli.tasks.targets import take_same_positives
from mmcli.training.data import TrainingData
from mmcli.training.folds import draw_folds, units
from mmcli.training.request import TrainingRequest, request_training
from mmcli.training.single import Loaded, finished_before, fit_and_publish, load

FOUND, PREDICTIONS = "folds.json", "out_of_fold.jsonl"


@dataclass(frozen=True)
class CrossValidated:
    """The results of all folds on their held-out rows.

    Args:
        found: The content of ``folds.json``.
        predictions: Predictions for the train rows, in their order, each with its ``fold``.
    """

    found: dict[str, Any]
    predictions: list[Row]

    def write(self, folder: Path) -> None:
        """Write both into an unfinished model."""
        text = json.dumps(self.found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        (folder / FOUND).write_text(text, encoding="utf-8")
        with (folder / PREDICTIONS).open("wb") as file:
            file.writelines(map(dump_row, self.predictions))

    def header(self) -> dict[str, Any]:
        """Return the entries for the model's header."""
        return {
            "cross_validation": {
                name: self.found[name] for name in ("folds", "rows", "metrics", "pooled") if name in self.found
            }
        }


def cross_validate(
    training: TrainingRequest,
    loaded: Loaded,
    count: int,
    output: Path,
    keep: Path | None,
    fresh: bool,
    runtime: Runtime,
    reporter: Reporter,
) -> CrossValidated:
    """Split the train rows into folds, train a model without each fold, and measure it on that fold.

    Folds are stratified by class, if there are classes, and groups stay together. The val rows select the best epoch in
    every fold, as for the model on all train rows; test rows are not used. What train itself fits, scales and fusions,
    is fitted without the fold; earlier stages have learnt from all train rows.

    Args:
        training: The training on all train rows.
        loaded: Its rows.
        count: Number of folds, at least 2.
        output: The folder of the model.
        keep: Where to keep the models of the folds; None keeps none.
        fresh: Retrain existing models.
        runtime: Where to train.
        reporter: Receives the progress of the folds.

    Raises:
        MmcliError: There are fewer rows, or groups, than folds.
        StoppedError: Ctrl-C; finished folds will not be repeated.
    """
    data = loaded.data
    strata = data.train.encoded.tolist() if encodes_classes(data.task) else None
    folds = draw_folds(units(data.samples, data.train.rows), training.config.data.seed, count=count, strata=strata)
    if folds.max() + 1 < count:
        raise MmcliError(f"--folds {count}: there are only {folds.max() + 1} train rows, or groups of them")
    measured = []
    with _place(output, keep) as place, reporter.progress("folds", count) as progress:
        for number in range(count):
            try:
                within = Within(f"fold {number + 1}", reporter, progress)
                model = _train_fold(training, data, folds, number, place, fresh, runtime, within)
            except StoppedError:
                told = f"stopped in fold {number + 1} of {count}; run the same command to continue"
                raise StoppedError(told) from None
            measured.append(_measure(model, training, data.samples.choose(data.train.rows[folds == number]), runtime))
            progress.advance(1, f"fold {number + 1}")
    return _sum_up(measured, data, training.config.data.seed)


def has_models_in(folder: Path, count: int) -> bool:
    """Return whether a folder has a model of each of ``count`` folds."""
    return all(is_artifact(_model_in(folder, number), STAGE) for number in range(count))


def _model_in(folder: Path, number: int) -> Path:
    return folder / f"fold-{number + 1}"


@contextmanager
def _place(output: Path, keep: Path | None) -> Iterator[Path]:
    """Yield the folder for the models of folds; if not to be kept, it is removed once all are done."""
    if keep is not None:
        yield keep
        return
    folder = partial_folder(output.with_name(f"{output.name}.folds"))
    lock = FolderLock(folder, output)
    try:
        yield folder
    except (StoppedError, KeyboardInterrupt):
        raise
    except MmcliError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        with contextlib.suppress(OSError):
            lock.close()


def _train_fold(
    training: TrainingRequest,
    data: TrainingData,
    folds: Array,
    number: int,
    place: Path,
    fresh: bool,
    runtime: Runtime,
    reporter: Reporter,
) -> Artifact:
    """Return the model trained on all train rows except one fold."""
    began = time.time()
    rows = np.sort(np.concatenate([data.train.rows[folds != number], data.val.rows]))
    within = request_training(data.samples.choose(rows), training.config, runtime, Silent(), training.assets)
    request = {**training.to_json(), "fold": [number + 1, int(folds.max()) + 1]}
    with ArtifactWriter(_model_in(place, number), STAGE, fresh) as writer:
        before = finished_before(writer, request)
        if before is not None:
            return before
        loaded = load(within, Silent())
        take_same_positives(loaded.data.task, data.task)
        return fit_and_publish(writer, within, request, loaded, runtime, reporter, began)


def _measure(model: Artifact, training: TrainingRequest, held: Samples, runtime: Runtime) -> Measuring:
    trained = TrainedModel(model.path)
    measuring = Measuring(trained, training.keep, held.name)
    for asked in inputs_of_samples(trained, held, runtime):
        measuring.add(asked, runtime)
    if not len(measuring):
        raise MmcliError(f"{held.name}: a fold has only targets that no other fold has; use fewer --folds")
    return measuring


def _sum_up(measured: Sequence[Measuring], data: TrainingData, seed: int) -> CrossValidated:
    metrics_of = [measuring.measure("train", seed)[0]["metrics"] for measuring in measured]
    by_id = {row["id"]: {**row, "fold": number} for number, each in enumerate(measured, 1) for row in each.predictions}
    order = np.sort(data.train.rows)
    rows = [by_id[name] for name in map(data.samples.id_of, data.samples.rows.take(order)) if name in by_id]
    found: dict[str, Any] = {
        "folds": len(measured),
        "rows": len(rows),
        "metrics": {
            name: _spread([metrics[name] for metrics in metrics_of])
            for name in metrics_of[0]
            if all(name in metrics for metrics in metrics_of)
        },
    }
    first = measured[0].meaning
    if first is not None and all(measuring.meaning == first for measuring in measured):
        for measuring in measured[1:]:
            measured[0].extend(measuring)
        pooled = measured[0].measure("train", seed)[0]
        found["pooled"] = {name: pooled[name] for name in ("metrics", "intervals")}
    return CrossValidated(found, rows)


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """Return the mean, the sample standard deviation, and the values of all folds."""
    return {"mean": float(np.mean(values)), "std": float(np.std(values, ddof=1)), "values": list(values)}
