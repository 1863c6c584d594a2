"""What a run needs but its result does not depend on: reporter, machine, and whether earlier results are reused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from mmcli.errors import MmcliError
from mmcli.options import make, option, options_of
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import Runtime, detect

Result = TypeVar("Result")
MACHINE, OUTPUT = "Machine", "Output"


@dataclass(frozen=True)
class RunContext:
    """Where a stage runs and to whom it reports; each stage accepts only the options that apply to it."""

    jobs: int | None = option(
        None, least=1, group=MACHINE, default_text="all cores",
        help="Number of parallel workers; results do not depend on it.",
    )  # fmt: skip
    device: Literal["auto", "cpu", "cuda", "mps"] = option("auto", group=MACHINE, help="Device to compute on.")
    deterministic: bool = option(
        False, group=MACHINE, rare=True,
        help="Use only GPU algorithms that give bit-identical results every time; slower.",
    )  # fmt: skip
    fresh: bool = option(False, group=OUTPUT, help="Ignore the results of earlier runs and start from scratch.")
    reporter: Reporter = field(default_factory=Silent)

    def runtime(
        self,
        seed: int,
        *,
        precision: str = "auto",
        batch_size: int | None = None,
        default_batch_size: int = 32,
        compiled: bool = False,
        device: str | None = None,
    ) -> Runtime:
        """Return the runtime for a stage; ``device`` is for stages that always use the same one.

        Raises:
            MmcliError: A name is unknown or a number out of range.
        """
        return detect(
            self.jobs, device or self.device, precision, batch_size, seed, default_batch_size, self.deterministic,
            compiled,
        )  # fmt: skip


@dataclass(frozen=True)
class Shell:
    """The options that exist only on the command line."""

    config: Path | None = option(
        None, group=OUTPUT, metavar="FILE",
        help="YAML file that sets options (limit: 100); the command line overrides it.",
    )  # fmt: skip
    plugin: Sequence[str] = option(
        (), group=OUTPUT, rare=True, metavar="FILE",
        help="Python file with your own extractors, encoders, fusion methods, tasks, augmentations or estimators. "
        "Repeatable.",
    )  # fmt: skip
    json: bool = option(False, group=OUTPUT, help="Print the result as JSON, instead of text or rows.")
    quiet: bool = option(False, short="-q", group=OUTPUT, help="Print no progress and no notes.")
    debug: bool = option(False, group=OUTPUT, rare=True, help="Print the traceback of an error.")


@runtime_checkable
class CanFail(Protocol):
    """A result that is shown first and may then still be an error."""

    @property
    def failure(self) -> MmcliError | None:
        """The error to raise, if any."""


class HasRows(Protocol):
    """A result that is shown as a table with these ``columns``, or as JSON Lines."""

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The rows, without nesting."""

    @property
    def columns(self) -> Sequence[str]:
        """The keys to show; every row has them."""


def listed(sources: str | Sequence[str]) -> list[str]:
    """Return one or several sources as a list."""
    return [sources] if isinstance(sources, str) else list(sources)


def takes(config: type[Any]) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Let a stage, whose last arguments are a config and a context, also take their options as keywords.

    ``train(source, output, config, context)`` and ``train(source, output, epochs=5, reporter=…)`` are both calls.

    Raises:
        UsageError: An option does not exist, or its value does not fit.
    """

    def decorate(stage: Callable[..., Result]) -> Callable[..., Result]:
        own = {each.name for each in fields(RunContext)}

        def call(*places: Any, **given: Any) -> Result:
            if places and isinstance(places[-1], RunContext):
                return stage(*places, **given)
            context = {name: value for name, value in given.items() if name in own}
            asked = {name: value for name, value in given.items() if name not in own}
            return stage(*places, config=make(config, asked), context=made_context(context))

        call.__doc__, call.__name__, call.__module__ = stage.__doc__, stage.__name__, stage.__module__
        return call

    return decorate


def made_context(given: Mapping[str, Any]) -> RunContext:
    """Return a context with these values; without a reporter, or with None, it is silent.

    Raises:
        UsageError: A value does not fit.
    """
    known = options_of(RunContext)
    checked = {name: known[name].check(known[name].flag, value) for name, value in given.items() if name in known}
    reporter = given.get("reporter")
    return RunContext(**checked) if reporter is None else RunContext(**checked, reporter=reporter)
