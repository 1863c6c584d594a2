"""The task that a person asks for, or that the targets of the train rows are for."""

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
    """What a person says of the task: one for all targets, or ``TARGET=TASK`` for some of them.

    Args:
        task: Its name and options, or ``auto``.
        of_target: By column, where one has its own.
    """

    task: Spec
    of_target: Mapping[str, Spec]

    @property
    def kind(self) -> Literal["column", "group", "optional"]:
        """Where targets come from."""
        found: Literal["column", "group", "optional"] = "column"
        return found if self.task.name == AUTO else TASKS.constant(self.task.name, "target", found)

    @property
    def relevant(self) -> str | None:
        """The column whose equal values say which rows belong together, where a person names one for retrieval."""
        return self.task.options.get("relevant") if self.kind == "group" else None

    @property
    def method(self) -> str | None:
        """The fusion that the task takes where none is named, if it has one of its own."""
        return None if self.task.name == AUTO else TASKS.constant(self.task.name, "method")

    @property
    def model(self) -> str | None:
        """The model that the task takes where none is named, if that is not a network."""
        return None if self.task.name == AUTO else TASKS.constant(self.task.name, "model")

    @property
    def attends(self) -> bool:
        """Whether the head looks at the steps of every modality, since it writes text."""
        named = [spec.name for spec in (self.task, *self.of_target.values()) if spec.name != AUTO]
        return any(TASKS.constant(name, "link") == "tokens" for name in named)

    def to_json(self) -> str | list[str]:
        """Return it as it was written."""
        own = [f"{column}={spec}" for column, spec in self.of_target.items()]
        return str(self.task) if not own else [*([] if self.task.name == AUTO else [str(self.task)]), *own]

    def check_names(self) -> None:
        """Refuse tasks that there are not, and options that they have not.

        Raises:
            MmcliError: There is one.
        """
        for spec in (self.task, *self.of_target.values()):
            _check_task(spec)

    def check(self, targets: Sequence[str], named: bool) -> None:
        """Refuse tasks of columns that are no targets, and targets that a person ``named`` for a task without.

        Raises:
            MmcliError: There is one, or a target is needed and none was named.
        """
        if not targets and self.kind == "column":
            without = [name for name in TASKS.names() if TASKS.constant(name, "target", "column") != "column"]
            raise UsageError(
                f"no target: name the column to learn with --target, or a task without one: {', '.join(without)}"
            )
        if named and self.kind == "group":
            raise UsageError(
                f"--target: --task {self.task} has none, it learns which rows belong together; leave it out"
            )
        for column in self.of_target:
            if column not in targets:
                raise unknown_name("target", column, targets)

    def build(self, columns: Sequence[str], targets: Sequence[Any], reporter: Reporter) -> Task:
        """Make the task for these columns; what is ``auto`` is told by the train rows' targets.

        Raises:
            MmcliError: An option does not fit, or the form of the targets says too little.
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
                raise UsageError(f"--target {column}: {told} is learnt alone, not beside other targets; name one")
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
    """Return the roles of columns; a task's own column of rows that belong together replaces that of groups.

    Raises:
        UsageError: There is no such column.
    """
    if asked.relevant is None:
        return samples.roles
    if not any(asked.relevant in row for row in samples.rows):
        raise unknown_name(f"column in --task {asked.task}", asked.relevant, next(iter(samples.rows), {}))
    return replace(samples.roles, group=asked.relevant)


def parse_tasks(asked: str | Sequence[str], targets: Sequence[str] = ()) -> AskedTask:
    """Read ``--task``: a task for all targets, or ``TARGET=TASK``; ``targets`` are those known so far.

    Raises:
        UsageError: There are two tasks for all, or two for one target.
    """
    task = parse_spec(AUTO)
    of_target: dict[str, Spec] = {}
    texts = [asked] if isinstance(asked, str) else list(asked)
    for text in texts:
        own = max((name for name in targets if text.startswith(f"{name}=")), key=len, default=None)
        column, equals, spec = text.partition("=") if own is None else (own, "=", text[len(own) + 1 :])
        if own is not None or (equals and ":" not in column):
            if column in of_target:
                raise UsageError(f"--task {text}: {column!r} has a task already, {of_target[column]}")
            of_target[column] = parse_spec(spec)
        elif str(task) != AUTO:
            raise UsageError(f"--task {text}: there is {task} already; the task of one target is TARGET=TASK")
        else:
            task = parse_spec(text)
    return AskedTask(task, of_target)


def _refuse_disguised(column: str, targets: Sequence[Any]) -> None:
    """Refuse to take for classes what are different numbers in nearly every row, but for a ``%`` or such.

    Raises:
        MmcliError: They are.
    """
    disguised = numbers_in_disguise(targets)
    if disguised is not None and len({str(target) for target in targets}) * 2 > len(targets):
        cell, advised = disguised
        raise MmcliError(
            f"target {column!r}: its cells are not read as numbers, such as {cell!r}; {advised}, or take each for a "
            "class with --task classification"
        )


def _build(spec: Spec) -> Task:
    task: Task = TASKS.build(spec)
    return task


def _check_task(spec: Spec) -> None:
    if spec.name == AUTO and str(spec) != AUTO:
        raise UsageError(f"--task {spec}: auto has no options; they are written after the name of a task")
    if spec.name == SEVERAL:
        raise UsageError(f"--task {SEVERAL}: it is made by several --target; their own tasks are TARGET=TASK")
    if spec.name != AUTO and spec.name not in TASKS.names():
        raise unknown_name("task", spec.name, [AUTO, *(name for name in TASKS.names() if name != SEVERAL)])
    if spec.options or spec.argument:
        _build(spec)
