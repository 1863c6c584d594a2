"""predict: returns a model's prediction for each row, in row order and with the row's id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mmcli.context import RunContext, takes
from mmcli.errors import TooManyBadError, UsageError
from mmcli.explanation.answers import explained_rows
from mmcli.inference.config import PredictConfig, UncertaintyConfig
from mmcli.inference.inputs import BadLine, open_inputs
from mmcli.inference.modality_choice import modalities_of
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import Written, written
from mmcli.inference.predictions import prediction
from mmcli.inference.uncertainty import Uncertainty
from mmcli.registry import FUSIONS
from mmcli.reports.explanations import Explained, check_folder, write_explanations
from mmcli.retrieval.zero_shot import LabelModel, parse_labels
from mmcli.runtime import Runtime
from mmcli.store.columns import Row


@takes(PredictConfig)
def predict(
    model: Path,
    source: str,
    output: Path | None = None,
    config: PredictConfig = PredictConfig(),  # noqa: B008 - frozen
    context: RunContext = RunContext(),  # noqa: B008
) -> Iterator[list[Row]] | Written | Explained:
    """Yield predictions in groups as soon as their rows have arrived, or write them to a file.

    With ``explain="weights"`` each prediction has ``weights``, the fusion's weight of each feature, 0 if it is absent.
    With ``explain="inputs"`` explanations are yielded instead, or both are written to a folder with pictures. With
    ``labels`` a retrieval model predicts the closest of these names, each put into ``template``.

    Raises:
        MmcliError: The model or the source is invalid.
        UsageError: The model's fusion has no weights, or its predictions cannot be explained.
    """
    if config.explain == "inputs":
        if config.uncertainty != UncertaintyConfig():
            raise UsageError("--coverage, --abstain-below: not with --explain inputs")
        return _explanations(model, source, output, config, context)
    for option, given in (("--explain-target", config.explain_target), ("--explain-by", config.explain_by != "auto")):
        if given:
            raise UsageError(f"{option}: only with --explain inputs")
    return written(output, _answers(model, source, config, context), source)


def _answers(model: Path, source: str, config: PredictConfig, context: RunContext) -> Iterator[list[Row]]:
    runtime, explain = context.runtime(config.rows.seed), config.explain
    trained = _opened(model, config, runtime)
    if explain is not None and not trained.weighs:
        raise _weighs_nothing(trained.plan.method)
    uncertainty = Uncertainty(trained, config.uncertainty, context.reporter)
    keep = modalities_of(trained, config.look.modalities)
    rows = 0
    refused: list[BadLine] = []
    inputs = open_inputs(
        trained, source, config.rows, runtime, context.reporter, goes_on=True, tensor=config.look.tensor
    )
    for asked in inputs:
        rows += len(asked.ids)
        refused += asked.bad
        if not asked.ids:
            yield _with_bad([], asked.bad)
            continue
        vectors = trained.vectors(asked.batch.columns, runtime)
        predictions, known = trained.outputs(vectors, keep or None)
        records = trained.task.records(predictions, known)
        uncertainty.add(records, trained.task, predictions, known)
        answers = [
            prediction(identity, record, problems, trained.sources, keep)
            for identity, record, problems in zip(asked.ids, records, asked.problems(trained.sources), strict=True)
        ]
        if explain is not None:
            for answer, weights in zip(answers, trained.weights(vectors, keep or None).tolist(), strict=True):
                answer["weights"] = dict(zip(trained.names, weights, strict=True))
        yield _with_bad(answers, asked.bad)
    if (told := uncertainty.told()) is not None:
        context.reporter.note(told)
    if refused:
        raise TooManyBadError(
            f"{len(refused)} of {rows + len(refused)} lines are invalid; the first: {refused[0].error}"
        )


def _explanations(
    model: Path, source: str, output: Path | None, config: PredictConfig, context: RunContext
) -> Iterator[list[Row]] | Explained:
    """Explain predictions: write a folder, or yield the explanations."""
    if output is not None:
        check_folder(output)
    seed = config.rows.seed
    runtime = context.runtime(seed)
    trained = _opened(model, config, runtime)
    keep = modalities_of(trained, config.look.modalities)
    groups = explained_rows(trained, source, config, keep, runtime, context.reporter)
    if output is None:
        return ([explained.to_json() for _, explained in group] for group in groups)
    return write_explanations(output, trained, groups, seed, runtime)


def _opened(model: Path, config: PredictConfig, runtime: Runtime) -> TrainedModel:
    labels = parse_labels(config.labels) if config.labels else []
    return LabelModel(model, labels, config.template, None, runtime) if labels else TrainedModel(model)


def _with_bad(answers: list[Row], bad: Sequence[BadLine]) -> list[Row]:
    """Insert an error record for each bad line at its place among the predictions."""
    whole: list[Row] = []
    for place, answer in enumerate([*answers, None]):
        whole += [{"error": each.error, "line": each.line} for each in bad if each.before == place]
        whole += [] if answer is None else [answer]
    return whole


def _weighs_nothing(method: str) -> UsageError:
    from mmcli.fusion import WeighsModalities

    weighing = [name for name in FUSIONS.names() if issubclass(FUSIONS.load(name), WeighsModalities)]
    return UsageError(f"--explain weights: fusion {method} has no weights; methods with weights: {', '.join(weighing)}")
