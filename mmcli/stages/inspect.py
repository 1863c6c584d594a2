"""inspect: what an artifact holds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from mmcli.store.artifact import RUN, Artifact


def inspect(path: Path, problems: int = 10) -> dict[str, Any]:
    """Return what an artifact's records say of it, and the first lines of its ledger, empty cells last.

    Raises:
        MmcliError: The folder is not an artifact.
    """
    artifact = Artifact(path)
    run_file = artifact.path / RUN
    run = json.loads(run_file.read_bytes()) if run_file.exists() else {}
    size = sum(file.stat().st_size for file in artifact.path.rglob("*") if file.is_file())
    entries = sorted(artifact.ledger(), key=lambda entry: entry.status == "missing" and entry.path is None)
    return {
        "path": str(path),
        "bytes": size,
        "command": run.get("command"),
        "made": run.get("began"),
        **{key: value for key, value in artifact.header.items() if key != "files"},
        "problems": [dataclasses.asdict(entry) for entry in entries[:problems]],
        "more_problems": max(0, len(entries) - problems),
    }
