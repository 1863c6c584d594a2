"""Sample rows of every modality kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmcli.store.columns import Array, Column, FieldSpec, ModalitySpec, assemble

ROWS = 7
_TEXTS = ("a red rose", "the sea", "sky and sea", "a", "red fire", "grass", "leaf leaf grass")
_SAMPLES = (1, 160, 900, 4000, 8000, 16000, 20001)


def sample_input(kind: str, side: int = 32) -> tuple[ModalitySpec, Column]:
    """Return a modality as preprocess would store it, and seven rows of it, all present.

    Args:
        kind: text, image, audio, video, table or tensor.
        side: Side of images and frames in pixels.
    """
    forms, items, facts = _MADE[kind](np.random.default_rng(0), side)
    columns = {name: assemble(form, items[name]) for name, form in forms.items()}
    spec = ModalitySpec(kind, kind, None, "00", forms, facts=facts)
    keys = np.random.default_rng(1).integers(1, 255, (ROWS, 16), dtype=np.uint8)
    return spec, Column(columns, np.ones(ROWS, bool), keys)


_Made = tuple[dict[str, FieldSpec], dict[str, list[Array]], dict[str, Any]]


def _text(random: np.random.Generator, side: int) -> _Made:
    del random, side
    forms = {
        "": FieldSpec("ragged", "int32", (), "T", 64),
        "text": FieldSpec("ragged", "uint8", (), "T"),
        "tokens": FieldSpec("ragged", "uint8", (), "T"),
    }
    items: dict[str, list[Array]] = {
        "": [np.arange(2, 2 + len(text.split()), dtype=np.int32) for text in _TEXTS],
        "text": [np.frombuffer(text.encode(), np.uint8) for text in _TEXTS],
        "tokens": [np.frombuffer("\n".join(text.split()).encode(), np.uint8) for text in _TEXTS],
    }
    return forms, items, {"vocabulary": 20, "language": "en"}


def _image(random: np.random.Generator, side: int) -> _Made:
    forms = {"": FieldSpec("dense", "uint8", (3, side, side), "CHW")}
    return forms, {"": list(random.integers(0, 256, (ROWS, 3, side, side), dtype=np.uint8))}, {"size": [side, side]}


def _audio(random: np.random.Generator, side: int) -> _Made:
    del side
    forms = {"": FieldSpec("ragged", "int16", (), "S", 160000)}
    items: dict[str, list[Array]] = {"": [random.integers(-9000, 9000, length, dtype=np.int16) for length in _SAMPLES]}
    return forms, items, {"sample_rate": 16000}


def _video(random: np.random.Generator, side: int) -> _Made:
    forms = {"": FieldSpec("ragged", "uint8", (3, side, side), "TCHW", 8)}
    items: dict[str, list[Array]] = {
        "": [random.integers(0, 256, (length, 3, side, side), dtype=np.uint8) for length in range(1, ROWS + 1)]
    }
    return forms, items, {"size": [side, side], "fps": 2.0}


def _table(random: np.random.Generator, side: int) -> _Made:
    del side
    forms = {"": FieldSpec("dense", "float32", (4,), "D"), "categories": FieldSpec("dense", "int32", (2,), "D")}
    items: dict[str, list[Array]] = {
        "": list(random.normal(size=(ROWS, 4)).astype(np.float32)),
        "categories": list(random.integers(0, 4, (ROWS, 2), dtype=np.int32)),
    }
    return forms, items, {"numeric": ["a", "b"], "categorical": ["c", "d"], "categories": [4, 4]}


def _tensor(random: np.random.Generator, side: int) -> _Made:
    del side
    forms = {"": FieldSpec("ragged", "float32", (5,), "TD", 64)}
    items: dict[str, list[Array]] = {
        "": [random.normal(size=(length, 5)).astype(np.float32) for length in range(1, ROWS + 1)]
    }
    return forms, items, {}


_MADE = {"text": _text, "image": _image, "audio": _audio, "video": _video, "table": _table, "tensor": _tensor}
