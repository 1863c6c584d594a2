"""Writes the documentation page of all options: ``python -m mmcli.cli.reference > docs/options.md``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING

from mmcli.cli.command_options import output_option, shown_options
from mmcli.cli.help import argument_help, default_of, headings, usage_of
from mmcli.options import Option
from mmcli.stages.catalogue import CATALOGUE, GROUPS, StageSpec

_ABOUT = """# Options

All options of all commands, as `mmcli COMMAND --help-all` lists them.

- In a pipeline file or a file for `--config`, options are written without the leading dashes: `image-size: 64`.
- In Python, options are keyword arguments:
  `from mmcli.stages.preprocess import preprocess; preprocess(source, output, image_size=64)`.
- In both, a repeatable option takes a list.
"""


def page() -> str:
    """Return the page."""
    parts = [_ABOUT]
    for group in GROUPS:
        parts.append(f"## {group}\n")
        parts += [_command(spec) for spec in CATALOGUE.values() if spec.group == group]
    return "\n".join(parts)


def _command(spec: StageSpec) -> str:
    output = {} if spec.output is None else {"output": output_option(spec)}
    options = {**output, **shown_options(spec)}
    lines = [f"### `mmcli {spec.name}`", "", spec.summary, "", f"    {usage_of(spec, options)}", ""]
    for paragraph in spec.details:
        lines += [paragraph, ""]
    lines += [f"- `{each.name.upper()}`: {_escaped(argument_help(each))}" for each in spec.arguments]
    lines += [""] if spec.arguments else []
    for heading in headings(options.values()):
        lines += [f"**{heading}**", "", "| option | what it does | default |", "|---|---|---|"]
        lines += _rows([each for each in options.values() if each.declared.group == heading])
        lines.append("")
    lines += ["Examples:", "", *(f"    {example}" for example in spec.examples), ""]
    return "\n".join(lines)


def _rows(options: list[Option]) -> Iterator[str]:
    for each in options:
        flags = ", ".join(filter(None, (each.declared.short, each.flag)))
        flag = f"{flags} {each.metavar}".rstrip().replace("|", "\\|")
        default = "required" if each.default is MISSING else _escaped(default_of(each) or "")
        yield f"| `{flag}` | {_escaped(each.declared.help)} | {default} |"


def _escaped(text: str) -> str:
    """Return a text whose characters mean nothing to Markdown."""
    return text.replace("|", "&#124;").replace("<", "&lt;").replace("*", "\\*")


if __name__ == "__main__":
    print(page(), end="")
