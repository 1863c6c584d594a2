"""The rows of a source in the form that a model was trained on, to train it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmcli.chain.completion import extracted
from mmcli.context import RunContext
from mmcli.errors import UsageError
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.model import TrainedModel
from mmcli.options import make, values_of
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import SOURCES
from mmcli.store.artifact import is_artifact
from mmcli.store.opening import join_by_id, open_samples
from mmcli.store.samples import Samples
from mmcli.tables.config import PreprocessConfig


def check_curve(config: EvaluateConfig, models: Sequence[Path], sources: Sequence[str]) -> None:
    """Reject what does not go with a learning curve.

    Raises:
        UsageError: Something does not.
    """
    option = "--learning-curve"
    if len(models) > 1:
        raise UsageError(f"{option}: for one model, found {len(models)}")
    if config.labels_from is not None:
        raise UsageError(f"{option}: does not go with --labels-from, whose labels are not learnt")
    if config.split not in ("val", "test"):
        raise UsageError(f"{option}: measures on rows that are not trained on; --split {config.split} includes them")
    if "-" in sources:
        raise UsageError(f"{option}: standard input can be read only once; give a table or an artifact's folder")


def rows_to_train_on(
    model: TrainedModel, sources: Sequence[str], config: EvaluateConfig, folder: Path, runtime: Runtime,
    reporter: Reporter,
) -> Samples:  # fmt: skip
    """Return the samples of all splits with what train takes of them; what is computed for that is put in a folder.

    Raises:
        MmcliError: A source is invalid or was made differently from the model's training data.
    """
    read, limit = list(sources), config.rows.limit
    if len(sources) == 1 and not is_artifact(Path(sources[0])):
        read, limit = [str(_preprocessed(model, sources[0], config, folder / "samples", reporter))], None
    samples = join_by_id([open_samples(each, SOURCES, limit) for each in read])
    return replace(extracted(samples, model.artifact, folder, runtime, reporter), name=" + ".join(sources))


def _preprocessed(model: TrainedModel, source: str, config: EvaluateConfig, folder: Path, reporter: Reporter) -> Path:
    """Preprocess a table as the model's was, with the table's own splits."""
    roles, rows = model.artifact.roles, config.rows
    asked = {
        "like": model.artifact.path, "id": roles.id, "split": roles.split, "target": roles.targets,
        "group_by": roles.group, "empty_target": roles.empty_target, "limit": rows.limit, "root": rows.root,
        "tensor": config.look.tensor, **values_of(rows.written),
    }  # fmt: skip
    preprocess(source, folder, make(PreprocessConfig, asked), RunContext(reporter=reporter))
    return folder
