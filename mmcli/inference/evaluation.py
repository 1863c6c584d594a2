"""Measures a model on the rows of a split."""

from __future__ import annotations

from collections.abc import Sequence

from mmcli.errors import MmcliError
from mmcli.inference.config import EvaluateConfig
from mmcli.inference.inputs import Asked, open_inputs
from mmcli.inference.kept_rows import KeptRows
from mmcli.inference.measuring import Measuring, Receiver
from mmcli.inference.modality_choice import modalities_of
from mmcli.inference.model import TrainedModel
from mmcli.inference.uncertainty import Uncertainty
from mmcli.reporting import Reporter
from mmcli.runtime import Runtime
from mmcli.store.splitting import known_split
from mmcli.tasks.targets import told_counts

EVERY = "all"


def predict_rows(
    model: TrainedModel, sources: Sequence[str], config: EvaluateConfig, runtime: Runtime, reporter: Reporter,
    *, for_page: bool = False, receiver: Receiver | None = None,
) -> Measuring:  # fmt: skip
    """Predict the rows of a split that have a target.

    Args:
        model: The model.
        sources: What it reads; see ``open_inputs``.
        config: The options of evaluate.
        runtime: Where to compute.
        reporter: Receives warnings of rows that are not measured or count as wrong.
        for_page: Also keep what a page shows of the rows.
        receiver: Also receives the rows that are measured, and the fusion's inputs made of them.

    Raises:
        MmcliError: A source or a target is invalid, or no row is in the split.
    """
    keep = modalities_of(model, config.look.modalities)
    wanted = None if config.split == EVERY else known_split(config.split, f"--split (or {EVERY})")
    inputs = open_inputs(model, sources, config.rows, runtime, reporter, tensor=config.look.tensor)
    kept = KeptRows(model, keep, config.rows.seed) if for_page else None
    uncertainty = Uncertainty(model, config.uncertainty, reporter)
    measuring = Measuring(
        model, keep, sources[0], config.target, config.by, uncertainty=uncertainty, kept=kept, receiver=receiver
    )
    for asked in inputs:
        chosen = _in_split(asked, model, wanted)
        if chosen is not None:
            measuring.add(chosen, runtime)
    if not len(measuring):
        raise MmcliError(_nothing_measured(sources[0], config.split, measuring))
    _warn(measuring, reporter)
    return measuring


def _nothing_measured(source: str, split: str, measuring: Measuring) -> str:
    if measuring.without_target:
        return (
            f"{source}: none of the {measuring.without_target} rows of split {split!r} has a target to compare with"
            + _told_odd(measuring)
        )
    return f"{source}: no rows in split {split!r} to evaluate on (--split all uses every row)"


def _told_odd(measuring: Measuring) -> str:
    """Return the non-empty cells that are not targets, for a message."""
    return f" ({told_counts(measuring.odd)})" if measuring.odd else ""


def _warn(measuring: Measuring, reporter: Reporter) -> None:
    """Warn of rows that are not measured, or count as wrong whatever is predicted."""
    if measuring.without_target:
        rows = len(measuring) + measuring.without_target
        reporter.warn(
            f"{measuring.without_target} of {rows} rows have no target{_told_odd(measuring)}: only the other "
            f"{len(measuring)} are measured"
        )
    elif measuring.odd:
        reporter.warn(f"cells that are not numbers in a column of numbers are not targets{_told_odd(measuring)}")
    if measuring.unknown:
        shown = told_counts(measuring.unknown)
        reporter.warn(
            f"{measuring.unknown_targets} of {len(measuring)} rows have a class that the model was not trained on "
            f"({shown}): they count as wrong, except in {', '.join(measuring.skipped_if_unseen)}, which ignore them"
        )
    if measuring.unseen:
        names = list(dict.fromkeys(measuring.unseen))
        shown = f"{', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
        reporter.warn(
            f"the targets have {len(measuring.unseen)} labels that the model was not trained on ({shown}): they are "
            "ignored"
        )


def _in_split(asked: Asked, model: TrainedModel, split: str | None) -> Asked | None:
    """Return the rows of a split; all rows if the table has no split column."""
    column = model.artifact.roles.split
    if split is None or all(column not in row for row in asked.batch.rows):
        return asked
    rows = [
        number
        for number, row in enumerate(asked.batch.rows)
        if known_split(row.get(column), f"sample {asked.ids[number]!r}, column {column!r}") == split
    ]
    return asked.take(rows) if rows else None
