"""check: tries preprocess on a sample of a table's rows and writes nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace

from mmcli.context import RunContext, takes
from mmcli.store.rows import dump_row
from mmcli.tables.bad_inputs import is_bad
from mmcli.tables.check_report import CheckReport, choose_rows, count_labels, report_columns, report_modality, too_many
from mmcli.tables.config import CheckConfig
from mmcli.tables.groups import tell_torn_groups
from mmcli.tables.preparation import prepare
from mmcli.tables.trial import try_out


@takes(CheckConfig)
def check(source: str, config: CheckConfig, context: RunContext) -> CheckReport:
    """Read a table as preprocess would, decode a sample of its rows, and report what was found.

    The report's ``failure`` is set if more inputs are bad than ``max_errors`` allows.

    Raises:
        MmcliError: The table or an option is invalid.
    """
    reporter, seed = context.reporter, config.preprocess.intake.seed
    prepared = prepare(source, config.preprocess, reporter)
    left_out = prepared.intake.left_out
    kept = [number for number in range(len(prepared.intake.rows)) if number not in left_out]
    count = len(kept)
    tell_torn_groups(prepared.intake.groups, "warn", reporter)
    chosen = [kept[place] for place in choose_rows(count, None if config.all else config.sample, seed)]
    rows = [{**row, "row": number} for number, row in zip(chosen, prepared.intake.rows.take(chosen), strict=True)]
    trial = try_out(prepared, rows, context.runtime(seed, device="cpu"), reporter)
    for text in prepared.transform.strange():
        reporter.warn(text)
    share = count / len(rows)
    report = CheckReport(
        source=prepared.intake.table.name,
        rows=count,
        looked_at=len(rows),
        splits=dict(sorted(prepared.intake.splits.items())),
        labels=count_labels(prepared, rows),
        columns=report_columns(prepared, rows, trial),
        modalities=[report_modality(prepared, name, rows, trial) for name in prepared.transform.preprocessors],
        inputs=prepared.transform.inputs,
        bad=[entry for entry in trial.ledger if is_bad(entry)],
        read_bytes=round(sum(trial.file_bytes.values()) * share),
        disk_bytes=round((trial.stored_bytes + sum(len(dump_row(row)) for row in rows)) * share),
        free_bytes=shutil.disk_usage(".").free,
        work_seconds=round(trial.seconds * share, 1),
    )
    return replace(report, failure=too_many(report, config.preprocess.max_errors))
