"""Writes the documentation page of all options: ``python -m mmcli.cli.reference > docs/options.md``."""

from __future__ import annotations

from collections.abc import Iterator

from mmcli.cli.commands import output_option, shown_options
from mmcli.cli.help import default_of, headings, kind_of
from mmcli.options import Option
from mmcli.stages.catalogue import CATALOGUE, GROUPS, StageSpec

_ABOUT = """# Options

All options of all commands, as `mmcli COMMAND --help-all` lists them. In a pipeline file or a file for `--config` they
are written without the leading dashes: `image-size: 64`. In Python they are keyword arguments:
`preprocess(source, output, image_size=64)`. In both, a repeatable option takes a list.
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
    options = list({**output, **shown_options(spec)}.values())
    places = "".join(f" {each.name.upper()}{'…' if each.many else ''}" for each in spec.arguments)
    lines = [f"### `mmcli {spec.name}{places}`", "", spec.summary, ""]
    lines += [f"- `{each.name.upper()}`: {each.help}" for each in spec.arguments]
    lines += [""] if spec.arguments else []
    for heading in headings(options):
        lines += [f"**{heading}**", "", "| option | what it does | default |", "|---|---|---|"]
        lines += _rows([each for each in options if each.declared.group == heading])
        lines.append("")
    return "\n".join(lines)


def _rows(options: list[Option]) -> Iterator[str]:
    for each in options:
        kind = kind_of(each).replace("|", "\\|")
        flag = " ".join(filter(None, (each.flag, kind)))
        yield f"| `{flag}` | {each.declared.help.replace('|', '&#124;')} | {default_of(each) or ''} |"


if __name__ == "__main__":
    print(page(), end="")
