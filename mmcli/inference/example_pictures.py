"""Chooses example rows for a report and makes thumbnails of their images."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.chain.transforms.preprocess import make_preprocessor
from mmcli.errors import MmcliError
from mmcli.evaluation.examples import Example
from mmcli.inference.model import TrainedModel
from mmcli.modalities.files import MediaFolder
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.columns import Array, Row

COUNT = 10
_SIDE = 160
Pictures = Callable[[Row], dict[str, str]]


def choose_examples(
    tell: Callable[[Row, Any], tuple[str | None, list[str]]],
    answers: Sequence[Row],
    targets: Mapping[int, Any],
    rows: Sequence[Row],
    pictures: Pictures,
) -> list[Example]:
    """Return ten samples, or all if there are fewer, evenly spaced from first to last.

    Args:
        tell: The task's ``example``.
        answers: The prediction of each row.
        targets: The targets by row number, of the rows that represent samples.
        rows: The rows in input order.
        pictures: Returns the pictures of a row.
    """
    samples = list(targets)
    chosen = dict.fromkeys(np.linspace(0, len(samples) - 1, min(COUNT, len(samples))).round().astype(int).tolist())
    return [
        Example(str(answers[row]["id"]), *tell(answers[row], targets[row]), pictures=pictures(rows[row]))
        for row in (samples[place] for place in chosen)
    ]


def picture_reader(model: TrainedModel, source: str, root: str | None) -> Pictures:
    """Return a function that reads the pictures of a raw row, by modality, as data URIs; unreadable ones are left out.

    Args:
        model: Defines which columns are images, and how they are prepared.
        source: The table or artifact of the rows, or ``-``.
        root: The folder to which paths are relative; None means that of the source.
    """
    config: Mapping[str, Any] = next((part.config for part in model.artifact.chain if part.stage == "preprocess"), {})
    readers = {
        name: make_preprocessor(part["kind"], part["config"])
        for name, part in config.get("modalities", {}).items()
        if part["kind"] == "image"
    }
    media = MediaFolder(_root(source) if root is None else root)
    media = media.limited(config.get("max_bytes", media.max_bytes), config.get("fix_paths", False))

    def read(row: Row) -> dict[str, str]:
        found = {}
        for name, reader in readers.items():
            try:
                content = reader.content(row, media)
                if content is not None:
                    (pixels,) = reader.decode(content).values()
                    found[name] = _thumbnail(pixels)
            except MmcliError:
                continue  # the ledger has the reason
        return found

    return read


def _root(source: str) -> str:
    if source == "-":
        return "."
    return str(Artifact(Path(source)).header["media_root"]) if is_artifact(Path(source)) else os.path.dirname(source)


def _thumbnail(pixels: Array) -> str:
    """Return a JPEG of an image, (3, H, W) uint8, as a data URI."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    image.thumbnail((_SIDE, _SIDE))
    written = BytesIO()
    image.save(written, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
