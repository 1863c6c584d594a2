"""A report's folder, read for display; also that of a model or a comparison."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.evaluation.headline import headline
from mmcli.store.artifact import Artifact
from mmcli.store.keys import file_digest
from mmcli.store.rows import RowFile

STAGES = ("evaluate", "train", "compare")
_MEDIUM = re.compile(r"media/[A-Za-z0-9._-]+(\.webp|\.mp3|\.wav)")
_TYPES = {".webp": "image/webp", ".mp3": "audio/mpeg", ".wav": "audio/wav"}
_NAME = re.compile(r"[\w.-]+")


class ReportFolder:
    """What is in a folder, read when asked for; what is not there is None.

    Args:
        path: The folder.
        stage: Which command wrote it.
        prefix: Begins the ids of its part of a page.
        given: Values that are not in files, by name.
    """

    def __init__(
        self, path: Path, stage: str = "evaluate", prefix: str = "", given: Mapping[str, Any] | None = None
    ) -> None:  # fmt: skip
        self.path = path
        self.stage = stage
        self.prefix = prefix
        self._given = dict(given or {})
        self.read = cache(self._read)

    def _read(self, name: str) -> Any:
        """Return the content of ``name.json``.

        Raises:
            MmcliError: It is not JSON.
        """
        if name in self._given:
            return self._given[name]
        file = self.path / f"{name}.json"
        if _NAME.fullmatch(name) is None or not file.is_file():
            return None
        try:
            return json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            raise MmcliError(f"{file}: damaged; make the report again") from None

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.path.name

    @cached_property
    def metrics(self) -> Mapping[str, Any]:
        """The content of ``metrics.json``; empty for a model or a comparison."""
        return self.read("metrics") or {}

    @cached_property
    def origin(self) -> Mapping[str, Any]:
        """The content of ``origin.json``; empty where there is none."""
        return self.read("origin") or {}

    @cached_property
    def samples(self) -> Mapping[int, Mapping[str, Any]]:
        """The samples to show, by row."""
        file = self.path / "examples.jsonl"
        return {row["row"]: row for row in RowFile(file)} if file.is_file() else {}

    @property
    def targets(self) -> Sequence[str]:
        """The columns of several targets; "" where there is only one."""
        return list(self.metrics.get("n_by_target", ())) or [""]

    def table(self, name: str, target: str = "") -> Any:
        """Return a table of a task, such as ``confusion``, for one of its targets."""
        full = f"{name}_{target}" if target else name
        return self.read(self.origin.get("files", {}).get(full, full))

    def headline_of(self, target: str = "") -> Mapping[str, float]:
        """Return the main metrics, the first one first; of one target where there are several."""
        values = self.metrics.get("metrics", {})
        if target:
            values = {name: value for name, value in values.items() if name.startswith(f"{target}.")}
        return headline(self.origin.get("headline", ()), values) or dict(list(values.items())[:4])

    def main_metric(self, target: str = "") -> str | None:
        """Return the metric that says most."""
        return next(iter(self.headline_of(target)), None)

    def smaller_is_better(self, metric: str) -> bool:
        """Return whether the best value of a metric is the smallest."""
        return any(fnmatchcase(metric, pattern) for pattern in self.origin.get("smaller_is_better", ()))

    def data_uri(self, name: str) -> str:
        """Return a medium of the folder as a data URI.

        Raises:
            MmcliError: It is not one, or not there.
        """
        found = _MEDIUM.fullmatch(name)
        file = self.path / name
        if found is None or not file.is_file():
            raise MmcliError(f"{self.path}: no medium {name!r}; make the report again")
        return f"data:{_TYPES[found[1]]};base64,{base64.b64encode(file.read_bytes()).decode()}"


def open_report(path: Path, prefix: str = "") -> ReportFolder:
    """Open the folder of a report, a model or a comparison.

    Raises:
        MmcliError: It is none, or a file that a page reads is missing or has changed.
    """
    artifact = Artifact(path)
    if artifact.stage not in STAGES:
        raise MmcliError(
            f"{path}: an artifact of {artifact.stage}, expected a report of evaluate, a model or a comparison"
        )
    for name, digest in artifact.header["files"].items():
        file = path / name
        if file.suffix in (".json", ".jsonl") and not (file.is_file() and file_digest(file) == digest):
            what = "has changed since it was written" if file.is_file() else "is missing"
            raise MmcliError(f"{file}: {what}; make it again with mmcli {artifact.stage} --fresh")
    given: dict[str, Any] = {}
    if artifact.stage == "train":
        from mmcli.reports.facts.origin import origin_of_model

        given["origin"] = origin_of_model(artifact)
    return ReportFolder(path, artifact.stage, prefix, given)
