"""What every registered extractor must do, whatever it computes."""

from __future__ import annotations

import numpy as np
import pytest

from mmcli.chain.extractors import make_extractor
from mmcli.errors import MmcliError
from mmcli.registry import EXTRACTORS, Spec
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec, Ragged, assemble

ROWS = 7
KINDS = ("text", "image", "audio", "video", "table", "tensor")
NEEDS = {"word_vectors": {"path": "vectors.txt"}}
"""Options without which an extractor has nothing to work with: a file of the test's own."""
ARGUMENTS = {"frames": "hog"}
"""Extractors that are named with an argument."""
SLOW_NAMES = {"resnet50"}

CASES = [(kind, name) for kind in KINDS for name in EXTRACTORS[kind].names() if name not in SLOW_NAMES]


def make_input(kind: str) -> tuple[ModalitySpec, Column]:
    generator = np.random.default_rng(0)
    fields: dict[str, FieldSpec]
    facts: dict = {}
    if kind == "text":
        texts = ["a red rose", "the sea", "sky and sea", "a", "red fire", "grass", "leaf leaf grass"]
        fields = {
            "": FieldSpec("ragged", "int32", (), "T", 16),
            "text": FieldSpec("ragged", "uint8", (), "T"),
            "tokens": FieldSpec("ragged", "uint8", (), "T"),
        }
        items = {
            "": [np.arange(2, 2 + len(text.split()), dtype=np.int32) for text in texts],
            "text": [np.frombuffer(text.encode(), np.uint8) for text in texts],
            "tokens": [np.frombuffer("\n".join(text.split()).encode(), np.uint8) for text in texts],
        }
        facts = {"vocabulary": 20, "language": "en"}
    elif kind == "image":
        fields = {"": FieldSpec("dense", "uint8", (3, 64, 64), "CHW")}
        items = {"": list(generator.integers(0, 256, (ROWS, 3, 64, 64), dtype=np.uint8))}
        facts = {"size": [64, 64]}
    elif kind == "audio":
        lengths = [1, 160, 900, 4000, 8000, 16000, 20001]
        fields = {"": FieldSpec("ragged", "int16", (), "S", 160000)}
        items = {"": [generator.integers(-9000, 9000, length, dtype=np.int16) for length in lengths]}
        facts = {"sample_rate": 16000}
    elif kind == "video":
        fields = {"": FieldSpec("ragged", "uint8", (3, 32, 32), "TCHW", 8)}
        items = {"": [generator.integers(0, 256, (length, 3, 32, 32), dtype=np.uint8) for length in range(1, ROWS + 1)]}
        facts = {"size": [32, 32], "fps": 2.0}
    elif kind == "table":
        fields = {"": FieldSpec("dense", "float32", (4,), "D"), "categories": FieldSpec("dense", "int32", (2,), "D")}
        items = {
            "": list(generator.normal(size=(ROWS, 4)).astype(np.float32)),
            "categories": list(generator.integers(0, 4, (ROWS, 2), dtype=np.int32)),
        }
        facts = {"numeric": ["a", "b"], "categorical": ["c", "d"], "categories": [4, 4]}
    else:
        fields = {"": FieldSpec("ragged", "float32", (5,), "TD", 64)}
        items = {"": [generator.normal(size=(length, 5)).astype(np.float32) for length in (1, 2, 3, 4, 5, 6, 7)]}
    columns = {name: assemble(form, items[name]) for name, form in fields.items()}
    spec = ModalitySpec(kind, kind, None, "00", fields, facts=facts)
    return spec, Column(columns, np.ones(ROWS, bool), generator.integers(1, 255, (ROWS, 16), dtype=np.uint8))


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def made(request, tmp_path, monkeypatch):
    """A fitted extractor with its input: (kind, name, extractor, spec, column)."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors.txt").write_text("red 1 0 0.5\nsea 0 1 0.25\ngrass -1 0 0\n")
    kind, name = request.param
    spec, column = make_input(kind)
    extractor = make_extractor(spec, Spec(name, ARGUMENTS.get(name), NEEDS.get(name, {})), seed=0)
    if extractor.fitted:
        extractor.fit(spec, [column.take(np.arange(3)), column.take(np.arange(3, ROWS))])
    return kind, name, extractor, spec, column


def rows_of(features) -> list[np.ndarray]:
    return [np.asarray(features.item(row)) for row in range(len(features))]


def test_output_has_the_declared_form_and_is_finite(made):
    _, _, extractor, spec, column = made
    form = extractor.output(spec)
    features = extractor.extract(spec, column, Runtime(batch_size=4))
    assert isinstance(features, Dense if form.layout == "dense" else Ragged)
    assert len(features) == ROWS
    for row in rows_of(features):
        assert row.dtype == np.dtype(form.dtype)
        assert (row.shape if form.layout == "dense" else row.shape[1:]) == form.dims
        assert np.isfinite(row).all()
    assert len(form.axes) == len(form.dims) + (form.layout == "ragged")


def test_a_row_does_not_depend_on_its_neighbours_nor_on_the_workers(made):
    _, _, extractor, spec, column = made
    whole = rows_of(extractor.extract(spec, column, Runtime(batch_size=4)))
    again = rows_of(extractor.extract(spec, column, Runtime(batch_size=4, jobs=3)))
    order = np.array([5, 2, 6])
    some = rows_of(extractor.extract(spec, column.take(order), Runtime(batch_size=4)))
    for row in range(ROWS):
        np.testing.assert_array_equal(whole[row], again[row])
    for place, row in enumerate(order):
        np.testing.assert_array_equal(some[place], whole[row])


def test_features_differ_between_rows(made):
    _, _, extractor, spec, column = made
    rows = rows_of(extractor.extract(spec, column, Runtime(batch_size=4)))
    distinct = {row.tobytes() for row in rows}
    assert len(distinct) > 2, "the features say nothing of the input"


def test_state_is_all_it_learnt(made):
    _, name, extractor, spec, column = made
    other = make_extractor(spec, Spec(name, ARGUMENTS.get(name), NEEDS.get(name, {})), seed=0)
    if extractor.fitted:
        other.load_state(extractor.state())
    assert other.output(spec) == extractor.output(spec)
    one, two = (rows_of(each.extract(spec, column, Runtime(batch_size=4))) for each in (extractor, other))
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)


def test_an_empty_item_is_a_clear_error(made):
    _, _, extractor, spec, column = made
    if not any(isinstance(tensor, Ragged) for tensor in column.fields.values()):
        return  # dense rows cannot be empty
    empty = {
        name: Ragged(tensor.values[:0], np.zeros(2, np.int64)) if isinstance(tensor, Ragged) else tensor
        for name, tensor in column.take(np.arange(1)).fields.items()
    }
    with pytest.raises(MmcliError, match=r"empty|T = 0|no "):
        extractor.extract(spec, Column(empty, np.ones(1, bool), column.key[:1]), Runtime())
