"""What is kept of each run of a comparison, so that none is done twice."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.store.artifact import RUN, is_artifact
from mmcli.store.columns import Array
from mmcli.store.state import State
from mmcli.store.writer import ArtifactWriter

RUNS = "runs"


@dataclass(frozen=True)
class RunRecord:
    """How a method did with one seed.

    Args:
        metrics: On the val rows, by name.
        epochs: Done.
        best_epoch: Whose weights were measured; None where there are none.
        parameters: Numbers in the network.
        batch_size: Rows in a batch.
    """

    metrics: dict[str, float]
    epochs: int
    best_epoch: int | None
    parameters: int
    batch_size: int


@dataclass(frozen=True)
class Run:
    """A run that is done.

    Args:
        key: The hash of everything it depends on.
        record: What ``comparison.json`` says of it.
        probabilities: Of the val rows, (V, K).
        seconds: That it took.
    """

    key: str
    record: RunRecord
    probabilities: Array
    seconds: float


class RunRecords:
    """The runs of a comparison in the making, and those that earlier commands did for the same output.

    A run's seconds lie in a file of their own until the comparison is published, and then in ``run.json``: all else
    is the same each time.
    """

    def __init__(self, writer: ArtifactWriter) -> None:
        self.count = 0
        self.folder = writer.folder / RUNS
        self.earlier = [writer.resumed / RUNS]
        self._seconds: dict[str, float] = {}
        if not writer.fresh and is_artifact(writer.output):
            self.earlier.append(writer.output / RUNS)
            self._seconds = read_seconds(writer.output)

    def find(self, key: str) -> Run | None:
        """Return a run that was done before; from now on it is one of this comparison."""
        for folder in self.earlier:
            try:
                state = State.read(folder / key)
                digest = state.values.pop("digest")
                if digest != state.digest():
                    continue
                seconds = self._read_seconds(folder, key)
                run = Run(key, RunRecord(**state.values), state.tensors["probabilities"], seconds)
            except (MmcliError, OSError, ValueError, KeyError, TypeError):
                continue  # not there, or cut off by a kill: it is done again
            self.keep(run)
            return run
        return None

    def keep(self, run: Run) -> None:
        """Write a run; it is there whole or not at all."""
        state = State(asdict(run.record), {"probabilities": run.probabilities})
        stem = self.folder / f"{run.key}.writing"
        State({**state.values, "digest": state.digest()}, state.tensors).write(stem)
        (self.folder / f"{run.key}.seconds").write_text(json.dumps(run.seconds))
        for suffix in (".safetensors", ".json"):  # the one with the values last: it makes the run one
            os.replace(f"{stem}{suffix}", self.folder / f"{run.key}{suffix}")
        self.count += 1

    def finish(self) -> None:
        """Remove what is no part of the published comparison."""
        for file in self.folder.glob("*.seconds"):
            file.unlink()

    def _read_seconds(self, folder: Path, key: str) -> float:
        file = folder / f"{key}.seconds"
        return float(json.loads(file.read_text())) if file.exists() else self._seconds[key]


def read_seconds(comparison: Path) -> dict[str, float]:
    """Return the seconds that each run of a published comparison took, by its key."""
    try:
        found: dict[str, float] = json.loads((comparison / RUN).read_bytes())["runs"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def each_run(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the method and key of each run that ``comparison.json`` tells of."""
    for method in found["methods"]:
        for run in method["runs"]:
            yield method["method"], run["run"]
