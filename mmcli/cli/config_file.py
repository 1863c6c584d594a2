"""``--config FILE``: reads values of options from a YAML file; options on the command line override them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from mmcli.cli.command_options import shown_options


def load_config(context: typer.Context, path: Path | None) -> Path | None:
    """Use the values of a YAML file as defaults of the command's options.

    Raises:
        MmcliError: The file is invalid, names an unknown option, or has a value that does not fit.
    """
    if path is None:
        return None
    from mmcli.errors import unknown_name
    from mmcli.yaml_file import read_yaml

    file = read_yaml(path)
    known = {option.dashed: option for option in shown_options(context.command.spec).values()}  # type: ignore[attr-defined]
    defaults: dict[str, Any] = {}
    for key, value in file.content.items():
        name, where = key.replace("_", "-"), file.where(key)
        if name not in known:
            raise unknown_name(f"option in {where}", name, known)
        found = known[name].read(f"{where}: {name}", value)
        defaults[known[name].name] = list(found) if known[name].many else found
    context.default_map = {**(context.default_map or {}), **defaults}
    return path
