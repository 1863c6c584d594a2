"""preprocess: turns a raw table into an artifact of decoded, validated samples."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmcli.chain.driver import Summary, Work, drive, learnt_before
from mmcli.chain.retrying import EarlierRows
from mmcli.context import RunContext, takes
from mmcli.errors import UsageError
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.columns import Batch
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tables.bad_inputs import BadInputs, check_leaks
from mmcli.tables.config import PreprocessConfig
from mmcli.tables.groups import tell_torn_groups
from mmcli.tables.preparation import STAGE, prepare, train_rows


@takes(PreprocessConfig)
def preprocess(source: str, output: Path, config: PreprocessConfig, context: RunContext) -> Summary:
    """Read a table, decode every input and write an artifact.

    Raises:
        MmcliError: The table or an option is invalid.
        TooManyBadError: More inputs are bad than ``max_errors`` allows.
    """
    began = time.time()
    reporter, fresh, on_error = context.reporter, context.fresh, config.on_error
    runtime = context.runtime(config.intake.seed, device="cpu")
    place = Path(os.path.abspath(output))
    check_output(place, STAGE)
    if config.only_failed and (fresh or not is_artifact(place, STAGE)):
        raise UsageError(
            "--only-failed retries failed inputs of an earlier run, which --fresh discards; leave out one of them"
            if fresh
            else f"{place}: no earlier artifact whose failed inputs could be retried; leave out --only-failed"
        )
    prepared = prepare(source, config, reporter)
    intake, transform = prepared.intake, prepared.transform
    tell_torn_groups(intake.groups, config.on_leak, reporter)
    bad = BadInputs(len(intake.rows) * transform.inputs, on_error, config.max_errors)
    if prepared.fitted:
        transform.watch()
    with ArtifactWriter(output, STAGE, fresh) as writer:
        hashes = {} if prepared.fitted else transform.fit(
            lambda: train_rows(intake), {} if fresh else learnt_before(writer.output)
        )  # fmt: skip
        if config.only_failed:
            earlier = EarlierRows(Artifact(writer.output), transform)
            transform.trusted = earlier.key
            if earlier.other:
                reporter.warn(
                    f"--only-failed: {', '.join(earlier.other)} was made with other options in {writer.output}, so all "
                    "of its inputs are read"
                )

        def finish(folder: Path) -> None:
            bad.check()
            for text in transform.strange():
                reporter.warn(text)
            if bad.cells:
                reason, times = bad.cells.most_common(1)[0]
                count = bad.cells.total()
                reporter.warn(f"{count} cells are treated as empty ({reason} × {times}; mmcli ledger lists them)")
            transform.notices.report(reporter)
            files = [name for name, part in transform.preprocessors.items() if part.threaded]
            check_leaks(folder, files, intake.split_of, config.on_leak, reporter)

        work = Work(
            transform=transform,
            count=len(intake.rows),
            batch=lambda start, stop: Batch(intake.rows.numbered(start, stop), {}),
            lines=intake.rows.lines,
            roles=intake.roles,
            upstream=[],
            header={
                "source": intake.table.name,
                "media_root": prepared.media.root,
                "seed": config.intake.seed,
                "parameters": _parameters(config),
                "learnt_from": hashes,
                "splits": dict(sorted(intake.splits.items())),
            },
            accept=bad.accept,
            finish=finish,
            leave_out=lambda: bad.rows if on_error == "drop" else set(),
            without_target=intake.left_out,
        )
        return drive(writer, work, runtime, reporter, began)


def _parameters(config: PreprocessConfig) -> Mapping[str, Any]:
    intake = config.intake
    return {
        "on_error": config.on_error,
        "split_ratio": intake.split_ratio,
        "stratify": intake.stratify,
        "empty_target": intake.empty_target,
        "limit": intake.limit,
    }
