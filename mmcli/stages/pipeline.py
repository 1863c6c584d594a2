"""run: runs the stages of a YAML file in order, by the same functions as the commands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmcli.context import CanFail, RunContext, made_context, takes
from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.options import YAML_BOOLEANS, Option, make, options_of
from mmcli.reporting import Reporter
from mmcli.stages.catalogue import CATALOGUE, TABLE, StageSpec
from mmcli.stages.config import RunConfig
from mmcli.store.artifact import is_artifact
from mmcli.yaml_file import YamlFile, read_yaml

FOR_ALL = ("seed", "device", "precision", "deterministic")
"""Options that may be set once for all stages that take them."""
MODELS = "models"
"""The models of a stage that takes several; without it, a stage takes the model trained before it."""
KEYS = ("source", "output", "stages", *FOR_ALL)


@dataclass(frozen=True)
class Step:
    """One stage of a pipeline file, its options checked.

    Args:
        spec: The stage.
        output: Where it writes.
        source: What it reads, if the file says so.
        models: The models it takes, if the file names them.
        config: Its options.
        context: The context options set in the file.
    """

    spec: StageSpec
    output: Path
    source: str | None
    models: Sequence[Path]
    config: Any
    context: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """A finished stage of a pipeline and its result."""

    spec: StageSpec
    config: Any
    result: Any


@takes(RunConfig)
def run(pipeline: Path, output: Path | None, config: RunConfig, context: RunContext) -> Iterator[Done]:
    """Run the stages of a pipeline file and yield the result of each when it is done.

    The file is checked before the first stage runs. Sources in it are relative to the file. Outputs are relative to
    the folder ``output``, by default the file's own ``output``, which is relative to the working directory.

    Raises:
        MmcliError: The file is invalid, or a stage failed.
    """
    del config
    source, steps = read_pipeline(pipeline, output)
    made = {TABLE: source}
    told = _Once(context.reporter)
    for step in steps:
        told.note(f"── {step.spec.name} → {step.output}")
        places = [_taken(step, argument.name, made, pipeline) for argument in step.spec.arguments]
        given = replace(made_context(step.context), jobs=context.jobs, fresh=context.fresh, reporter=told)
        result = step.spec.load()(*places, step.output, step.config, given)
        made[step.spec.name] = str(step.output)
        yield Done(step.spec, step.config, result)
        if isinstance(result, CanFail) and result.failure is not None:
            raise result.failure


def _taken(step: Step, argument: str, made: Mapping[str, str], path: Path) -> Any:
    """Return the input of a stage: the model trained before it, or the output of the stage it reads from."""
    if argument == "model":
        if step.models:
            return step.models[0]
        if "train" not in made:
            raise MmcliError(f"{path}: {step.spec.name} needs a train stage before it")
        return Path(made["train"])
    source = step.source or next((made[stage] for stage in step.spec.reads if stage in made), made[TABLE])
    return [*map(str, step.models[1:]), source] if step.models else source


class _Once:
    """A Reporter that passes on each warning only once."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._warned: set[str] = set()
        self.note = reporter.note
        self.progress = reporter.progress

    def warn(self, text: str) -> None:
        """Pass on a warning if it is new."""
        if text not in self._warned:
            self._warned.add(text)
            self._reporter.warn(text)


def read_pipeline(path: Path, output: Path | None = None) -> tuple[str, list[Step]]:
    """Return the source of a pipeline file and its stages, with checked options.

    Raises:
        MmcliError: The file is invalid.
    """
    file = read_yaml(path)
    content = file.content
    for key in content:
        if key not in KEYS:
            raise unknown_name(f"name in {file.where(key)}", str(key), KEYS)
    if not isinstance(content.get("stages"), list) or not content["stages"] or "source" not in content:
        raise MmcliError(f"{path}: expected `source:` and a list of `stages:`")
    folder = output or Path(str(content.get("output", "work")))
    steps: list[Step] = []
    for number in range(len(content["stages"])):
        steps.append(_read_step(file, number, folder, steps))
    return _beside(path, str(content["source"])), steps


def _read_step(file: YamlFile, number: int, folder: Path, before: Sequence[Step]) -> Step:
    entry, here = file.content["stages"][number], ("stages", number)
    stage, values = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, None)
    known = [name for name, spec in CATALOGUE.items() if spec.writes is not None]
    if not isinstance(stage, str) or stage not in known:
        raise unknown_name(f"stage in {file.where(*here)}", str(stage), known)
    where = f"{file.where(*here)}, {stage}"
    if not isinstance(values, dict | None):
        raise MmcliError(f"{where}: expected options with values, found {values!r}")
    spec, values = CATALOGUE[stage], dict(values or {})
    place, source = folder / str(values.pop("output", spec.writes)), values.pop("source", None)
    models = _models(file, number, values.pop(MODELS, []), folder, before) if spec.takes_models else []
    accepted = _accepted(spec)
    found = {
        key: accepted[key].read(f"{file.where(key)}: {key}", file.content[key])
        for key in FOR_ALL
        if key in accepted and key in file.content
    }
    for key, value in values.items():
        if isinstance(key, bool):
            raise UsageError(f"{where}: {str(key).lower()!r} is not an option; {YAML_BOOLEANS}")
        name = next((name for name, option in accepted.items() if str(key).replace("_", "-") == option.dashed), None)
        at = file.where(*here, stage, str(key))
        if name is None:
            raise unknown_name(f"option of {stage} in {at}", str(key), [option.dashed for option in accepted.values()])
        found[name] = accepted[name].read(f"{at}, {stage}: {key}", value)
    own = options_of(spec.config)
    config = make(spec.config, {name: value for name, value in found.items() if name in own})
    context = {name: value for name, value in found.items() if name not in own}
    beside = None if source is None else _beside(file.path, str(source))
    return Step(spec, place, beside, models, config, context)


def _models(file: YamlFile, number: int, names: Any, folder: Path, before: Sequence[Step]) -> list[Path]:
    """Return the models of these names: outputs of earlier train stages, or folders relative to the file."""
    where = file.where("stages", number)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise MmcliError(f"{where}, {MODELS}: expected a list of names, found {names!r}")
    trained = {step.output.relative_to(folder).as_posix(): step.output for step in before if step.spec.name == "train"}
    found = []
    for name in names:
        beside = Path(_beside(file.path, name))
        if name not in trained and not is_artifact(beside):
            raise unknown_name(f"model in {where}:", name, trained)
        found.append(trained.get(name, beside))
    return found


def _accepted(spec: StageSpec) -> dict[str, Option]:
    """Return the options of a stage in a pipeline; jobs and fresh are options of run."""
    context = options_of(RunContext)
    of_machine = {name: context[name] for name in spec.context if name not in ("jobs", "fresh")}
    return {**options_of(spec.config), **of_machine}


def _beside(path: Path, source: str) -> str:
    return source if source == "-" or "://" in source else os.path.normpath(os.path.join(os.path.dirname(path), source))
