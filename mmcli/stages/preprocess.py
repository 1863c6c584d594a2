"""preprocess: a raw table to an artifact of decoded, validated samples."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Unpack

from mmcli.chain.driver import Summary, Work, drive, learnt_before
from mmcli.chain.retrying import EarlierRows
from mmcli.errors import MmcliError
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import detect
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.columns import Batch
from mmcli.store.writer import ArtifactWriter, check_output
from mmcli.tables.bad_inputs import BadInputs, OnError, check_leaks
from mmcli.tables.groups import tell_torn_groups
from mmcli.tables.preparation import STAGE, PreparationOptions, prepare, train_rows


def preprocess(
    source: str,
    output: Path,
    *,
    on_error: OnError = "keep",
    max_errors: str | None = None,
    on_leak: Literal["warn", "error"] = "warn",
    only_failed: bool = False,
    jobs: int | None = None,
    fresh: bool = False,
    reporter: Reporter | None = None,
    **options: Unpack[PreparationOptions],
) -> Summary:
    """Read a table, decode every input and write an artifact; arguments are the command's options.

    Raises:
        MmcliError: The table or an option is not as it must be.
        TooManyBadError: More inputs are bad than ``max_errors`` allows.
    """
    began = time.time()
    reporter = reporter if reporter is not None else Silent()
    seed = options.get("seed", 0)
    runtime = detect(jobs, "cpu", "auto", None, seed)
    place = Path(os.path.abspath(output))
    check_output(place, STAGE)
    if only_failed and (fresh or not is_artifact(place, STAGE)):
        raise MmcliError(
            "--only-failed tries again what an earlier run could not read, --fresh forgets it: give one of them"
            if fresh
            else f"{place}: no earlier artifact whose failed inputs could be tried again; leave --only-failed out"
        )
    prepared = prepare(source, reporter, **options)
    intake, transform = prepared.intake, prepared.transform
    tell_torn_groups(intake.groups, on_leak, reporter)
    bad = BadInputs(len(intake.rows) * transform.inputs, on_error, max_errors)
    if prepared.fitted:
        transform.watch()
    with ArtifactWriter(output, STAGE, fresh) as writer:
        hashes = {} if prepared.fitted else transform.fit(
            lambda: train_rows(intake), {} if fresh else learnt_before(writer.output)
        )  # fmt: skip
        if only_failed:
            earlier = EarlierRows(Artifact(writer.output), transform)
            transform.trusted = earlier.key
            if earlier.other:
                reporter.warn(
                    f"--only-failed: {', '.join(earlier.other)} would now be made in another way than "
                    f"in {writer.output}: every input of it is read"
                )

        def finish(folder: Path) -> None:
            bad.check()
            for text in transform.strange():
                reporter.warn(text)
            if bad.cells:
                reason, times = bad.cells.most_common(1)[0]
                count = bad.cells.total()
                reporter.warn(f"{count} cells are taken for empty ({reason} × {times}; mmcli ledger lists them)")
            transform.notices.report(reporter)
            files = [name for name, part in transform.preprocessors.items() if part.threaded]
            check_leaks(folder, files, intake.split_of, on_leak, reporter)

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
                "seed": seed,
                "parameters": _parameters(options, on_error),
                "learnt_from": hashes,
                "splits": dict(sorted(intake.splits.items())),
            },
            accept=bad.accept,
            finish=finish,
            leave_out=lambda: bad.rows if on_error == "drop" else set(),
            without_target=intake.left_out,
        )
        return drive(writer, work, runtime, reporter, began)


def _parameters(options: PreparationOptions, on_error: OnError) -> Mapping[str, Any]:
    return {
        "on_error": on_error,
        "split_ratio": options.get("split_ratio"),
        "stratify": options.get("stratify"),
        "empty_target": options.get("empty_target", "error"),
        "limit": options.get("limit"),
    }
