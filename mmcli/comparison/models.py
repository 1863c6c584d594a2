"""Compares models that exist: whether they differ by more than chance on the same rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcli.errors import MmcliError, UsageError
from mmcli.evaluation.intervals import intervals
from mmcli.evaluation.paired import holm, mcnemar, p_value_of_draws, paired_p_values
from mmcli.inference.figures import main_metric
from mmcli.inference.measuring import Measuring
from mmcli.inference.model import STAGE, TrainedModel, load_task
from mmcli.registry import TASKS
from mmcli.store.artifact import Artifact, is_artifact
from mmcli.store.columns import Array
from mmcli.tasks import mode_of
from mmcli.tasks.abilities import HasOutcomes, encodes_classes, parts_of
from mmcli.tasks.targets import target_role

if TYPE_CHECKING:
    from mmcli.tasks import Task

_SHOWN = 5  # names in a message


def split_models(model: Path, sources: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Return the models, those at the head of ``sources`` included, and the sources to measure them on.

    Raises:
        UsageError: No source is left, a model is named twice, or several would read standard input.
    """
    count = next((place for place, each in enumerate(sources) if not is_artifact(Path(each), STAGE)), len(sources))
    models, rest = [model, *map(Path, sources[:count])], list(sources[count:])
    if not rest:
        raise UsageError(f"{sources[-1]}: a model; after the models, name the rows to measure them on")
    if len({os.path.realpath(path) for path in models}) < len(models):
        raise UsageError(f"{', '.join(map(str, models))}: a model cannot be compared with itself; name each once")
    if len(models) > 1 and "-" in rest:
        raise UsageError("-: several models cannot all read standard input; give a table or an artifact's folder")
    return models, rest


def names_of(models: Sequence[Path]) -> list[str]:
    """Return a distinct name of each model: its folder's, with as many folders above it as tell it from the others."""
    parts = [Path(os.path.abspath(path)).parts[1:] for path in models]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-length:]) for own in parts]
        if len(set(names)) == len(names) and not any(
            one.startswith(f"{other}/") for one in names for other in names if one != other
        ):
            return names
    return [str(number) for number in range(1, len(models) + 1)]


@dataclass(frozen=True)
class Entry:
    """A measured model: what its comparison with others needs.

    Args:
        task: Its task.
        targets: Its target columns.
        ids: The ids of the N samples measured.
        groups: Their groups, drawn together; None if there are none.
        metrics: Its metrics.
        draws: Its metrics in draws of samples that are the same for every model, (D,) each.
        scores: The samples' own scores, (N,) each, in the metrics that are means of such.
        digest: The hash of the model.
    """

    task: Task
    targets: tuple[str, ...]
    ids: Sequence[str]
    groups: Sequence[Any] | None
    metrics: Mapping[str, float]
    draws: Mapping[str, Array]
    scores: Mapping[str, Array]
    digest: str


def entry_of(model: TrainedModel, measuring: Measuring, metrics: Mapping[str, float]) -> Entry:
    """Return what a comparison needs of a measured model."""
    answers = measuring.answers()
    ids = [measuring.predictions[row]["id"] for row in answers.rows.tolist()]
    scores = model.task.row_scores(answers.predictions, answers.wanted)
    targets = model.artifact.roles.targets
    return Entry(model.task, targets, ids, answers.groups, metrics, measuring.draws, scores, model.artifact.digest)


def check_comparable(models: Mapping[str, Path], *, same_target: bool) -> None:
    """Check that models predict the same; their networks are not read.

    Args:
        models: Their folders by name.
        same_target: Whether their targets must be the same columns.

    Raises:
        MmcliError: Their tasks, targets, classes or groups differ.
    """
    opened = {name: Artifact(path) for name, path in models.items()}
    (first, mine), *others = opened.items()
    task = load_task(mine)
    for name, artifact in others:
        theirs = load_task(artifact)
        parts = parts_of(theirs)
        found = [
            ("tasks", mine.header["task"], artifact.header["task"]),
            ("groups", mine.roles.group, artifact.roles.group),
        ]
        if same_target:
            found.append(("targets", ", ".join(mine.roles.targets), ", ".join(artifact.roles.targets)))
        found += [(f"tasks of {column}", type(own), type(parts.get(column))) for column, own in parts_of(task).items()]
        for what, one, other in found:
            if one != other:
                raise MmcliError(
                    f"{first} and {name} cannot be compared: their {what} are {_told(one)} and {_told(other)}"
                )
        for column, own in parts_of(task).items():
            apart = _apart(own, parts[column])
            if apart:
                shown = f"{', '.join(apart[:_SHOWN])}{' …' if len(apart) > _SHOWN else ''}"
                raise MmcliError(
                    f"{first} and {name} cannot be compared: only one of them can predict {shown}; train both on the "
                    "same classes, labels or modalities"
                )


def _told(value: Any) -> str:
    return value.__name__.lower() if isinstance(value, type) else str(value or "none")


def _apart(one: Task, other: Task) -> list[str]:
    """Return the names that only one of two tasks can predict."""
    if not isinstance(one, HasOutcomes) or not isinstance(other, HasOutcomes):
        return []
    return sorted(set(one.outcomes()) ^ set(other.outcomes()))


def compare_models(entries: Mapping[str, Entry], split: str, seed: int) -> dict[str, Any]:
    """Return the content of ``comparison.json``: the metrics of every model, and the differences of every pair.

    A difference is that of the model named later minus the one named earlier. P-values are of the main metric; of more
    than two models they are also given adjusted for the number of pairs (Holm 1979).

    Args:
        entries: The measured models by name, in order; at least two.
        split: The split they were measured on.
        seed: Seed of the bootstrap.

    Raises:
        MmcliError: They were not measured on the same samples, or no main metric is defined for all.
    """
    (name, first), *others = entries.items()
    for other, entry in others:
        _check_same_samples(name, first.ids, other, entry.ids)
    shared = [metric for metric in first.metrics if all(metric in own.metrics for own in entries.values())]
    metric = main_metric(first.task, {metric: first.metrics[metric] for metric in shared})
    if metric is None:
        raise MmcliError(f"{', '.join(entries)}: these rows define no main metric for all of them")
    mode = mode_of(first.task, metric)
    pairs = {f"{later}-{earlier}": (later, earlier) for earlier, later in combinations(entries, 2)}
    differences = {
        pair: _difference(entries[later], entries[earlier], metric, shared, seed)
        for pair, (later, earlier) in pairs.items()
    }
    if len(pairs) > 1:
        _adjust(list(differences.values()))
        _adjust([found["mcnemar"] for found in differences.values() if "mcnemar" in found])
    values = {name: own.metrics[metric] for name, own in entries.items()}
    return {
        "task": TASKS.name_of(type(first.task)),
        "target": target_role(first.targets),
        "split": split,
        "n": len(first.ids),
        "metric": metric,
        "smaller_is_better": mode == "min",
        "best": min(values, key=lambda name: values[name] if mode == "min" else -values[name]),
        "models": {name: dict(own.metrics) for name, own in entries.items()},
        "intervals": {name: intervals(own.draws) for name, own in entries.items()},
        "pairs": pairs,
        "differences": differences,
        "digests": {name: own.digest for name, own in entries.items()},
    }


def _check_same_samples(one: str, ids: Sequence[str], other: str, others: Sequence[str]) -> None:
    if list(ids) == list(others):
        return
    apart = sorted(set(ids) ^ set(others))
    told = f"only one of them measures {len(apart)} rows, such as {apart[0]!r}" if apart else "in another order"
    raise MmcliError(
        f"{one} and {other} cannot be compared: they were not measured on the same rows ({told}); their splits or "
        "groups differ; --split all uses every row"
    )


def _difference(later: Entry, earlier: Entry, metric: str, shared: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the differences of two models: of all metrics with intervals, of the main one with its p-value."""
    drawn = {name: later.draws[name] - earlier.draws[name] for name in shared if name in later.draws}
    found: dict[str, Any] = {name: later.metrics[name] - earlier.metrics[name] for name in shared}
    p_value = None
    if metric in later.scores and metric in earlier.scores:
        scores = later.scores[metric] - earlier.scores[metric]
        (p_value,) = paired_p_values(scores[None], later.groups, seed=seed)
    elif metric in drawn:
        p_value = p_value_of_draws(found[metric], drawn[metric])
    column, _, _ = metric.rpartition(".")
    classes = encodes_classes(parts_of(later.task)[column])
    accuracy = f"{column}.accuracy" if column else "accuracy"
    found["intervals"] = intervals(drawn)
    if p_value is not None:
        found["p_value"] = p_value
    if classes and accuracy in later.scores and later.groups is None:
        counts = mcnemar(later.scores[accuracy] > 0, earlier.scores[accuracy] > 0)
        found["mcnemar"] = dict(zip(("only_first_right", "only_second_right", "p_value"), counts, strict=True))
    return found


def _adjust(found: Sequence[dict[str, Any]]) -> None:
    """Add to each result its p-value adjusted for the number of results."""
    there = [each for each in found if "p_value" in each]
    for each, adjusted in zip(there, holm([each["p_value"] for each in there]), strict=True):
        each["p_holm"] = adjusted
