"""Writes a folder of explained predictions: lines to process, and pictures to look at."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmcli.chain.driver import run_record
from mmcli.errors import UsageError
from mmcli.explanation.rows import InputExplanation, RowExplanation
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import SUFFIXES
from mmcli.reports.heat_maps import draw_frames, draw_picture, draw_sound
from mmcli.runtime import Runtime
from mmcli.store.columns import Row
from mmcli.store.rows import dump_row
from mmcli.store.writer import ArtifactWriter, check_output

STAGE = "predict"
SHOWN = 3
"""Rows whose explanations are kept to be shown."""
_FULL = 0.05  # of what all inputs give: an effect that is drawn in full colour
_PICTURES = "pictures"
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Explained:
    """Explained predictions in a folder; ``first`` are the explanations of the first rows."""

    rows: int
    output: str
    first: list[Row] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"rows": self.rows, "output": self.output}


def write_explanations(
    output: Path,
    model: TrainedModel,
    groups: Iterable[list[tuple[Row, RowExplanation]]],
    seed: int,
    runtime: Runtime,
) -> Explained:
    """Write ``predictions.jsonl``, ``explanations.jsonl`` and a picture of each explained image, sound and clip.

    Args:
        output: The folder.
        model: The model.
        groups: The predictions and their explanations.
        seed: For the record.
        runtime: For the record.

    Raises:
        UsageError: ``output`` has the suffix of a file of predictions.
        MmcliError: The folder exists and holds something else.
    """
    began, count = time.time(), 0
    first: list[Row] = []
    with ArtifactWriter(output, STAGE) as writer:
        (writer.folder / _PICTURES).mkdir()
        with (
            (writer.folder / "predictions.jsonl").open("wb") as predictions,
            (writer.folder / "explanations.jsonl").open("wb") as explanations,
        ):
            for answer, explained in (pair for group in groups for pair in group):
                row = explained.to_json()
                for name, own in explained.inputs.items():
                    place = f"{_PICTURES}/{count:04d}-{_plain(explained.identity)}-{_plain(name)}.png"
                    if _draw(writer.folder / place, name, explained, own):
                        row["inputs"][name]["picture"] = place
                predictions.write(dump_row(answer))
                explanations.write(dump_row(row))
                count += 1
                first += [row] if len(first) < SHOWN else []
        header = {
            "stage": STAGE, "rows": 0, "rows_per_shard": 1, "columns": model.artifact.roles.to_json(),
            "source": model.artifact.digest, "seed": seed, "parameters": {"explain": "inputs"},
            "chain": [record.to_json() for record in model.artifact.chain], "modalities": {}, "counts": {},
        }  # fmt: skip
        writer.publish(header, run_record(began, runtime))
    return Explained(count, str(output), first)


def check_folder(output: Path) -> None:
    """Check that explanations can be written to a folder.

    Raises:
        UsageError: It has the suffix of a file of predictions.
        MmcliError: It exists and holds something else.
    """
    if output.suffix.lower() in SUFFIXES:
        raise UsageError(f"-o {output}: --explain inputs writes a folder; name one, such as {output.with_suffix('')}")
    check_output(Path(os.path.abspath(output)), STAGE)


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name)[:_LONGEST_NAME]


def _draw(path: Path, name: str, row: RowExplanation, own: InputExplanation) -> bool:
    """Draw an explained input if it can be looked at; return whether it can."""
    title = f"{row.identity}, {name}: {row.target} {row.score:.4g}, more by red parts, less by blue ones ({own.method})"
    main, least = own.item[""], _FULL * abs(row.score - row.without)
    if own.spec.kind == "image":
        draw_picture(path, title, main, own.parts, own.heat, least)
    elif own.spec.kind == "audio":
        draw_sound(path, title, main, own.spec.facts["sample_rate"], own.parts, least)
    elif own.spec.kind == "video":
        draw_frames(path, title, main, own.parts, own.heat, least)
    else:
        return False
    return True
