"""Predicts rows and explains the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from mmcli.errors import MmcliError, UsageError, missing_package
from mmcli.explanation.input_chain import InputChain
from mmcli.explanation.rows import MOST_MODALITIES, RowExplainer, RowExplanation
from mmcli.explanation.score import Score
from mmcli.inference.config import PredictConfig
from mmcli.inference.inputs import Asked, open_inputs
from mmcli.inference.model import TrainedModel
from mmcli.inference.predictions import prediction
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.columns import Row

MOST_ROWS = 20
"""Rows that are explained unless ``--limit`` says otherwise."""
_ROWS_AT_ONCE = 16


def explained_rows(
    model: TrainedModel, source: str, config: PredictConfig, keep: Sequence[str], runtime: Runtime, reporter: Reporter
) -> Iterator[list[tuple[Row, RowExplanation]]]:
    """Yield the prediction of each row and its explanation, in groups, in order.

    Args:
        model: The model.
        source: A table, an artifact of the model's chain, or ``-``.
        config: How rows are read, and what is explained and how.
        keep: The source modalities to use; () means all.
        runtime: Where to compute.
        reporter: Receives warnings and progress.

    Raises:
        UsageError: The predictions have no number to explain, or gradients are asked for and reach no input.
        MmcliError: The source is invalid, or a package is missing.
    """
    score = Score(model.task, str(model.artifact.header["task"]), config.explain_target)
    how = config.explain_by
    if how != "occlusion" and not _has_captum():
        if how == "gradients":
            raise missing_package("--explain-by gradients", "captum")
        how = "occlusion"
    used = list(keep or model.sources)
    if len(used) > MOST_MODALITIES:
        reporter.warn(f"no Shapley values of rows with more than {MOST_MODALITIES} modalities")
    limit = MOST_ROWS + 1 if config.rows.limit is None else config.rows.limit
    rows = replace(config.rows, limit=limit)
    explainer: RowExplainer | None = None
    done = 0
    left = MOST_ROWS if config.rows.limit is None else limit
    with reporter.progress("rows", left) as progress:
        for group in open_inputs(model, source, rows, runtime, reporter, tensor=config.look.tensor):
            for asked in _pieces(group):
                if len(asked.ids) > left:
                    reporter.warn(f"only the first {MOST_ROWS} rows are explained: --limit N explains N")
                    asked = asked.take(list(range(left)))
                if not asked.ids:
                    break
                if explainer is None:
                    media = asked.media if rows.root is None else MediaFolder(rows.root)
                    inputs = None if media is None else InputChain(model, media)
                    explainer = RowExplainer(model, inputs, score, used, how, runtime)
                    if how == "gradients" and not explainer.reached():
                        raise UsageError(
                            "--explain-by gradients: no input of this model has them; they need an encoder of text, "
                            "images or video that was trained with the network, and one target"
                        )
                yield _explained(explainer, asked, keep, reporter)
                left -= len(asked.ids)
                done += len(asked.ids)
                progress.advance(len(asked.ids))
    for name, count in {} if explainer is None else explainer.unread.items():
        if count:
            reporter.warn(
                f"{name}: explained only as a whole in {count} of {done} rows, whose input cannot be read; give the "
                "table that the rows come from, or --root"
            )


def _explained(
    explainer: RowExplainer, asked: Asked, keep: Sequence[str], reporter: Reporter
) -> list[tuple[Row, RowExplanation]]:
    model, runtime = explainer.model, explainer.runtime
    vectors = model.vectors(asked.batch.columns, runtime)
    predictions, known = model.outputs(vectors, keep or None)
    records = model.task.records(predictions, known)
    problems = asked.problems(model.sources)
    answers = [
        prediction(identity, record, own, model.sources, keep)
        for identity, record, own in zip(asked.ids, records, problems, strict=True)
    ]
    return list(zip(answers, explainer.explain(asked, vectors, predictions), strict=True))


def _pieces(group: Asked) -> Iterator[Asked]:
    """Cut rows into groups whose inputs fit into memory.

    Raises:
        MmcliError: A line is invalid.
    """
    if group.bad:
        raise MmcliError(group.bad[0].error)
    for start in range(0, len(group.ids), _ROWS_AT_ONCE):
        yield group.take(np.arange(start, min(start + _ROWS_AT_ONCE, len(group.ids))).tolist())


def _has_captum() -> bool:
    from importlib.util import find_spec

    return find_spec("captum") is not None
