"""run: the stages that a YAML file names, in order, by the same functions as the commands."""

from __future__ import annotations

import inspect
import os
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.registry import coerce
from mmcli.reporting import Reporter

_OUTPUTS = {
    "preprocess": "samples",
    "extract-features": "features",
    "fuse": "fused",
    "train": "model",
    "evaluate": "report",
    "predict": "predictions.jsonl",
}
_FOR_ALL = ("seed", "device", "precision", "deterministic")
_LARGEST_FILE = 2**20
_MOST_NODES = 10_000
_LONGEST_REASON = 300
YAML_BOOLEANS = "YAML reads yes, no, on and off as true or false: put the word in quotes"
_GIVEN = ("reporter", "jobs", "fresh")


@dataclass(frozen=True)
class _Step:
    """One stage of a pipeline file, its options checked."""

    stage: str
    function: Callable[..., Any]
    output: Path
    source: str | None
    options: dict[str, Any]


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        MmcliError: It is not there or holds something else.
    """
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise MmcliError(f"{path}: larger than {_LARGEST_FILE} bytes; this is no file of options")
        loader = yaml.SafeLoader(text.decode())
        node = loader.get_single_node()
        if _expanded(node) > _MOST_NODES:
            raise MmcliError(f"{path}: more than {_MOST_NODES} values, its aliases written out")
        content = None if node is None else loader.construct_document(node)
    except OSError as error:
        raise MmcliError(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise MmcliError(f"{path}: not YAML (too deep)") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        # A value that is none of its tag's type, such as the date 2001-13-45, fails in any of these ways.
        shown = " ".join(str(error).split())
        raise MmcliError(f"{path}: not YAML ({shown[:_LONGEST_REASON]})") from None
    if not isinstance(content, dict):
        raise MmcliError(f"{path}: expected names with values, found {type(content).__name__}")
    for name in content:
        if isinstance(name, bool):
            raise MmcliError(f"{path}: {str(name).lower()!r} is no name; {YAML_BOOLEANS}")
        if not isinstance(name, str):
            raise MmcliError(f"{path}: {str(name)[:60]!r} is no name, expected words; put it in quotes if it is meant")
    return content


def _expanded(root: Any) -> int:
    """Return how many values YAML's nodes stand for, each alias counted as often as it stands; or more than the limit.

    An alias of an alias of an alias can stand for billions of values, or for itself.
    """
    count, waiting = 0, [root]
    while waiting and count <= _MOST_NODES:
        value = getattr(waiting.pop(), "value", None)
        count += 1
        for part in value if isinstance(value, list) else ():
            waiting.extend(part if isinstance(part, tuple) else (part,))
    return count


def run_pipeline(
    path: Path, output: Path | None = None, *, jobs: int | None, fresh: bool, reporter: Reporter
) -> Iterator[Any]:
    """Run a pipeline file's stages and return what each returned, as each is done.

    The whole file is checked before the first stage runs. A source in it is relative to the file, outputs to the
    folder ``output``, by default the file's own ``output``, relative to where one stands.

    Raises:
        MmcliError: The file is not as it must be, or a stage failed.
    """
    source, steps = read_pipeline(path, output)
    made = {"source": source}
    for step in steps:
        reporter.note(f"── {step.stage} → {step.output}")
        yield _run_step(step, made, path, {"jobs": jobs, "fresh": fresh, "reporter": reporter})


def read_pipeline(path: Path, output: Path | None = None) -> tuple[str, list[_Step]]:
    """Return the source that a pipeline file names, and its stages with their options checked.

    Raises:
        MmcliError: The file is not as it must be.
    """
    content = read_yaml(path)
    for key in content:
        if key not in ("source", "output", "stages", *_FOR_ALL):
            raise unknown_name(f"name in {path}", str(key), ["source", "output", "stages", *_FOR_ALL])
    if not isinstance(content.get("stages"), list) or not content["stages"] or "source" not in content:
        raise MmcliError(f"{path}: expected `source:` and a list of `stages:`")
    folder = output or Path(str(content.get("output", "work")))
    for_all = {key: content[key] for key in _FOR_ALL if key in content}
    steps = [_read_step(path, entry, folder, for_all) for entry in content["stages"]]
    return _beside(path, str(content["source"])), steps


def _read_step(path: Path, entry: Any, folder: Path, for_all: Mapping[str, Any]) -> _Step:
    stage, values = next(iter(entry.items())) if isinstance(entry, dict) and len(entry) == 1 else (entry, None)
    if not isinstance(stage, str) or stage not in _OUTPUTS:
        raise unknown_name(f"stage in {path}", str(stage), _OUTPUTS)
    if not isinstance(values, dict | None):
        raise MmcliError(f"{path}, {stage}: expected options with values, found {values!r}")
    function = getattr(import_module(f"mmcli.stages.{stage.replace('-', '_')}"), stage.replace("-", "_"))
    accepted = _options_of(function)
    values = dict(values or {})
    place = folder / str(values.pop("output", _OUTPUTS[stage]))
    source = values.pop("source", None)
    options = {
        key: _typed(f"{path}, {stage}: {key}", value, accepted[key])
        for key, value in for_all.items()
        if key in accepted
    }
    for key, value in values.items():
        if isinstance(key, bool):
            raise UsageError(f"{path}, {stage}: {str(key).lower()!r} is no option; {YAML_BOOLEANS}")
        name = str(key).replace("-", "_")
        if name not in accepted:
            raise unknown_name(
                f"option of {stage} in {path}", str(key), [known.replace("_", "-") for known in accepted]
            )
        options[name] = _typed(f"{path}, {stage}: {key}", value, accepted[name])
    return _Step(stage, function, place, None if source is None else _beside(path, str(source)), options)


def _options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the keyword options of a stage with their types, those of a TypedDict it unpacks among them."""
    hints = typing.get_type_hints(function)
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            found |= typing.get_type_hints(typing.get_args(hints[name])[0])
        elif parameter.kind is parameter.KEYWORD_ONLY and name not in _GIVEN:
            found[name] = hints[name]
    return found


def _beside(path: Path, source: str) -> str:
    return source if source == "-" or "://" in source else os.path.normpath(os.path.join(os.path.dirname(path), source))


def _typed(where: str, value: Any, hint: Any) -> Any:
    """Take a YAML value for an option as the command takes its text."""
    check_words(where, value, hint)
    choices = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    if any(typing.get_origin(choice) is Sequence for choice in choices) and not isinstance(value, dict | None):
        return [str(item) for item in (value if isinstance(value, list) else [value])]
    if isinstance(value, dict) or value is None:
        raise UsageError(f"{where}: expected a value, found {value!r}")
    return coerce(where, ",".join(map(str, value)) if isinstance(value, list) else str(value), hint)


def check_words(where: str, value: Any, hint: Any) -> None:
    """Refuse true and false where an option takes words: YAML makes them of words such as no and on.

    Raises:
        UsageError: There is one.
    """
    choices = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    told = [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, bool)]
    if told and bool not in choices:
        raise UsageError(f"{where}: found {str(told[0]).lower()}, expected a word; {YAML_BOOLEANS}")


def _run_step(step: _Step, made: dict[str, str], path: Path, given: Mapping[str, Any]) -> Any:
    accepted = inspect.signature(step.function).parameters
    options = {**step.options, **{key: value for key, value in given.items() if key in accepted}}
    latest = next(
        (made[stage] for stage in ("fuse", "extract-features", "preprocess") if stage in made), made["source"]
    )
    if step.stage in ("evaluate", "predict"):
        if "train" not in made:
            raise MmcliError(f"{path}: {step.stage} needs a train stage before it")
        if step.stage == "predict":
            from mmcli.inference.prediction_file import write_predictions

            groups = step.function(Path(made["train"]), step.source or latest, **options)
            return {"predictions": write_predictions(step.output, groups), "output": str(step.output)}
        return step.function(Path(made["train"]), step.source or latest, step.output, **options)
    source = step.source or (made["source"] if step.stage == "preprocess" else latest)
    result = step.function([source] if step.stage == "fuse" else source, step.output, **options)
    made[step.stage] = str(step.output)
    return result
