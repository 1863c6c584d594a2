"""From the flags that name columns to the modalities of preprocess: ``--text COL``, ``--image NAME=COL``, patterns."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmcli.errors import MmcliError, UsageError, unknown_name
from mmcli.options import coerce
from mmcli.reporting import Reporter
from mmcli.store.columns import FUSED
from mmcli.tables.intake import Intake, require_column
from mmcli.tables.kinds import holds_members, infer_column, infer_kinds, numbers_in_disguise

TABLE = "table"
_SHOWN = 20
_ONE_COLUMN = ("text", "image", "audio", "video")


@dataclass(frozen=True)
class ModalityPlan:
    """One modality to be made: its kind, its columns, and what only its kind needs."""

    kind: str
    columns: tuple[str, ...]
    extra: Mapping[str, Any]


def plan_modalities(flags: Mapping[str, Sequence[str]], intake: Intake, reporter: Reporter) -> dict[str, ModalityPlan]:
    """Return the modalities by name.

    Args:
        flags: What each of text, image, audio, video, numeric, categorical and tensor was given.
        intake: The table.
        reporter: Is told the kinds that were inferred.

    Raises:
        MmcliError: A column is not in the table, or two modalities have one name.
    """
    if not any(flags.values()):
        flags = _infer(intake, reporter)
    plans: dict[str, ModalityPlan] = {}
    for kind in _ONE_COLUMN:
        for flag in flags.get(kind, ()):
            name, column = _named(flag)
            require_column(column, intake.columns, intake.table.name)
            if kind == "text":
                _refuse_bytes(column, f"--text {flag}", intake)
            _add(plans, name or column, ModalityPlan(kind, (column,), {}))
    for flag in flags.get("tensor", ()):
        name, place = _named(flag)
        if name is not None and place not in intake.columns:
            _add(plans, name, ModalityPlan("tensor", (), {"array": place}))
        else:
            require_column(place, intake.columns, intake.table.name)
            _add(plans, name or place, ModalityPlan("tensor", (place,), {}))
    columns: dict[str, list[str]] = {"numeric": [], "categorical": []}
    for kind, unnamed in columns.items():
        for flag in flags.get(kind, ()):
            name, pattern = _named(flag)
            matched = _match(pattern, intake)
            if kind == "categorical" and matched == [pattern]:
                _refuse_bytes(pattern, f"--categorical {flag}", intake)
            if name is None:
                unnamed += matched
            elif kind == "categorical":
                raise UsageError(
                    f"--categorical {flag}: categorical columns have no name of their own; they are {TABLE!r}"
                )
            else:
                _add(plans, name, ModalityPlan("tensor", tuple(matched), {"numeric": True}))
    if columns["numeric"] or columns["categorical"]:
        extra = {kind: tuple(dict.fromkeys(names)) for kind, names in columns.items()}
        _add(plans, TABLE, ModalityPlan("table", (*extra["numeric"], *extra["categorical"]), extra))
    if not plans:
        raise MmcliError(
            f"{intake.table.name}: no column to learn from; name some with --text, --image, --audio, --numeric …"
        )
    return plans


def _refuse_bytes(column: str, option: str, intake: Intake) -> None:
    """Refuse to take the names of bytes inside a file for words or categories."""
    cells = [row.get(column) for row in intake.head]
    if intake.table.holds_members and holds_members(cells):
        raise MmcliError(
            f"{intake.table.name}: {option}: the column holds bytes, not text; cast it to text (pyarrow's string) "
            "where it is, or name it with --image, --audio, --video or --tensor"
        )


def plan_padding(
    plans: dict[str, ModalityPlan], lengths: Sequence[str], pad_values: Sequence[str], columns: Sequence[str]
) -> None:
    """Add to tensor modalities what says which steps of a sequence are padding: ``NAME=COLUMN``, a file, or a number.

    Raises:
        MmcliError: A text does not follow the grammar, or names no tensor modality.
    """
    for option, texts in (("--lengths", lengths), ("--pad-value", pad_values)):
        for text in texts:
            name, place = _named(text)
            tensors = [known for known, plan in plans.items() if plan.kind == "tensor"]
            if name not in tensors:
                raise unknown_name(f"tensor modality in {option} {text}", str(name or text), tensors)
            told: dict[str, Any]
            if option == "--lengths":
                told = {"lengths_column" if place in columns else "lengths_file": place}
            else:
                told = {"pad_value": coerce(f"{option} {name}", place, float)}
            plan = plans[name]
            plans[name] = ModalityPlan(plan.kind, plan.columns, {**plan.extra, **told})


def _infer(intake: Intake, reporter: Reporter) -> dict[str, list[str]]:
    roles = intake.roles
    old_splits = infer_column(intake.columns, ["split"])
    own = (roles.id, roles.split, *roles.targets, roles.group, old_splits)
    taken = {column for column in own if column is not None}
    found = infer_kinds(intake.head, taken)
    unused = found.pop("", [])
    told = [_told_kind(kind, names) for kind, names in found.items()]
    reporter.note(f"kinds inferred: {', '.join(told) or 'none'} (name columns with --text, --image … to choose)")
    if unused:
        reporter.note(
            f"not used: {_shortened(unused)} (empty, dates, lists, bytes of no known kind, or another name in each "
            "row; --text, --categorical … take a column whatever it holds)"
        )
    for column in (*found.get("text", ()), *found.get("categorical", ()), *unused):
        marked = numbers_in_disguise([row.get(column) for row in intake.head])
        if marked is not None:
            cell, advised = marked
            reporter.warn(f"column {column!r}: not read as numbers, for cells such as {cell!r}; {advised}")
    return found


def _told_kind(kind: str, columns: Sequence[str]) -> str:
    if len(columns) <= _SHOWN:
        return ", ".join(f"{column} {kind}" for column in columns)
    return f"{len(columns)} columns {kind} ({_shortened(columns)})"


def _shortened(columns: Sequence[str]) -> str:
    """Return the names of columns; of many the first ones and the last."""
    if len(columns) <= _SHOWN:
        return ", ".join(columns)
    return f"{', '.join(columns[:3])}, …, {columns[-1]}"


def _named(flag: str) -> tuple[str | None, str]:
    name, equals, rest = flag.partition("=")
    if not equals:
        return None, flag
    if not name or not rest:
        raise UsageError(f"{flag!r}: expected a column, or NAME=COLUMN")
    return name, rest


def _match(pattern: str, intake: Intake) -> list[str]:
    matched = [column for column in intake.columns if fnmatch.fnmatchcase(column, pattern)]
    if not matched:
        raise MmcliError(f"{intake.table.name}: {unknown_name('column', pattern, intake.columns)}")
    return matched


def _add(plans: dict[str, ModalityPlan], name: str, plan: ModalityPlan) -> None:
    slug = re.sub(r"[^\w-]+", "_", name).strip("_") or "modality"
    if slug == FUSED:
        raise MmcliError(f"a modality would be named {FUSED!r}, the name that fuse gives its result; use NAME=COLUMN")
    if slug in plans:
        raise MmcliError(f"two modalities would be named {slug!r}; name one with NAME=COLUMN")
    plans[slug] = plan
