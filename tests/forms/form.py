"""Forms that an input may take, each with its right answer; run through ``mmcli preprocess`` as a person would."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact


@dataclass(frozen=True)
class Form:
    """One form of an input, or one damage done to it.

    Args:
        name: What it is, as a person would say it; unique in its group.
        content: Gives the bytes of the file; for text and table the cell, or the row's cells by column.
        suffix: Of the file.
        status: What the ledger must say: ok, missing, corrupt or skipped.
        reason: The ledger's reason, word for word, where it is not ok.
        right: Looks at the stored values, by field, and asserts that they are right; every form that is ok has one.
        means: What ok means, where the name alone does not say it: "turned upright", "mean of the channels".
        options: Of preprocess, beside the defaults of the group.
    """

    name: str
    content: Callable[[], Any]
    suffix: str = ""
    status: str = "ok"
    reason: str = ""
    right: Callable[[Mapping[str, np.ndarray]], None] | None = None
    means: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableForm:
    """One form of a whole table.

    Args:
        name: What it is, as a person would say it.
        write: Writes it into a folder and returns what to give to preprocess as its source.
        rows: The raw columns that the manifest must hold, row by row; None where it is refused.
        message: What the one line of refusal must be, ``{folder}`` standing for the folder.
        means: What reading it right means, where the name alone does not say it.
        options: Of preprocess.
    """

    name: str
    write: Callable[[Path], str]
    rows: Sequence[Mapping[str, Any]] | None = None
    message: str = ""
    means: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What became of one form: the ledger's status and reason, and the stored values by field."""

    status: str
    reason: str
    values: Mapping[str, np.ndarray]


def run_forms(kind: str, forms: Sequence[Form], folder: Path) -> dict[str, Result]:
    """Preprocess the forms as rows of one table for each set of options; return what became of each, by name."""
    results: dict[str, Result] = {}
    for number, options in enumerate(_distinct([form.options for form in forms])):
        chosen = [form for form in forms if form.options == options]
        results |= _run(kind, chosen, dict(options), folder / str(number))
    return results


def _run(kind: str, forms: Sequence[Form], options: dict[str, Any], folder: Path) -> dict[str, Result]:
    folder.mkdir(parents=True)
    rows = [{"id": form.name, "split": "train", **_cells(form, n, folder)} for n, form in enumerate(forms)]
    rows.append({**rows[0], "id": "not a form", "split": "val"})
    with (folder / "table.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    flags: dict[str, Any] = {} if kind == "table" else {kind: ["input"]}
    preprocess(str(folder / "table.jsonl"), folder / "out", **{**flags, **options})
    artifact = Artifact(folder / "out")
    name = next(iter(artifact.modalities))
    problems = {entry.id: entry for entry in artifact.ledger()}
    column = artifact.take(name, np.arange(len(forms)))
    results = {}
    for row, form in enumerate(forms):
        found = problems.get(form.name)
        values = {key: value.item(row) for key, value in column.fields.items()}
        results[form.name] = Result(found.status if found else "ok", found.reason if found else "", values)
    return results


def _cells(form: Form, number: int, folder: Path) -> dict[str, Any]:
    content = form.content()
    if isinstance(content, Mapping):
        return dict(content)
    if isinstance(content, bytes):
        path = folder / f"{number}{form.suffix}"
        path.write_bytes(content)
        return {"input": path.name}
    return {"input": content}


def run_table(form: TableForm, folder: Path) -> list[dict[str, Any]] | str:
    """Preprocess a table; return the raw columns of its rows, or the line that refuses it."""
    source = form.write(folder)
    try:
        preprocess(source, folder / "out", **form.options)
    except MmcliError as error:
        assert not (folder / "out").exists()
        return " ".join(str(error).split()).replace(str(folder), "{folder}")
    rows = list(Artifact(folder / "out").rows)
    return [{key: value for key, value in row.items() if key not in ("row", "status")} for row in rows]


def _distinct(values: Sequence[Any]) -> list[Any]:
    return [value for number, value in enumerate(values) if value not in values[:number]]
