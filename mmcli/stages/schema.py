"""schema: a JSON Schema of pipeline files, for completion and checks in editors."""

from __future__ import annotations

from typing import Any

from mmcli.context import RunContext, takes
from mmcli.options import schema_of
from mmcli.stages.catalogue import CATALOGUE, StageSpec
from mmcli.stages.config import SchemaConfig
from mmcli.stages.pipeline import FOR_ALL, MODELS

_DRAFT = "http://json-schema.org/draft-07/schema#"  # the latest that editors support for YAML
_OF_THE_RUN = ("jobs", "fresh")


@takes(SchemaConfig)
def schema(config: SchemaConfig, context: RunContext) -> dict[str, Any]:
    """Return the JSON Schema of a pipeline file."""
    del config, context
    stages = [spec for spec in CATALOGUE.values() if spec.writes is not None]
    for_all = {name: _of_stages(stages, name) for name in FOR_ALL}
    return {
        "$schema": _DRAFT,
        "title": "mmcli pipeline",
        "type": "object",
        "additionalProperties": False,
        "required": ["source", "stages"],
        "properties": {
            "source": {"type": "string", "description": "Table or folder that the first stage reads."},
            "output": {"type": "string", "description": "Folder for all artifacts.", "default": "work"},
            **for_all,
            "stages": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "oneOf": [{"enum": [spec.name for spec in stages]}, *(_one_stage(spec) for spec in stages)],
                },
            },
        },
    }


def _one_stage(spec: StageSpec) -> dict[str, Any]:
    options = _options(spec)
    places: dict[str, Any] = {
        "output": {"type": "string", "description": "Name of its output.", "default": spec.writes},
        "source": {"type": "string", "description": "Input to read instead of an earlier stage's output."},
    }
    if spec.takes_models:
        places[MODELS] = {
            "type": "array", "items": {"type": "string"},
            "description": "Models to measure on the same rows: outputs of train stages, or folders.",
        }  # fmt: skip
    inner = {**options, "description": spec.summary, "properties": {**places, **options["properties"]}}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [spec.name],
        "properties": {spec.name: {"anyOf": [inner, {"type": "null"}]}},
    }


def _options(spec: StageSpec) -> dict[str, Any]:
    found = schema_of(spec.config)
    of_machine: dict[str, Any] = schema_of(RunContext)["properties"]
    taken = {name: of_machine[name] for name in spec.context if name not in _OF_THE_RUN}
    return {**found, "properties": {**found["properties"], **taken}}


def _of_stages(stages: list[StageSpec], name: str) -> dict[str, Any]:
    """Return the schema of an option that is set once for all stages that take it."""
    return next(found[name] for spec in stages if name in (found := _options(spec)["properties"]))
