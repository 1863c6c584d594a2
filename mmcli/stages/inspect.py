"""inspect: shows what an artifact contains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmcli.context import RunContext, takes
from mmcli.errors import MmcliError
from mmcli.stages.config import InspectConfig
from mmcli.store.artifact import RUN, Artifact
from mmcli.store.checks import TEXT, Record, check

_RUN = Record({}, {"command": TEXT, "began": TEXT}, open=True)


@takes(InspectConfig)
def inspect(path: Path, config: InspectConfig, context: RunContext) -> dict[str, Any]:
    """Return an artifact's records and the first entries of its ledger, empty cells last.

    Raises:
        MmcliError: The folder is not an artifact.
    """
    del context
    artifact, problems = Artifact(path), config.problems
    run_file = artifact.path / RUN
    run = _read_run(run_file) if run_file.exists() else {}
    size = sum(file.stat().st_size for file in artifact.path.rglob("*") if file.is_file())
    entries = sorted(artifact.ledger(), key=lambda entry: entry.status == "missing" and entry.path is None)
    return {
        "path": str(path),
        "bytes": size,
        "command": run.get("command"),
        "made": run.get("began"),
        "counts": {},
        **{key: value for key, value in artifact.header.items() if key != "files"},
        "problems": [entry.to_json() for entry in entries[:problems]],
        "more_problems": max(0, len(entries) - problems),
    }


def _read_run(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise MmcliError(f"{file}: cannot be read ({error}); make the artifact again") from None
    check(found, _RUN, str(file))
    return dict(found)
