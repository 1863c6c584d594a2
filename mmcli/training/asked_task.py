"""The task given by ``--task``, or inferred from the targets of the train rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.registry import TASKS, Spec, parse_spec
from mmcli.reporting import Reporter
from mmcli.store.artifact import Roles
from mmcli.store.samples import Samples
from mmcli.tables.kinds import numbers_in_disguise

if TYPE_CHECKING:
    from mmcli.tasks import Task

AUTO = "auto"
SEVERAL = "several"


@dataclass(frozen=True)
class AskedTask:
    """The requested task: one for all targets, or ``TARGET=TASK`` for some of them.

    Args:
        task: Its name and options, or ``auto``.
        of_target: The tasks of individual targets, by column.
    """

    task: Spec
    of_target: Mapping[str, Spec]

    @property
    def kind(self) -> Literal["column", "group", "optional"]:
        """The source of targets."""
        found: Literal["column", "group", "optional"] = "column"
        return found if self.task.name == AUTO else TASKS.constant(self.task.name, "target", found)

    @property
    def relevant(self) -> str | None:
        """The column whose equal values mark rows that belong together, if given for retrieval."""
        return self.task.options.get("relevant") if self.kind == "group" else None

    @property
    def method(self) -> str | None:
        """The task's default fusion, if any."""
        return None if self.task.name == AUTO else TASKS.constant(self.task.name, "method")

    @property
    def model(self) -> str | None:
        """The task's default model, if it is not a network."""
        return None if self.task.name == AUTO else TASKS.constant(self.task.name, "model")

    @property
    def attends(self) -> bool:
        """Whether the head attends to the steps of every modality, because it writes text."""
        named = [spec.name for spec in (self.task, *self.of_target.values()) if spec.name != AUTO]
        return any(TASKS.constant(name, "link") == "tokens" for name in named)

    def to_json(self) -> str | list[str]:
        """Return it as it was written."""
        own = [f"{column}={spec}" for column, spec in self.of_target.items()]
        return str(self.task) if not own else [*([] if self.task.name == AUTO else [str(self.task)]), *own]

    def check_names(self) -> None:
        """Reject unknown tasks and options.

        Raises:
            MmcliError: A task or option does not exist.
        """
        for spec in (self.task, *self.of_target.values()):
            _check_task(spec)

    def check(self, targets: Sequence[str], named: bool) -> None:
        """Reject tasks for columns that are not targets, and ``named`` targets for a task without targets.

        Raises:
            MmcliError: One is rejected, or a target is needed and none was given.
        """
        if not targets and self.kind == "column":
            without = [name for name in TASKS.names() if TASKS.constant(name, "target", "column") != "column"]
            raise UsageError(
                f"no target: give the column to predict with --target, or a task without one: {', '.join(without)}"
            )
        if named and self.kind == "group":
            raise UsageError(
                f"--target: --task {self.task} has no target, it learns which rows belong together; leave it out"
            )
        for column in self.of_target:
            if column not in targets:
                raise unknown_name("target", column, targets)

    def build(self, columns: Sequence[str], targets: Sequence[Any], reporter: Reporter) -> Task:
        """Build the task for these columns; ``auto`` is inferred from the train rows' targets.

        Raises:
            MmcliError: An option is invalid, or the task cannot be inferred.
        """
        joined = TASKS.constant(self.task.name, "joins_columns", False) if self.task.name != AUTO else False
        if self.kind != "column" or (joined and not self.of_target):
            return _build(self.task)
        if len(columns) == 1:
            return self._of(columns[0], targets, reporter)
        parts = {
            column: self._of(column, [target[column] for target in targets if target[column] is not None], reporter)
            for column in columns
        }
        for column, part in parts.items():
            if part.link not in ("softmax", "sigmoid", "identity"):
                told = self.of_target.get(column, self.task)
                raise UsageError(f"--target {column}: {told} does not support several targets; give one")
        several: Task = TASKS.load(SEVERAL)(parts)
        return several

    def _of(self, column: str, targets: Sequence[Any], reporter: Reporter) -> Task:
        from mmcli.tasks import infer_task

        spec = self.of_target.get(column, self.task)
        if spec.name != AUTO:
            return _build(spec)
        targets = [target for target in targets if target is not None]
        name = infer_task(targets)
        if name == "classification":
            _refuse_disguised(column, targets)
        reporter.note(f"task: {name} of {column!r} (--task chooses)")
        return _build(parse_spec(name))


def roles_of(samples: Samples, asked: AskedTask) -> Roles:
    """Return the column roles; a task's own group column replaces the artifact's.

    Raises:
        UsageError: There is no such column.
    """
    if asked.relevant is None:
        return samples.roles
    if not any(asked.relevant in row for row in samples.rows):
        raise unknown_name(f"column in --task {asked.task}", asked.relevant, next(iter(samples.rows), {}))
    return replace(samples.roles, group=asked.relevant)


def parse_tasks(asked: str | Sequence[str], targets: Sequence[str] = ()) -> AskedTask:
    """Parse ``--task``: a task for all targets, or ``TARGET=TASK``; ``targets`` are those known so far.

    Raises:
        UsageError: There are two tasks for all targets, or two for one.
    """
    task = parse_spec(AUTO)
    of_target: dict[str, Spec] = {}
    texts = [asked] if isinstance(asked, str) else list(asked)
    for text in texts:
        own = max((name for name in targets if text.startswith(f"{name}=")), key=len, default=None)
        column, equals, spec = text.partition("=") if own is None else (own, "=", text[len(own) + 1 :])
        if own is not None or (equals and ":" not in column):
            if column in of_target:
                raise UsageError(f"--task {text}: {column!r} already has task {of_target[column]}")
            of_target[column] = parse_spec(spec)
        elif str(task) != AUTO:
            raise UsageError(f"--task {text}: {task} was already given; use TARGET=TASK for a single target")
        else:
            task = parse_spec(text)
    return AskedTask(task, of_target)


def _refuse_disguised(column: str, targets: Sequence[Any]) -> None:
    """Refuse to treat as classes what look like distinct numbers in nearly every row, with a unit such as ``%``.

    Raises:
        MmcliError: The targets look like numbers.
    """
    disguised = numbers_in_disguise(targets)
    if disguised is not None and len({str(target) for target in targets}) * 2 > len(targets):
        cell, advised = disguised
        raise MmcliError(
            f"target {column!r}: cells such as {cell!r} cannot be read as numbers; {advised}, or treat each value as a "
            "class with --task classification"
        )


def _build(spec: Spec) -> Task:
    task: Task = TASKS.build(spec)
    return task


def _check_task(spec: Spec) -> None:
    if spec.name == AUTO and str(spec) != AUTO:
        raise UsageError(f"--task {spec}: auto takes no options; name a task to give options")
    if spec.name == SEVERAL:
        raise UsageError(f"--task {SEVERAL}: give several --target instead, and their tasks as TARGET=TASK")
    if spec.name != AUTO and spec.name not in TASKS.names():
        raise unknown_name("task", spec.name, [AUTO, *(name for name in TASKS.names() if name != SEVERAL)])
    if spec.options or spec.argument:
        _build(spec)
