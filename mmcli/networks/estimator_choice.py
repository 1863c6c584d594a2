"""Which model train makes: a network, or a scikit-learn estimator after a static fusion; and what suits the latter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from mmcli.errors import UsageError
from mmcli.models.estimators import check_model
from mmcli.registry import FUSIONS, TASKS, Spec, parse_spec
from mmcli.reporting import Reporter

NETWORK = "network"


def choose_model(asked: str | None, default: str | None, reporter: Reporter) -> str | None:
    """Return the estimator as ``sklearn:NAME:key=value``; None for a network.

    Args:
        asked: What ``--model`` says, if anything.
        default: What the task takes where it says nothing; None is a network.
        reporter: Is told of the default, where that is not a network.

    Raises:
        MmcliError: There is no such model or option.
    """
    if asked is None and default is not None:
        reporter.note(f"model: {default} (--model chooses)")
    spec = parse_spec(asked or default or NETWORK)
    check_model(spec)
    return None if spec.name == NETWORK else str(spec)


def refuse_options_of_networks(
    model: str | None, names: Collection[str], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    """Refuse options that an estimator would not look at.

    Args:
        model: The estimator; None for a network, which takes them all.
        names: Of these options.
        given: Options by name.
        defaults: What they are where no one has said anything.

    Raises:
        UsageError: There is one.
    """
    for name in names if model is not None else ():
        if given[name] != defaults[name] and (given[name] or defaults[name]):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag}: says how a network is trained, and --model {model} is none; leave one out")


def refuse_losses_of_networks(model: str | None, task: Spec) -> None:
    """Refuse options of a task that say what a network minimises: an estimator has a loss of its own.

    Raises:
        UsageError: There is one.
    """
    if model is None or task.name not in TASKS.names():
        return
    theirs = TASKS.constant(task.name, "of_networks", ())
    for key, value in task.options.items():
        if key in theirs or f"{key}={value}" in theirs:
            raise UsageError(
                f"--task {task}: {key} says what a network minimises, and --model {model} is none; leave one out"
            )


def check_suits_estimator(model: str, encoded: Collection[str], method: str, pooling: str) -> None:
    """Refuse what an estimator cannot learn from: it takes one vector a row, which nothing is trained to make.

    Raises:
        UsageError: A modality has no features yet, or the method or the pooling is learnt.
    """
    if encoded:
        raise UsageError(
            f"--model {model}: learns from features, and {', '.join(sorted(encoded))} has none yet; "
            "run extract-features first, and train on what it makes"
        )
    if FUSIONS.constant(parse_spec(method).name, "kind") != "static":
        static = [name for name in FUSIONS.names() if FUSIONS.constant(name, "kind") == "static"]
        raise UsageError(
            f"--model {model}: fusion {method} is part of a network; take a --method that is not: {', '.join(static)}"
        )
    if pooling == "attention":
        raise UsageError(f"--model {model}: --pooling attention is part of a network; take mean or max")
