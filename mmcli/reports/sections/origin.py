"""Where the report comes from: the data, the model's chain, and the commands that made them."""

from __future__ import annotations

from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section


def build(report: ReportFolder) -> Content | None:
    """Return the records of the model and its chain."""
    found = report.origin
    if not found:
        return None
    steps = [{**step, "options": _options(step["config"])} for step in found["chain"]]
    return Content({"found": found, "steps": steps})


def _options(config: object, before: str = "") -> list[tuple[str, str]]:
    """Return the options of a stage by name, nested ones with points between."""
    if isinstance(config, dict):
        return [
            pair for key, value in config.items() for pair in _options(value, f"{before}.{key}" if before else str(key))
        ]
    if config in (None, [], {}, ""):
        return []
    return [(before, ", ".join(map(str, config)) if isinstance(config, list) else str(config))]


SECTION = Section("origin", "Data, model and commands", build)
