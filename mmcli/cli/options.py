"""Options that several commands share: one declaration each, so that name, help and meaning are the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer


def _load_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take a YAML file's values as the defaults of the command's options."""
    if path is None:
        return None
    from mmcli.errors import unknown_name
    from mmcli.stages.pipeline import check_words, read_yaml

    values = {key.replace("-", "_"): value for key, value in read_yaml(path).items()}
    known = {parameter.name: parameter for parameter in context.command.params if parameter.name}
    for key in values:
        if key not in known:
            raise unknown_name(f"option in {path}", key.replace("_", "-"), [name.replace("_", "-") for name in known])
        hint = bool if getattr(known[key], "is_flag", False) else str
        check_words(f"{path}: {key.replace('_', '-')}", values[key], hint)
    repeatable = {name for name, parameter in known.items() if getattr(parameter, "multiple", False)}
    defaults: dict[str, Any] = {
        key: [value] if key in repeatable and not isinstance(value, list) else value for key, value in values.items()
    }
    context.default_map = {**(context.default_map or {}), **defaults}
    return path


Output = Annotated[Path, typer.Option("--output", "-o", help="Folder for the artifact.", show_default=False)]
Jobs = Annotated[
    int | None,
    typer.Option(help="Workers; all cores by default. Results do not depend on it."),
]
Seed = Annotated[int, typer.Option(help="What every random choice starts from.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Deterministic = Annotated[
    bool,
    typer.Option("--deterministic", help="On a GPU too, the same bits each time, if slower."),
]
Precision = Annotated[str, typer.Option(help="Of frozen networks: auto, float32, bfloat16 or float16.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows in a batch.")]
Compile = Annotated[
    bool,
    typer.Option(
        "--compile",
        help="Compile networks first, for a minute or so: worth it for many rows. Needs a C++ compiler on CPUs.",
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Only the first N rows.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ignore what earlier runs computed.")]
Config = Annotated[
    Path | None,
    typer.Option(
        help="YAML file with values for these options.",
        callback=_load_config,
        is_eager=True,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of errors.")]
Root = Annotated[
    str | None,
    typer.Option(help="Folder or URL that media paths are relative to; by default the table's own folder."),
]
Encoding = Annotated[
    str, typer.Option(help="Of text in tables and folders: utf-8, latin-1, cp1252 … A byte order mark goes before it.")
]
Positive = Annotated[
    list[str],
    typer.Option(
        help="Of two classes the one that precision, recall, F1, average precision and ROC are of; by default the "
        "rarer one of the train rows. Of one of several targets TARGET=LABEL. Repeatable.",
        show_default=False,
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="Between the cells of a table: a character, or tab, comma, semicolon, bar; by default the header tells.",
        show_default=False,
    ),
]
Quoting = Annotated[
    Literal["auto", "minimal", "none"],
    typer.Option(
        help="Quotes in a table: minimal: a cell may stand in quotes; none: a quote is a character; auto: the table "
        "tells."
    ),
]
Header = Annotated[
    list[str],
    typer.Option(help="Comma-separated names of the columns of a table without a header.", show_default=False),
]
Arrays = Annotated[
    list[str],
    typer.Option(
        help="NAME=FILE: the array of these rows, for a modality that the model read from one; NAME=none does without. "
        "Repeatable.",
        show_default=False,
    ),
]
Sheet = Annotated[
    str | None, typer.Option(help="Sheet of an Excel workbook; by default the first.", show_default=False)
]
Modalities = Annotated[
    list[str],
    typer.Option(
        help="Look at these alone, the others being taken for absent: NAME,NAME. Repeatable.", show_default=False
    ),
]
Template = Annotated[str, typer.Option(help="What is said of each label, its name in place of {}.")]
Split = Annotated[str, typer.Option(help="train, val, test or all.")]
Source = Annotated[
    str, typer.Argument(help="An artifact's folder, or - for rows on standard input.", show_default=False)
]
ModelFolder = Annotated[Path, typer.Argument(help="A model that train wrote.", show_default=False)]
Rows = Annotated[
    str,
    typer.Argument(
        help="A table (CSV, TSV, JSONL, Parquet), a folder class/file, an artifact of the model's chain, or -.",
        show_default=False,
    ),
]
