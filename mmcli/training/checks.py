"""Checks options of train for unknown names and conflicts."""

from __future__ import annotations

from mmcli.errors import UsageError
from mmcli.networks.estimator_choice import choose_model, refuse_losses_of_networks, refuse_options_of_networks
from mmcli.options import options_of, values_of
from mmcli.registry import FUSIONS, TASKS, Spec, parse_spec
from mmcli.reporting import Silent
from mmcli.training.asked_task import parse_tasks
from mmcli.training.config import FitConfig, TrainConfig

_OF_NETWORKS = (
    *(name for name in options_of(FitConfig) if name != "calibrate"),
    "projection", "hidden", "dropout", "modality_dropout", "augment", "augment_strength", "compile",
)  # fmt: skip

_CALIBRATED = ("softmax", "sigmoid", "identity")


def check_options(config: TrainConfig) -> None:
    """Reject invalid options that can be detected without samples.

    Raises:
        UsageError: There is no such method or task, or an option applies to networks but none is trained.
    """
    if config.network.method is not None:
        FUSIONS.summary(parse_spec(config.network.method).name)
    tasks = parse_tasks(config.task.task, config.task.target)
    if config.task.target or not tasks.of_target:  # otherwise only the samples tell where a target's name ends
        tasks.check_names()
    _refuse_fitting(tasks.task, config)
    _refuse_calibrating(tasks.task, config)
    model = _estimator(config)
    refuse_options_of_networks(model, _OF_NETWORKS, values_of(config), values_of(TrainConfig()))
    refuse_losses_of_networks(model, tasks.task)


def _refuse_fitting(task: Spec, config: TrainConfig) -> None:
    """Reject training options for a task that trains no network.

    Raises:
        UsageError: Such an option was given.
    """
    if task.name not in TASKS.names() or TASKS.constant(task.name, "link") != "embedding":
        return
    given, defaults = values_of(config), values_of(TrainConfig())
    for name in (*_OF_NETWORKS, "class_weights", "sampling"):
        if given[name] != defaults[name]:
            flag = options_of(TrainConfig)[name].flag
            raise UsageError(f"{flag}: has no effect, because --task {task} trains no network; leave it out")


def _refuse_calibrating(task: Spec, config: TrainConfig) -> None:
    """Reject calibration for a task whose predictions are neither probabilities nor numbers.

    Raises:
        UsageError: Calibration was asked for.
    """
    if config.fit.calibrate and task.name in TASKS.names() and TASKS.constant(task.name, "link") not in _CALIBRATED:
        raise UsageError(f"--calibrate: task {task.name} predicts neither probabilities nor numbers; leave it out")


def can_take(config: TrainConfig, method: str) -> bool:
    """Return whether the model supports a fusion method."""
    return _estimator(config) is None or FUSIONS.constant(method, "kind") == "static"


def _estimator(config: TrainConfig) -> str | None:
    return choose_model(config.network.model, parse_tasks(config.task.task, config.task.target).model, Silent())
