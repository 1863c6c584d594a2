"""Turns a command of the catalogue into a Typer command: a function with one parameter for each option."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command_from_info
from typer.models import CommandInfo

from mmcli.cli.command_options import output_option, shown_options
from mmcli.cli.config_file import load_config
from mmcli.cli.help import Help, help_of
from mmcli.context import CanFail, Shell, made_context
from mmcli.options import Option, make, options_of
from mmcli.plugins import use_plugins
from mmcli.stages.catalogue import Argument, StageSpec

_NOT_GIVEN = inspect.Parameter.empty


def command_of(spec: StageSpec) -> TyperCommand:
    """Return the Typer command that parses options, calls the command's function and prints the result."""

    def command(**values: Any) -> None:
        _run(spec, values)

    parameters = [_argument(each) for each in spec.arguments]
    if spec.output is not None:
        parameters.append(_option(output_option(spec)))
    parameters += [_option(each) for each in shown_options(spec).values()]
    # Required parameters come before those with defaults; all are keywords.
    parameters.sort(key=lambda each: each.default is not _NOT_GIVEN)
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # Typer reads it
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    info = CommandInfo(name=spec.name, callback=command, cls=partial(_Command, spec), help=spec.summary)  # type: ignore[arg-type]
    made = get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
    assert isinstance(made, TyperCommand)
    return made


class _Command(TyperCommand):
    """Prints its help under headings, and knows options that have moved to another command."""

    def __init__(self, spec: StageSpec, **given: Any) -> None:
        super().__init__(**given)
        self.spec = spec
        self.context_settings = {**(self.context_settings or {}), "help_option_names": ["-h", "--help"]}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line."""
        from mmcli.errors import UsageError

        words = args[: args.index("--")] if "--" in args else args
        if "--help-all" in words:
            print(help_of(self._help(), every=True))
            ctx.exit()
        own = {option for parameter in self.params for option in parameter.opts}
        for word in words:
            flag = word.partition("=")[0]
            if flag in self.spec.moved and flag not in own:
                raise UsageError(f"{flag} is no longer an option of {self.spec.name}; use {self.spec.moved[flag]}")
        return super().parse_args(ctx, args)

    def get_help(self, ctx: Any) -> str:
        """Return the help without rarely used options."""
        return help_of(self._help(), every=False)

    def _help(self) -> Help:
        spec = self.spec
        output = {} if spec.output is None else {"output": output_option(spec)}
        return Help(spec, {**output, **shown_options(spec)})


def _run(spec: StageSpec, values: Mapping[str, Any]) -> None:
    """Call the command's function, print its result, and raise the result's failure, if any."""
    shell = make(Shell, {name: values[name] for name in spec.shell})
    use_plugins(shell.plugin)
    config = make(spec.config, {name: values[name] for name in options_of(spec.config)})
    context = {name: values[name] for name in spec.context}
    places = [_place(each, values[each.name]) for each in spec.arguments]
    if spec.output is not None:
        places.append(values["output"])
    from mmcli.console import Console

    result = spec.load()(*places, config, made_context({**context, "reporter": Console(shell.quiet)}))
    from mmcli.console import shows

    show: Callable[..., None] = getattr(shows, spec.show)
    show(result, config, shell)
    if isinstance(result, CanFail) and result.failure is not None:
        raise result.failure


def _place(argument: Argument, value: Any) -> Any:
    return Path(value) if argument.is_path else list(value or ()) if argument.many else value


def _argument(each: Argument) -> inspect.Parameter:
    kind: Any = list[str] if each.many else str
    default: Any = _NOT_GIVEN if each.required else [] if each.many else each.default
    complete: dict[str, Any] = {"autocompletion": lambda: list(each.choices)} if each.choices else {}
    said = typer.Argument(help=each.help, metavar=each.name.upper(), show_default=False, **complete)
    return inspect.Parameter(
        each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, said]
    )


def _option(each: Option) -> inspect.Parameter:
    flags = [each.flag, *filter(None, [each.declared.short])]
    told: dict[str, Any] = {"help": each.declared.help}
    kind: Any = list[str] if each.many else each.hint
    if each.choices and not each.many:  # choices are checked when the config is made
        told["autocompletion"] = lambda: list(each.choices)
        kind = str | None if each.default is None else str
    if each.name == "config":
        told |= {"callback": load_config, "is_eager": True}
    default = _NOT_GIVEN if each.default is MISSING else list(each.default) if each.many else each.default
    said = typer.Option(*flags, **told)
    return inspect.Parameter(
        each.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, said]
    )
