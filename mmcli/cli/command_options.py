"""The options of a command of the catalogue."""

from __future__ import annotations

from dataclasses import MISSING
from pathlib import Path

from mmcli.context import OUTPUT, RunContext, Shell
from mmcli.options import Declared, Option, options_of
from mmcli.stages.catalogue import StageSpec


def shown_options(spec: StageSpec) -> dict[str, Option]:
    """Return the options of a command except --output: those of its config, context and shell."""
    context, shell = options_of(RunContext), options_of(Shell)
    of_context = {name: context[name] for name in spec.context}
    return {**options_of(spec.config), **of_context, **{name: shell[name] for name in spec.shell}}


def output_option(spec: StageSpec) -> Option:
    """Return the --output option of a command."""
    assert spec.output is not None
    declared = Declared(
        spec.output.help, OUTPUT, spec.output.metavar, default_text=spec.output.default_text, short="-o"
    )
    required = spec.output.required
    return Option("output", Path if required else Path | None, MISSING if required else None, declared)
