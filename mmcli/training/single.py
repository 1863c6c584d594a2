"""One training from its request to the published model, for train itself and for each fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmcli.errors import StoppedError
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.artifact import Artifact
from mmcli.store.columns import ModalitySpec
from mmcli.store.keys import fingerprint
from mmcli.store.writer import ArtifactWriter
from mmcli.training.fit import TrainingRun, checkpoint_before
from mmcli.training.publish import model_before, publish_model
from mmcli.training.request import TrainingRequest

if TYPE_CHECKING:
    from mmcli.training.data import TrainingData


@dataclass(frozen=True)
class Loaded:
    """The inputs of a training: the network's modalities, and the train and val rows."""

    modalities: Mapping[str, ModalitySpec]
    data: TrainingData


def load(training: TrainingRequest, reporter: Reporter) -> Loaded:
    """Fit the scales and read the rows.

    Raises:
        MmcliError: See ``load_training_data``.
    """
    given = training.plan.fit()
    return Loaded(given, training.load(given, reporter))


def finished_before(writer: ArtifactWriter, request: Mapping[str, Any]) -> Artifact | None:
    """Return the model at the output if it was trained for the same request and was not stopped."""
    before = model_before(writer, request)
    return None if before is None or before.header["stopped"] else before


def fit_and_publish(
    writer: ArtifactWriter,
    training: TrainingRequest,
    request: Mapping[str, Any],
    loaded: Loaded,
    runtime: Runtime,
    reporter: Reporter,
    began: float,
    told: Mapping[str, Any] | None = None,
) -> Artifact:
    """Train, resuming an earlier run of the same request, and publish the model.

    Args:
        writer: Writer of the model.
        training: The training.
        request: The request, by which the same command is recognised.
        loaded: Its inputs.
        runtime: Where to train.
        reporter: Receives the epochs.
        began: When the command started, in seconds since 1970.
        told: Further entries of the model's header.

    Raises:
        StoppedError: Ctrl-C; the best epoch so far was published, marked as stopped.
    """
    asked = fingerprint(request)
    resumed = checkpoint_before(writer, model_before(writer, request), asked)
    run = TrainingRun(writer, asked, loaded.data.task, reporter)
    done, network = training.fit(run, loaded.modalities, loaded.data, resumed, runtime)
    model = publish_model(
        writer, request, training.samples, training.chain(), loaded.modalities, network, run, not done, began, runtime,
        {**(told or {}), **_unlearnt(loaded)},
    )  # fmt: skip
    if not done:
        raise StoppedError(
            f"stopped after epoch {len(run.history)} of {training.config.fit.epochs}: the best so far (epoch "
            f"{model.header['best_epoch']}) is in {writer.output}, marked stopped; run the same command to "
            "continue"
        )
    return model


def _unlearnt(loaded: Loaded) -> dict[str, list[str]]:
    """Return the source modalities that no train row has, which the model ignores."""
    there = {
        loaded.modalities[name].source for name, present in loaded.data.train.present.items() if bool(present.any())
    }
    names = loaded.data.train.present
    absent = sorted({loaded.modalities[name].source for name in names} - there)
    return {"unlearnt": absent} if absent and there else {}
