"""Formats help: options under headings, common ones first, and examples to copy at the end."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass

from mmcli.options import Option
from mmcli.stages.catalogue import CATALOGUE, GROUPS, Argument, StageSpec

_WIDEST, _NARROWEST, _LEFT = 100, 60, 30
_LAST = ("Files", "Table file", "Output", "Machine")
"""Headings that come after a command's own."""


@dataclass(frozen=True)
class Help:
    """The content of a command's help."""

    spec: StageSpec
    options: Mapping[str, Option]


def help_of(told: Help, every: bool) -> str:
    """Return the help of a command; rare options are listed only with ``every``."""
    spec = told.spec
    parts = [f"Usage: {usage_of(spec, told.options)}", *map(_wrapped, (spec.summary, *spec.details))]
    if spec.arguments:
        parts.append(_section("Arguments", [(each.name.upper(), argument_help(each)) for each in spec.arguments]))
    shown = [each for each in told.options.values() if every or not each.declared.rare]
    for heading in headings(shown):
        rows = [(_flags(each), _told(each)) for each in shown if each.declared.group == heading]
        parts.append(_section(heading, rows))
    hidden = sum(each.declared.rare for each in told.options.values())
    last = [("-h, --help", "Show this message.")]
    if hidden:
        last.append(("--help-all", f"Show all options ({hidden} more)."))
    parts.append(_section("Help", last))
    if spec.examples:
        parts.append("\n".join(("Examples:", *(f"  {example}" for example in spec.examples))))
    return "\n\n".join(parts)


def usage_of(spec: StageSpec, options: Mapping[str, Option]) -> str:
    """Return a command with its arguments and required options; optional arguments are in brackets."""
    places = [
        f"{each.name.upper() if each.required else f'[{each.name.upper()}]'}{'...' if each.many else ''}"
        for each in spec.arguments
    ]
    required = [f"{each.flag} {each.metavar}" for each in options.values() if each.default is MISSING]
    return " ".join(("mmcli", spec.name, *places, *required, "[OPTIONS]"))


def list_of_commands() -> str:
    """Return the commands under headings, each with its summary."""
    return "\n\n".join(
        _section(group, [(spec.name, spec.summary) for spec in CATALOGUE.values() if spec.group == group], 18)
        for group in GROUPS
    )


def headings(options: Iterable[Option]) -> list[str]:
    """Return the headings of options in display order."""
    found = list(dict.fromkeys(each.declared.group for each in options))
    return [*(each for each in found if each not in _LAST), *(each for each in _LAST if each in found)]


def _flags(each: Option) -> str:
    flags = ", ".join(filter(None, (each.declared.short, each.flag)))
    return f"{flags} {each.metavar}".rstrip()


def argument_help(each: Argument) -> str:
    """Return the help of an argument with its choices and default."""
    choices = f" One of {', '.join(each.choices)}." if each.choices else ""
    return f"{each.help}{choices}{'' if each.default is None else f' [default: {each.default}]'}"


def default_of(each: Option) -> str | None:
    """Return an option's default in words; None if there is nothing to show."""
    if each.declared.default_text is not None:
        return each.declared.default_text
    if each.plain is bool or each.default is MISSING or not (each.many or isinstance(each.default, str | int | float)):
        return None
    if each.many:
        return ", ".join(each.default) or None
    return f"{each.default:g}" if isinstance(each.default, float) else str(each.default)


def _told(each: Option) -> str:
    if each.default is MISSING:
        return f"{each.declared.help} [required]"
    default = default_of(each)
    return f"{each.declared.help} [default: {default}]" if default else each.declared.help


def _width() -> int:
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((80, 24)).columns - 1))


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _width(), initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _section(heading: str, rows: Sequence[tuple[str, str]], left: int = _LEFT) -> str:
    indent = " " * (left + 4)
    lines = [f"{heading}:"]
    for name, text in rows:
        body = textwrap.wrap(text, _width() - len(indent), break_long_words=False, break_on_hyphens=False) or [""]
        if len(name) > left:
            lines += [f"  {name}", *(indent + line for line in body)]
        else:
            lines += [f"  {name:<{left}}  {body[0]}", *(indent + line for line in body[1:])]
    return "\n".join(lines)
