"""Does the runs of a comparison, each method with each seed, reading common data once."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmcli.chain.collate import has_steps
from mmcli.comparison.ranking import Tried, best_seed
from mmcli.comparison.records import Run, RunRecord, RunRecords
from mmcli.errors import MmcliError
from mmcli.inference.model import STAGE as MODEL
from mmcli.options import changed
from mmcli.registry import FUSIONS, parse_spec
from mmcli.reporting import Progress, Reporter, Silent, Within
from mmcli.runtime import Runtime
from mmcli.store.columns import ModalitySpec
from mmcli.store.keys import fingerprint
from mmcli.store.writer import ArtifactWriter
from mmcli.training.fit import TrainingRun, checkpoint_before
from mmcli.training.kept_folds import FOLDER as FOLDS
from mmcli.training.plan import TrainingPlan
from mmcli.training.publish import is_model, publish_model
from mmcli.training.request import TrainingRequest, request_training

if TYPE_CHECKING:
    from mmcli.training.data import TrainingData

CHECKPOINT = "checkpoint"


class Trial:
    """The trainings of a method, one per seed, or the error that prevents them.

    Args:
        method: The method in full notation.
        seeds: The seeds to train with.
        like: A training that differs from these only in method and seed.
        runtime: Where they will run.
    """

    def __init__(self, method: str, seeds: Sequence[int], like: TrainingRequest, runtime: Runtime) -> None:
        self.method = method
        self.requests: dict[int, TrainingRequest] = {}
        self.error: str | None = None
        for seed in seeds:
            config = changed(like.config, method=method, seed=seed)
            try:
                self.requests[seed] = request_training(like.samples, config, runtime, Silent(), like.assets)
            except MmcliError as error:
                self.error = str(error)

    def keys(self) -> dict[int, str]:
        """Return the hash of everything that the run of each seed depends on."""
        version = FUSIONS.constant(parse_spec(self.method).name, "version")
        return {seed: fingerprint([request.to_json(), version]) for seed, request in self.requests.items()}

    def model_in(self, folder: Path) -> Path:
        """Return the folder of this method's model in a folder of models."""
        return folder / re.sub(r"[^\w.=-]+", "-", self.method)

    def has_model_in(self, folder: Path, seed: int) -> bool:
        """Return whether the fully trained model of this seed exists."""
        return is_model(self.model_in(folder), {**self.requests[seed].to_json(), "stopped": False})


@dataclass(frozen=True)
class _Fitted:
    """A trained network with everything needed to write it as a model."""

    began: float
    modalities: Mapping[str, ModalitySpec]
    data: TrainingData
    run: TrainingRun
    network: Any


class ComparisonRuns:
    """Does runs, and looks up finished ones.

    Args:
        writer: The writer of the comparison.
        keep: The folder for one model of each method, if any.
        runtime: Where to run.
        reporter: Receives progress and warnings.
    """

    def __init__(self, writer: ArtifactWriter, keep: Path | None, runtime: Runtime, reporter: Reporter) -> None:
        self.writer = writer
        self.keep = keep
        self.runtime = runtime
        self.reporter = reporter
        self.records = RunRecords(writer)
        self._data: dict[str | None, TrainingData] = {}
        self._scaled: TrainingPlan | None = None

    def load(self, request: TrainingRequest) -> TrainingData:
        """Fit the scales that all methods share, and return the train and val rows.

        Raises:
            MmcliError: See ``load_training_data``.
        """
        modalities = request.plan.fit()
        self._scaled = request.plan
        return self._load(request, modalities)

    def _load(self, request: TrainingRequest, modalities: Mapping[str, ModalitySpec]) -> TrainingData:
        """Return the train and val rows, read once for all methods that use them in the same form."""
        steps = any(has_steps(spec.main) for spec in modalities.values())
        form = request.plan.network.ready_pooling if steps else None
        if form not in self._data:
            self._data[form] = request.load(modalities, Silent() if self._data else self.reporter)
        return self._data[form]

    def attempt(self, trial: Trial, metric: str, mode: Literal["min", "max"], progress: Progress) -> Tried:
        """Do a method's missing runs until one fails, and keep the model of the best run.

        Raises:
            KeyboardInterrupt: Finished work is kept.
        """
        runs: dict[int, Run] = {}
        latest: dict[int, _Fitted] = {}
        error = trial.error
        for seed, key in trial.keys().items():
            run = self.records.find(key)
            if run is None and error is None:
                try:
                    fitted = self._fit(trial, seed, progress)
                except MmcliError as failure:
                    error = str(failure)
                else:
                    run = _measure(fitted, key, self.runtime)
                    self.records.keep(run)
                    latest[seed] = fitted
            if run is not None:
                runs[seed] = run
                best = best_seed(runs, metric, mode)
                latest = {best: latest[best]} if best in latest else {}
            progress.advance(1, trial.method)
        if self.keep is not None and error is None:
            best = best_seed(runs, metric, mode)
            self._keep_model(trial, best, self.keep, latest.get(best), progress)
        return Tried(trial.method, runs, error)

    def finish(self) -> None:
        """Remove files that are not part of the published comparison, such as checkpoints."""
        self.records.finish()
        for name in (CHECKPOINT, FOLDS):
            shutil.rmtree(self.writer.folder / name, ignore_errors=True)

    def _fit(self, trial: Trial, seed: int, progress: Progress) -> _Fitted:
        began = time.time()
        request = trial.requests[seed]
        modalities = request.plan.fit(self._scaled)
        data = self._load(request, modalities)
        told = request.fingerprint()
        run = TrainingRun(self.writer, told, data.task, Within(f"{trial.method}, seed {seed}", self.reporter, progress))
        resumed = checkpoint_before(self.writer, None, told)
        done, network = request.fit(run, modalities, data, resumed, self.runtime)
        if not done:
            run.save()
            raise KeyboardInterrupt
        for folder in (self.writer.folder, self.writer.resumed):
            shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)
        return _Fitted(began, modalities, data, run, network)

    def _keep_model(self, trial: Trial, seed: int, folder: Path, fitted: _Fitted | None, progress: Progress) -> None:
        """Write the model of a run as train would; a run of an earlier command is trained again."""
        if fitted is None and trial.has_model_in(folder, seed):
            return
        request = trial.requests[seed]
        with ArtifactWriter(trial.model_in(folder), MODEL, self.writer.fresh) as writer:
            made = fitted or self._fit(trial, seed, progress)
            publish_model(
                writer, request.to_json(), request.samples, request.chain(), made.modalities, made.network, made.run,
                False, made.began, self.runtime, {},
            )  # fmt: skip


def _measure(fitted: _Fitted, key: str, runtime: Runtime) -> Run:
    """Measure a trained network on the val rows."""
    import torch

    data, run = fitted.data, fitted.run
    device = runtime.torch_device()
    network = fitted.network.to(device).eval()
    with torch.no_grad():
        prepared = data.to(device, dict(network.encoders.items()))
        outputs = prepared.outputs(network, data.val, run.batch_size or 1)
    network.cpu()
    outputs = outputs.cpu() if run.calibration is None else run.calibration.scaled(data.task, outputs.cpu())
    predictions = data.task.predictions(outputs)
    record = RunRecord(
        metrics=data.task.metrics(predictions, data.val.encoded),
        epochs=len(run.history),
        best_epoch=None if run.best is None else run.best.number,
        parameters=sum(value.numel() for value in network.parameters()),
        batch_size=run.batch_size or 1,
    )
    return Run(key, record, predictions, round(time.time() - fitted.began, 3))
