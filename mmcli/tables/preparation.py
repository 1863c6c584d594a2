"""What preprocess does before its first shard: a table taken in, its modalities planned, their Preprocessors made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np

from mmcli.chain.transforms.preprocess import PreprocessTransform, make_preprocessor
from mmcli.errors import MmcliError, UsageError
from mmcli.modalities import Preprocessor
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.store.artifact import Artifact, EmptyTarget
from mmcli.store.columns import Row
from mmcli.store.samples import SPLITS
from mmcli.store.sources.dialect import Quoting
from mmcli.store.string_rows import StringRows
from mmcli.tables.beside_table import check_rows, give_arrays, parse_arrays
from mmcli.tables.intake import Intake, IntakeOptions, take_in
from mmcli.tables.modality_flags import ModalityPlan, plan_modalities, plan_padding
from mmcli.tasks import says_nothing
from mmcli.tasks.targets import is_empty

STAGE = "preprocess"
_ROWS = 1024
_FLAGS = ("text", "image", "audio", "video", "numeric", "categorical", "tensor")
_OPTIONS: dict[str, dict[str, str]] = {
    "text": {
        name: name
        for name in (
            "max_tokens", "language", "spacy_model", "lower", "remove_stop_words", "lemmatize", "pos", "min_count",
        )
    },
    "image": {"image_size": "size", **{name: name for name in ("resize", "background", "max_pixels")}},
    "audio": {
        name: name
        for name in (
            "sample_rate", "max_seconds", "trim", "high_pass", "low_pass", "normalize", "max_decode_seconds",
        )
    },
    "video": {
        "image_size": "size",
        **{
            name: name
            for name in (
                "frames", "fps", "clip_seconds", "resize", "background", "max_pixels", "max_decode_frames",
            )
        },
    },
    "tensor": {"max_bytes": "max_bytes"},
}  # fmt: skip
"""What the Preprocessor of a kind calls the options that are its own."""
_OF_MEDIA = ("confine", "max_bytes", "fix_paths")


class PreparationOptions(TypedDict, total=False):
    """The command's options that say what the table is and how to read it; their defaults stand where they are used."""

    text: Sequence[str]
    image: Sequence[str]
    audio: Sequence[str]
    video: Sequence[str]
    numeric: Sequence[str]
    categorical: Sequence[str]
    tensor: Sequence[str]
    lengths: Sequence[str]
    pad_value: Sequence[str]
    target: str | Sequence[str] | None
    empty_target: EmptyTarget
    id: str | None
    split: str | None
    split_ratio: str | None
    stratify: str | None
    group_by: str | None
    limit: int | None
    max_rows: int
    encoding: str
    delimiter: str | None
    quoting: Quoting
    header: Sequence[str]
    sheet: str | None
    fix_paths: bool
    seed: int
    root: str | None
    confine: bool
    like: Path | None
    image_size: int
    resize: Literal["crop", "pad", "stretch"]
    background: str
    max_pixels: int
    max_bytes: int
    sample_rate: int
    max_seconds: float
    max_decode_seconds: float
    trim: bool
    high_pass: float | None
    low_pass: float | None
    normalize: Literal["none", "peak", "rms"]
    frames: int | None
    fps: float | None
    clip_seconds: float | None
    max_decode_frames: int
    max_tokens: int
    language: str
    spacy_model: str | None
    lower: bool
    remove_stop_words: bool
    lemmatize: bool
    pos: bool
    min_count: int


@dataclass(frozen=True)
class Preparation:
    """A table taken in, and the transform for it; not fitted yet where ``fitted`` is false.

    Args:
        intake: The rows, checked and split.
        transform: Makes the modalities.
        media: Reads the files that cells name.
        fitted: Whether the transform came from a model, with what it learnt.
    """

    intake: Intake
    transform: PreprocessTransform
    media: MediaFolder
    fitted: bool


def prepare(source: str, reporter: Reporter, **options: Unpack[PreparationOptions]) -> Preparation:
    """Take a table in and make the transform for it.

    Raises:
        MmcliError: The table or an option is not as it must be.
    """
    flags: dict[str, Sequence[str]] = {name: options.get(name, ()) for name in _FLAGS}  # type: ignore[misc]
    like = options.get("like")
    tensors = flags["tensor"]
    if like is not None and any(values for name, values in flags.items() if name != "tensor"):
        raise UsageError("--like takes modalities and options from the model; leave --text, --image … out")
    told = _named(options, {f.name: f.name for f in fields(IntakeOptions)})
    intake = take_in(source, IntakeOptions(**told, learns=like is None), reporter)
    root = options.get("root")
    media = MediaFolder(
        intake.table.root if root is None else root,
        **_named(options, {name: name for name in _OF_MEDIA}),
        members_root=intake.table.root,
    )
    if like is not None:
        transform = like_model(like, media, intake.roles.id)
        limited = options.get("limit") is not None
        given = parse_arrays(tensors)
        without = give_arrays(transform.arrays(), given, intake.table.name, len(intake.rows), limited)
        if without:
            raise UsageError(f"--tensor {without[0]}=none: --like makes every modality of the model")
        return Preparation(intake, transform, media.limited(transform.media.max_bytes, transform.media.fix_paths), True)
    plans = plan_modalities(flags, intake, reporter)
    plan_padding(plans, options.get("lengths", ()), options.get("pad_value", ()), intake.columns)
    preprocessors: dict[str, Preprocessor] = {
        name: make_preprocessor(
            plan.kind, {"columns": plan.columns, **plan.extra, **_named(options, _OPTIONS.get(plan.kind, {}))}
        )
        for name, plan in plans.items()
    }
    for name in _empty_in_train(preprocessors, plans, intake):
        reporter.warn(f"{name}: in no train row, so nothing is learnt of it; it is left out")
        del preprocessors[name]
    if not preprocessors:
        raise MmcliError(f"{intake.table.name}: no train row has any of {', '.join(plans)}: nothing to learn from")
    kinds = {name: plans[name].kind for name in preprocessors}
    transform = PreprocessTransform(kinds, preprocessors, media, intake.roles.id)
    check_rows(transform.arrays(), intake.table.name, len(intake.rows), options.get("limit") is not None)
    return Preparation(intake, transform, media, False)


def _empty_in_train(
    preprocessors: Mapping[str, Preprocessor], plans: Mapping[str, ModalityPlan], intake: Intake
) -> set[str]:
    """Return the modalities that must learn their form from train rows and of which all these have nothing."""
    waiting = {name: part.columns for name, part in preprocessors.items() if plans[name].kind == "tensor"}
    waiting = {name: columns for name, columns in waiting.items() if columns}
    for row in chain.from_iterable(train_rows(intake)) if waiting else ():
        waiting = {
            name: columns
            for name, columns in waiting.items()
            if all(is_empty(row.get(column)) or says_nothing(row.get(column)) for column in columns)
        }
        if not waiting:
            break
    return set(waiting)


def like_model(model: Path, media: MediaFolder, id_column: str) -> PreprocessTransform:
    """Return the preprocess transform of a model, fitted as it was when the model was trained."""
    artifact = Artifact(model)
    records = [record for record in artifact.chain if record.stage == STAGE]
    if len(records) != 1:
        raise UsageError(f"--like {model}: its chain has {len(records)} preprocess stages, expected one")
    transform = PreprocessTransform.load(records[0].config, artifact.states(records[0]), media, id_column)
    for name, (recorded, own) in transform.read_otherwise().items():
        raise MmcliError(
            f"--like {model}: {name!r} was read by version {recorded} of mmcli's {transform.kinds[name]} reader, this "
            f"mmcli has version {own} and may read some values differently; run the model's stages again"
        )
    return transform


def train_rows(intake: Intake) -> Iterator[Sequence[Row]]:
    """Return the train rows, some at a time, each with its number."""
    train = intake.split_of == SPLITS.index("train")
    train[sorted(intake.left_out)] = False
    for start in range(0, len(train), _ROWS):
        places = np.flatnonzero(train[start : start + _ROWS])
        if len(places):
            rows = intake.rows.numbered(start, min(start + _ROWS, len(train)))
            yield rows.take(places) if isinstance(rows, StringRows) else [rows[place] for place in places.tolist()]


def _named(options: PreparationOptions, names: Mapping[str, str]) -> dict[str, Any]:
    """Return those options that were given, under the names that another has for them."""
    return {own: options[name] for name, own in names.items() if name in options}  # type: ignore[literal-required]
