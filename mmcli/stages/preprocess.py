"""preprocess: a raw table to an artifact of decoded, validated samples."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mmcli.errors import UsageError
from mmcli.modalities import Preprocessor
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import detect
from mmcli.stages.bad_inputs import BadInputs, OnError, check_leaks
from mmcli.stages.driver import Summary, Work, drive, learnt_before
from mmcli.stages.intake import Intake, IntakeOptions, take_in
from mmcli.stages.modality_flags import ModalityPlan, plan_modalities
from mmcli.stages.transforms.preprocess import PreprocessTransform, make_preprocessor
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Batch, Row
from mmcli.store.writer import ArtifactWriter, check_output

STAGE = "preprocess"


def preprocess(
    source: str,
    output: Path,
    *,
    text: Sequence[str] = (),
    image: Sequence[str] = (),
    audio: Sequence[str] = (),
    numeric: Sequence[str] = (),
    categorical: Sequence[str] = (),
    tensor: Sequence[str] = (),
    target: str | None = None,
    id: str | None = None,
    split: str | None = None,
    split_ratio: str | None = None,
    stratify: str | None = None,
    group_by: str | None = None,
    root: str | None = None,
    confine: bool = False,
    image_size: int = 224,
    resize: Literal["crop", "pad", "stretch"] = "crop",
    background: str = "white",
    max_pixels: int = 178_956_970,
    sample_rate: int = 16000,
    max_seconds: float = 10.0,
    trim: bool = False,
    high_pass: float | None = None,
    low_pass: float | None = None,
    normalize: Literal["none", "peak", "rms"] = "none",
    max_tokens: int = 256,
    language: str = "en",
    spacy_model: str | None = None,
    lower: bool = False,
    remove_stop_words: bool = False,
    lemmatize: bool = False,
    pos: bool = False,
    min_count: int = 1,
    on_error: OnError = "keep",
    max_errors: str | None = None,
    on_leak: Literal["warn", "error"] = "warn",
    like: Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    fresh: bool = False,
    reporter: Reporter | None = None,
) -> Summary:
    """Read a table, decode every input and write an artifact; arguments are the command's options.

    Raises:
        MmcliError: The table or an option is not as it must be.
        TooManyBadError: More inputs are bad than ``max_errors`` allows.
    """
    began = time.time()
    reporter = reporter if reporter is not None else Silent()
    runtime = detect(jobs, "cpu", "auto", None, seed)
    check_output(Path(os.path.abspath(output)), STAGE)
    flags = {
        "text": text, "image": image, "audio": audio, "numeric": numeric, "categorical": categorical, "tensor": tensor,
    }  # fmt: skip
    if like is not None and any(flags.values()):
        raise UsageError("--like takes modalities and options from the model; leave --text, --image … out")
    intake = take_in(source, IntakeOptions(id, split, target, split_ratio, stratify, group_by, limit, seed), reporter)
    media = MediaFolder(intake.table.root if root is None else root, confine=confine)
    options: dict[str, dict[str, Any]] = {
        "text": dict(
            max_tokens=max_tokens, language=language, spacy_model=spacy_model, lower=lower,
            remove_stop_words=remove_stop_words, lemmatize=lemmatize, pos=pos, min_count=min_count,
        ),
        "image": dict(size=image_size, resize=resize, background=background, max_pixels=max_pixels),
        "audio": dict(
            sample_rate=sample_rate, max_seconds=max_seconds, trim=trim, high_pass=high_pass, low_pass=low_pass,
            normalize=normalize,
        ),
    }  # fmt: skip
    if like is None:
        transform = _new_transform(plan_modalities(flags, intake, reporter), options, media, intake.roles.id)
    else:
        transform = like_model(like, media, intake.roles.id)
    bad = BadInputs(len(intake.rows) * len(transform.preprocessors), on_error, max_errors)
    with ArtifactWriter(output, STAGE, fresh) as writer:
        learnt = learnt_before(writer.output) if not fresh else {}
        hashes: dict[str, str] = {}
        if like is None:
            hashes = transform.fit(lambda: _train_rows(intake), learnt)

        def finish(folder: Path) -> None:
            bad.check()
            files = [name for name, part in transform.preprocessors.items() if part.threaded]
            check_leaks(folder, files, intake.split_of, on_leak, reporter)

        work = Work(
            transform=transform,
            count=len(intake.rows),
            batch=lambda start, stop: Batch(_numbered(intake, start, stop), {}),
            roles=intake.roles,
            upstream=[],
            header={
                "source": intake.table.name,
                "media_root": media.root,
                "seed": seed,
                "parameters": {
                    "on_error": on_error,
                    "split_ratio": split_ratio,
                    "stratify": stratify,
                    "limit": limit,
                },
                "learnt_from": hashes,
                "splits": dict(sorted(intake.splits.items())),
            },
            accept=bad.accept,
            finish=finish,
            leave_out=lambda: bad.rows if on_error == "drop" else set(),
        )
        return drive(writer, work, runtime, reporter, began)


def like_model(model: Path, media: MediaFolder, id_column: str) -> PreprocessTransform:
    """Return the preprocess transform of a model, fitted as it was when the model was trained."""
    artifact = Artifact(model)
    records = [record for record in artifact.chain if record.stage == STAGE]
    if len(records) != 1:
        raise UsageError(f"--like {model}: its chain has {len(records)} preprocess stages, expected one")
    return PreprocessTransform.load(records[0].config, artifact.states(records[0]), media, id_column)


def _new_transform(
    plans: Mapping[str, ModalityPlan],
    options: Mapping[str, dict[str, Any]],
    media: MediaFolder,
    id_column: str,
) -> PreprocessTransform:
    preprocessors: dict[str, Preprocessor] = {
        name: make_preprocessor(plan.kind, {"columns": plan.columns, **plan.extra, **options.get(plan.kind, {})})
        for name, plan in plans.items()
    }
    return PreprocessTransform({name: plan.kind for name, plan in plans.items()}, preprocessors, media, id_column)


def _train_rows(intake: Intake) -> Iterator[Row]:
    return (row for row in _every_row(intake) if row[intake.roles.split] == "train")


def _every_row(intake: Intake) -> Iterator[Row]:
    for number, row in enumerate(intake.rows):
        yield {**row, "row": number}


def _numbered(intake: Intake, start: int, stop: int) -> list[Row]:
    return [{**row, "row": start + number} for number, row in enumerate(intake.rows.rows(start, stop))]
