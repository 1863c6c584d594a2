"""Chooses train's model, a network or a scikit-learn estimator after a static fusion, and checks the latter."""

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
        asked: The value of ``--model``, if given.
        default: The task's default; None is a network.
        reporter: Receives a note if the default is not a network.

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
    """Reject options that an estimator ignores.

    Args:
        model: The estimator; None for a network, which takes them all.
        names: The options to check.
        given: Option values by name.
        defaults: Their defaults.

    Raises:
        UsageError: One of these options was given.
    """
    for name in names if model is not None else ():
        if given[name] != defaults[name] and (given[name] or defaults[name]):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag}: applies only to networks, not to --model {model}; leave one out")


def refuse_losses_of_networks(model: str | None, task: Spec) -> None:
    """Reject task options that set a network's loss: an estimator has its own loss.

    Raises:
        UsageError: One of these options was given.
    """
    if model is None or task.name not in TASKS.names():
        return
    theirs = TASKS.constant(task.name, "of_networks", ())
    for key, value in task.options.items():
        if key in theirs or f"{key}={value}" in theirs:
            raise UsageError(f"--task {task}: {key} sets the loss of a network, not of --model {model}; leave one out")


def check_suits_estimator(model: str, encoded: Collection[str], method: str, pooling: str) -> None:
    """Reject what an estimator cannot be trained on: it needs one vector per row, without any trained layers.

    Raises:
        UsageError: A modality has no features yet, or the method or the pooling is learnt.
    """
    if encoded:
        raise UsageError(
            f"--model {model}: needs features, and {', '.join(sorted(encoded))} has none yet; "
            "run extract-features first, and train on its output"
        )
    if FUSIONS.constant(parse_spec(method).name, "kind") != "static":
        static = [name for name in FUSIONS.names() if FUSIONS.constant(name, "kind") == "static"]
        raise UsageError(
            f"--model {model}: fusion {method} is part of a network; use one of --method {', '.join(static)}"
        )
    if pooling == "attention":
        raise UsageError(f"--model {model}: --pooling attention is part of a network; use mean or max")
