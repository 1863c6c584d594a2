"""The stored results of each run of a comparison, so that no run is repeated."""

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
    """The result of a method with one seed.

    Args:
        metrics: Metrics on the val rows, by name.
        epochs: Number of epochs trained.
        best_epoch: The epoch whose weights were measured; None if there are no epochs.
        parameters: Number of parameters of the network.
        batch_size: Rows per batch.
    """

    metrics: dict[str, float]
    epochs: int
    best_epoch: int | None
    parameters: int
    batch_size: int


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        key: The hash of everything it depends on.
        record: Its entry in ``comparison.json``.
        probabilities: The predictions for the val rows, (V, K).
        seconds: How long it took.
    """

    key: str
    record: RunRecord
    probabilities: Array
    seconds: float


class RunRecords:
    """The runs of an unfinished comparison, and those that earlier commands did for the same output.

    A run's duration is in a separate file until the comparison is published, and then in ``run.json``, since all other
    files must be reproducible.
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
        """Return an earlier run and add it to this comparison; None if there is none."""
        for folder in self.earlier:
            try:
                state = State.read(folder / key)
                digest = state.values.pop("digest")
                if digest != state.digest():
                    continue
                seconds = self._read_seconds(folder, key)
                run = Run(key, RunRecord(**state.values), state.tensors["probabilities"], seconds)
            except (MmcliError, OSError, ValueError, KeyError, TypeError):
                continue  # missing, or truncated by a kill: done again
            self.keep(run)
            return run
        return None

    def keep(self, run: Run) -> None:
        """Write a run atomically."""
        state = State(asdict(run.record), {"probabilities": run.probabilities})
        stem = self.folder / f"{run.key}.writing"
        State({**state.values, "digest": state.digest()}, state.tensors).write(stem)
        (self.folder / f"{run.key}.seconds").write_text(json.dumps(run.seconds))
        for suffix in (".safetensors", ".json"):  # the values last: their file completes the run
            os.replace(f"{stem}{suffix}", self.folder / f"{run.key}{suffix}")
        self.count += 1

    def finish(self) -> None:
        """Remove files that are not part of the published comparison."""
        for file in self.folder.glob("*.seconds"):
            file.unlink()

    def _read_seconds(self, folder: Path, key: str) -> float:
        file = folder / f"{key}.seconds"
        return float(json.loads(file.read_text())) if file.exists() else self._seconds[key]


def read_seconds(comparison: Path) -> dict[str, float]:
    """Return the duration in seconds of each run of a published comparison, by key."""
    try:
        found: dict[str, float] = json.loads((comparison / RUN).read_bytes())["runs"]
    except (OSError, ValueError, KeyError):
        return {}
    return found


def each_run(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the method and key of each run in ``comparison.json``."""
    for method in found["methods"]:
        for run in method["runs"]:
            yield method["method"], run["run"]
