"""Reads ``artifact.json`` and checks its form, so that later code can rely on it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError
from mmcli.store.checks import (
    ANYTHING,
    BOOL,
    HASH,
    INSIDE,
    NUMBER,
    OBJECT,
    TEXT,
    Each,
    Is,
    Record,
    check,
    one_of,
    or_null,
    whole_number,
)
from mmcli.store.keys import fingerprint
from mmcli.store.tensors import DTYPES, SHARD_ROWS

FORMAT = 1
"""The format number in every artifact.json. To change what is on disk, raise it, keep reading every earlier format
here, and add an artifact of the old format to ``tests/golden`` so that a test loads it forever."""

HEADER = "artifact.json"
MANIFEST = "manifest.jsonl"
CHAIN_STAGES = ("preprocess", "extract-features", "fuse", "index")
STATUSES = ("missing", "corrupt", "skipped")
_LARGEST_ROW = 2**31

_NAME = Is("a name", lambda value: isinstance(value, str) and value != "")
_FIELD = Record(
    {
        "layout": one_of(("dense", "ragged")),
        "dtype": one_of(tuple(DTYPES.values())),
        "dims": Each(list, whole_number(0, _LARGEST_ROW)),
        "axes": TEXT,
    },
    {"bound": whole_number()},
)
_MODALITY = Record(
    {
        "kind": one_of(("text", "image", "audio", "video", "table", "tensor")),
        "source": TEXT,
        "extractor": or_null(TEXT),
        "fingerprint": HASH,
        "fields": Each(dict, _FIELD, TEXT),
    },
    {"scaling": one_of(("column", "whole", "none")), "facts": OBJECT},
)
_TRANSFORM = Record(
    {
        "stage": one_of(CHAIN_STAGES),
        "version": whole_number(),
        "config": OBJECT,
        "states": Each(dict, HASH, INSIDE),
        "fingerprint": HASH,
    }
)
_COUNTS = Record({name: whole_number() for name in ("ok", *STATUSES)})
_TARGET = Is(
    "a string, a list of strings or null",
    lambda value: (
        value is None
        or isinstance(value, str)
        or (isinstance(value, list) and len(value) > 1 and all(isinstance(part, str) for part in value))
    ),
)
_HEADER = Record(
    {
        "stage": one_of((*CHAIN_STAGES, "train", "evaluate", "predict", "compare")),
        "digest": HASH,
        "rows": whole_number(),
        "rows_per_shard": whole_number(1, SHARD_ROWS),
        "columns": Record(
            {"id": TEXT, "split": TEXT},
            {"target": _TARGET, "group": or_null(TEXT), "empty_target": one_of(("error", "drop", "none"))},
        ),
        "modalities": Each(dict, _MODALITY, _NAME),
        "chain": Each(list, _TRANSFORM),
        "files": Each(dict, HASH, INSIDE),
    },
    {
        "counts": Each(dict, _COUNTS),
        "media_root": TEXT,
        "splits": Each(dict, whole_number()),
        "learnt_from": Each(dict, TEXT),
    },
    open=True,
)
_MODEL = Record(
    {
        "task": TEXT,
        "network": Record(
            {
                "method": TEXT,
                "projection": or_null(whole_number(1, 2**20)),
                "hidden": Each(list, whole_number(1, 2**20)),
                "dropout": NUMBER,
                "modality_dropout": NUMBER,
                "seed": whole_number(-(2**63), 2**64),
            },
            {"encoders": Each(dict, TEXT), "half": BOOL},
            open=True,
        ),
        "parameter_count": whole_number(),
        "best_epoch": or_null(whole_number()),
        "best_values": Each(dict, NUMBER),
        "stopped": BOOL,
        "source": ANYTHING,
    },
    open=True,
)


def read_header(path: Path) -> dict[str, Any]:
    """Return the ``artifact.json`` of a folder.

    Raises:
        MmcliError: The folder does not exist, is not an artifact, has a later format, or its header is damaged.
    """
    if not os.path.exists(path):
        raise MmcliError(f"{path}: no such artifact")
    if path.is_file():
        raise MmcliError(f"{path}: a file, not an artifact folder; mmcli preprocess makes an artifact from a table")
    file = path / HEADER
    if not os.path.isfile(file):
        raise MmcliError(f"{path}: not an mmcli artifact (it has no {HEADER})")
    try:
        header = json.loads(file.read_bytes())
        number = header["format"]
        header_digest(header)  # fails on NaN, which mmcli never writes
    except OSError as error:
        raise MmcliError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise MmcliError(f"{file}: damaged; make the artifact again") from None
    if type(number) is not int or not 1 <= number <= FORMAT:
        raise MmcliError(f"{file}: format {str(number)[:40]}, but this mmcli reads up to {FORMAT}; upgrade mmcli")
    check(header, _HEADER, str(file))
    if header["stage"] == "train":
        check(header, _MODEL, str(file))
    for name, spec in header["modalities"].items():
        _check_fields(spec["fields"], f"{file}: damaged, modalities, {name}, fields")
    _check_rows(path, header["rows"])
    return dict(header)


def header_digest(header: Mapping[str, Any]) -> str:
    """Return the artifact's hash: that of its header, which holds the hash of every other file."""
    return fingerprint({key: value for key, value in header.items() if key != "digest"})


def _check_fields(fields: Mapping[str, Any], where: str) -> None:
    if "" not in fields:
        raise MmcliError(f"{where}: the main field is missing; make it again")
    for name, form in fields.items():
        axes = len(form["dims"]) + (form["layout"] == "ragged")
        size = math.prod(form["dims"]) * np.dtype(form["dtype"]).itemsize
        if axes != len(form["axes"]) or size > _LARGEST_ROW:
            raise MmcliError(f"{where}, {name!r}: dims and axes do not fit each other or are too large; make it again")


def _check_rows(path: Path, rows: int) -> None:
    """Refuse a row count larger than the manifest's size in bytes, before memory is allocated for it."""
    manifest = path / MANIFEST
    if rows and (not manifest.is_file() or manifest.stat().st_size < rows):
        raise MmcliError(f"{path / HEADER}: damaged, {rows} rows, but {MANIFEST} has fewer; make the artifact again")
