"""Every group of forms, in the order of the documentation, and the page that is written from what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.forms import (
    arrays,
    cells,
    files,
    hostile,
    image_depths,
    images,
    packed_tables,
    played,
    programs,
    sound_ends,
    sounds,
    tables,
    texts,
    videos,
)
from tests.forms.form import Form, Result, TableForm, run_forms, run_table

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"
GROUPS: dict[str, tuple[str, Sequence[Form]]] = {
    "What a cell of files may name": ("image", files.FORMS),
    "Images": ("image", images.FORMS),
    "Images: bits, colours and transparency": ("image", image_depths.FORMS),
    "Images, damaged": ("image", images.DAMAGED),
    "Images, hostile": ("image", hostile.IMAGES),
    "Sounds": ("audio", sounds.FORMS),
    "Sounds, where they end": ("audio", sound_ends.FORMS),
    "Sounds, damaged": ("audio", sounds.DAMAGED),
    "Sounds, hostile": ("audio", hostile.SOUNDS),
    "Videos": ("video", videos.FORMS),
    "Videos as other programs write them": ("video", played.FORMS),
    "Videos, damaged": ("video", [*videos.DAMAGED, *played.DAMAGED]),
    "Arrays: vectors": ("tensor", arrays.VECTORS),
    "Arrays: one number": ("tensor", arrays.NUMBER),
    "Arrays: sequences": ("tensor", arrays.SEQUENCES),
    "Arrays: maps": ("tensor", arrays.MAPS),
    "Arrays, damaged": ("tensor", arrays.DAMAGED),
    "Arrays, hostile": ("tensor", hostile.ARRAYS),
    "Text cells": ("text", texts.FORMS),
    "Numbers and categories in a table": ("table", cells.FORMS),
}
"""Kind and forms of each group, by its heading."""
TABLES: dict[str, Sequence[TableForm]] = {
    "Tables: CSV": tables.CSV_FORMS,
    "Tables: JSON": tables.JSON_FORMS,
    "Tables: Parquet": [*tables.PARQUET_FORMS, *packed_tables.PARQUET_FORMS],
    "Tables of spreadsheets, datasets and WebDataset": [*programs.FORMS, *packed_tables.FORMS],
    "Folders as tables": tables.FOLDER_FORMS,
    "Ids, splits, targets and size": tables.ROLE_FORMS,
}
"""Forms of whole tables, by heading."""
_HEAD = """\
# Inputs: forms and damage tried

Each line is a file, cell or table that the tests make, give to `mmcli preprocess` and compare with the right answer
worked out another way. "corrupt", "missing" and "skipped" stand in the ledger with the reason given: the modality is
absent, the sample stays (`--on-error` chooses). Options other than the defaults are named.

This page is written by `python -m tests.forms`; a test fails where it is out of date.
"""


def run_all(folder: Path) -> tuple[dict[str, dict[str, Result]], dict[str, dict[str, list | str]]]:
    """Run every form; return results by group and name."""
    results = {
        title: run_forms(kind, forms, folder / str(number))
        for number, (title, (kind, forms)) in enumerate(GROUPS.items())
    }
    read: dict[str, dict[str, list | str]] = {}
    for title, forms in TABLES.items():
        read[title] = {}
        for form in forms:
            place = folder / "tables" / str(len(read)) / str(len(read[title]))
            place.mkdir(parents=True)
            read[title][form.name] = run_table(form, place)
    return results, read


def page(results: Mapping[str, Mapping[str, Result]], tables: Mapping[str, Mapping[str, list | str]]) -> str:
    """Return the documentation's page of these results."""
    parts = [_HEAD]
    for title, (_, forms) in GROUPS.items():
        lines = [f"| {_told(form)} | {_result(results[title][form.name], form.means)} |" for form in forms]
        parts.append("\n".join([f"## {title}\n", "| form | result |", "|---|---|", *lines, ""]))
    for title, forms in TABLES.items():
        lines = [f"| {_told(form)} | {_table_result(tables[title][form.name], form.means)} |" for form in forms]
        parts.append("\n".join([f"## {title}\n", "| form | result |", "|---|---|", *lines, ""]))
    return "\n".join(parts)


def _told(form: Form | TableForm) -> str:
    flags = " ".join(_flag(name, value) for name, value in form.options.items() if name not in _DEFAULTS)
    return _cell(form.name + (f" (`{flags}`)" if flags else ""))


def _flag(name: str, value: object) -> str:
    return f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")


_DEFAULTS = ("image_size", "frames", "text", "numeric", "categorical")
"""Options that are set only to keep the tests quick, or that name the columns of the form."""


def _result(result: Result, means: str) -> str:
    return _cell(f"{result.status}: {result.reason}" if result.reason else "ok" + (f", {means}" if means else ""))


def _table_result(result: list | str, means: str) -> str:
    return _cell(
        "refused: " + result.replace("{folder}/", "")
        if isinstance(result, str)
        else "read" + (f", {means}" if means else "")
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
