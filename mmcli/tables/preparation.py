"""Prepares preprocess before its first shard: reads the table, plans modalities and makes their Preprocessors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.chain.transforms.preprocess import PreprocessTransform, make_preprocessor
from mmcli.errors import MmcliError, UsageError
from mmcli.modalities import Preprocessor
from mmcli.modalities.files import MediaFolder
from mmcli.reporting import Reporter
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Row
from mmcli.store.samples import SPLITS
from mmcli.store.string_rows import StringRows
from mmcli.tables.beside_table import check_rows, give_arrays, parse_arrays
from mmcli.tables.config import PreprocessConfig
from mmcli.tables.intake import Intake, take_in
from mmcli.tables.modality_flags import ModalityPlan, plan_modalities, plan_padding
from mmcli.tasks import says_nothing
from mmcli.tasks.targets import is_empty

STAGE = "preprocess"
_ROWS = 1024


@dataclass(frozen=True)
class Preparation:
    """A table that has been read, and the transform for it.

    Args:
        intake: The rows, checked and split.
        transform: Makes the modalities.
        media: Reads the files named in cells.
        fitted: Whether the transform came from a model with its fitted state; otherwise it is yet to be fitted.
    """

    intake: Intake
    transform: PreprocessTransform
    media: MediaFolder
    fitted: bool


def prepare(source: str, config: PreprocessConfig, reporter: Reporter) -> Preparation:
    """Read a table and make the transform for it.

    Raises:
        MmcliError: The table or an option is invalid.
    """
    columns, files, like = config.columns, config.files, config.like
    flags: dict[str, Sequence[str]] = {
        "text": columns.text, "image": columns.image, "audio": columns.audio, "video": columns.video,
        "numeric": columns.numeric, "categorical": columns.categorical, "tensor": columns.tensor,
    }  # fmt: skip
    if like is not None and any(values for name, values in flags.items() if name != "tensor"):
        raise UsageError("--like takes modalities and options from the model; leave out --text, --image …")
    intake = take_in(source, config.intake, reporter, learns=like is None)
    limited = config.intake.limit is not None
    media = MediaFolder(
        intake.table.root if files.root is None else files.root, confine=files.confine, max_bytes=files.max_bytes,
        fix_paths=files.fix_paths, members_root=intake.table.root,
    )  # fmt: skip
    if like is not None:
        transform = like_model(like, media, intake.roles.id)
        given = parse_arrays(columns.tensor)
        without = give_arrays(transform.arrays(), given, intake.table.name, len(intake.rows), limited)
        if without:
            raise UsageError(f"--tensor {without[0]}=none: --like makes every modality of the model")
        return Preparation(intake, transform, media.limited(transform.media.max_bytes, transform.media.fix_paths), True)
    plans = plan_modalities(flags, intake, reporter)
    plan_padding(plans, columns.lengths, columns.pad_value, intake.columns)
    preprocessors: dict[str, Preprocessor] = {
        name: make_preprocessor(plan.kind, {"columns": plan.columns, **plan.extra, **_of_kind(plan.kind, config)})
        for name, plan in plans.items()
    }
    for name in _empty_in_train(preprocessors, plans, intake):
        reporter.warn(f"{name}: empty in every train row, so nothing can be learnt from it; it is left out")
        del preprocessors[name]
    if not preprocessors:
        raise MmcliError(f"{intake.table.name}: every train row lacks {', '.join(plans)}; there is nothing to learn")
    kinds = {name: plans[name].kind for name in preprocessors}
    transform = PreprocessTransform(kinds, preprocessors, media, intake.roles.id)
    check_rows(transform.arrays(), intake.table.name, len(intake.rows), limited)
    return Preparation(intake, transform, media, False)


def _of_kind(kind: str, config: PreprocessConfig) -> dict[str, Any]:
    """Return the options for the Preprocessor of a kind, under its names for them."""
    pictures = asdict(config.pictures)
    pictures["size"] = pictures.pop("image_size")
    found: dict[str, dict[str, Any]] = {
        "text": asdict(config.words),
        "image": pictures,
        "audio": asdict(config.sounds),
        "video": {**pictures, **asdict(config.frames)},
        "tensor": {"max_bytes": config.files.max_bytes},
    }
    return found.get(kind, {})


def _empty_in_train(
    preprocessors: Mapping[str, Preprocessor], plans: Mapping[str, ModalityPlan], intake: Intake
) -> set[str]:
    """Return the modalities that must learn their shape from train rows but are empty in all of them."""
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
    """Return the preprocess transform of a model with its fitted state."""
    artifact = Artifact(model)
    records = [record for record in artifact.chain if record.stage == STAGE]
    if len(records) != 1:
        raise UsageError(f"--like {model}: its chain has {len(records)} preprocess stages, expected one")
    transform = PreprocessTransform.load(records[0].config, artifact.states(records[0]), media, id_column)
    for name, (recorded, own) in transform.read_otherwise().items():
        raise MmcliError(
            f"--like {model}: {name!r} was read by version {recorded} of mmcli's {transform.kinds[name]} reader; this "
            f"mmcli has version {own} and may read some values differently; run the model's stages again"
        )
    return transform


def train_rows(intake: Intake) -> Iterator[Sequence[Row]]:
    """Yield the train rows in batches, each row with its number."""
    train = intake.split_of == SPLITS.index("train")
    train[sorted(intake.left_out)] = False
    for start in range(0, len(train), _ROWS):
        places = np.flatnonzero(train[start : start + _ROWS])
        if len(places):
            rows = intake.rows.numbered(start, min(start + _ROWS, len(train)))
            yield rows.take(places) if isinstance(rows, StringRows) else [rows[place] for place in places.tolist()]
