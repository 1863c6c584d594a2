"""Columns against plain Python lists of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcli.errors import MmcliError
from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec, Ragged, assemble, concatenate

QUICK = settings(max_examples=80, deadline=None, derandomize=True)
WIDE = FieldSpec("ragged", "int32", (2,), "TD")
FLAT = FieldSpec("ragged", "int32", (), "T")
FIXED = FieldSpec("dense", "int32", (2,), "D")
pairs = st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)).map(list), max_size=4)
rows_of_pairs = st.lists(st.one_of(st.none(), pairs), max_size=8)
dense_rows = st.lists(st.one_of(st.none(), st.lists(st.integers(-99, 99), min_size=2, max_size=2)), max_size=8)


def ragged(rows):
    items = [None if row is None else np.array(row, np.int32).reshape(-1, 2) for row in rows]
    return assemble(WIDE, items)


def column_of(rows, start=0):
    present = np.array([row is not None for row in rows], bool)
    keys = np.array([[start + place] * 16 for place in range(len(rows))], np.uint8).reshape(-1, 16)
    flat = assemble(FLAT, [None if row is None else np.arange(len(row), dtype=np.int32) for row in rows])
    return Column({"": ragged(rows), "steps": flat}, present, keys)


def lists_of(tensor):
    return [tensor.item(row).tolist() for row in range(len(tensor))]


class TestRagged:
    @QUICK
    @given(rows_of_pairs)
    def test_assemble_keeps_every_row(self, rows):
        tensor = ragged(rows)
        assert lists_of(tensor) == [row or [] for row in rows]
        assert tensor.offsets.tolist() == [sum(len(row or []) for row in rows[:end]) for end in range(len(rows) + 1)]
        assert tensor.values.shape == (tensor.offsets[-1], 2)
        assert tensor.values.dtype == np.int32
        assert tensor.offsets.dtype == np.int64

    @QUICK
    @given(rows_of_pairs, st.data())
    def test_take_is_indexing(self, rows, data):
        order = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10) if rows else st.just([]))
        taken = ragged(rows).take(np.array(order, np.int64))
        assert lists_of(taken) == [rows[place] or [] for place in order]
        assert taken.offsets[0] == 0
        assert len(taken.values) == taken.offsets[-1]

    @QUICK
    @given(rows_of_pairs, st.data())
    def test_looked_at_rows_are_those_taken_and_share_memory_where_they_follow_one_another(self, rows, data):
        column = column_of(rows)
        start = data.draw(st.integers(0, len(rows)))
        together = np.arange(start, data.draw(st.integers(start, len(rows))))
        scattered = data.draw(st.permutations(together.tolist()))
        for order in (together, np.array([*scattered, *scattered[:1]], np.int64)):
            looked, taken = column.look(order), column.take(order)
            for name in column.fields:
                assert lists_of(looked.fields[name]) == lists_of(taken.fields[name])
                assert looked.fields[name].offsets.tolist() == taken.fields[name].offsets.tolist()
            assert looked.present.tolist() == taken.present.tolist()
            assert looked.key.tolist() == taken.key.tolist()
        assert not len(together) or np.shares_memory(column.look(together).key, column.key)

    @QUICK
    @given(rows_of_pairs)
    def test_taken_from_the_middle_of_a_larger_array(self, rows):
        """What a shard maps need not begin where the first row taken does."""
        tensor = ragged([[[7, 7]], *rows, [[8, 8]]])
        assert lists_of(tensor.take(np.arange(1, len(rows) + 1))) == [row or [] for row in rows]

    @QUICK
    @given(rows_of_pairs, st.data())
    def test_take_by_a_mask(self, rows, data):
        mask = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        taken = ragged(rows).take(np.array(mask, bool))
        assert lists_of(taken) == [row or [] for row, kept in zip(rows, mask, strict=True) if kept]

    def test_taken_rows_are_copies(self):
        tensor = ragged([[[1, 2]], [[3, 4]]])
        tensor.take(np.array([0, 1])).values[:] = 0
        assert lists_of(tensor) == [[[1, 2]], [[3, 4]]]


class TestDense:
    @QUICK
    @given(dense_rows, st.data())
    def test_assemble_and_take(self, rows, data):
        tensor = assemble(FIXED, [None if row is None else np.array(row, np.int32) for row in rows])
        plain = [row or [0, 0] for row in rows]
        assert lists_of(tensor) == plain
        assert tensor.values.shape == (len(rows), 2)
        order = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=10) if rows else st.just([]))
        assert lists_of(tensor.take(np.array(order, np.int64))) == [plain[place] for place in order]


class TestAssembleRefuses:
    @pytest.mark.parametrize("shape", [(3,), (2, 1), (), (1, 2)])
    def test_a_dense_item_of_another_shape(self, shape):
        with pytest.raises(MmcliError, match=r"expected \(2,\)"):
            assemble(FIXED, [np.zeros(2), None, np.zeros(shape)])

    @pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 2, 2)])
    def test_steps_of_another_shape(self, shape):
        with pytest.raises(MmcliError, match=r"expected \(2,\)"):
            assemble(WIDE, [np.zeros((5, 2)), np.zeros(shape)])

    def test_an_empty_item_of_another_width(self):
        with pytest.raises(MmcliError):
            assemble(WIDE, [np.zeros((0, 3))])


class TestConcatenate:
    @QUICK
    @given(st.lists(rows_of_pairs, min_size=1, max_size=4))
    def test_one_after_the_other(self, parts):
        whole = concatenate([column_of(rows, 10 * place) for place, rows in enumerate(parts)])
        rows = [row for part in parts for row in part]
        assert lists_of(whole.main) == [row or [] for row in rows]
        assert lists_of(whole.fields["steps"]) == [list(range(len(row or []))) for row in rows]
        assert whole.present.tolist() == [row is not None for row in rows]
        keys = [10 * place + row for place, part in enumerate(parts) for row in range(len(part))]
        assert whole.key[:, 0].tolist() == keys
        assert len(whole) == len(rows)

    @QUICK
    @given(st.lists(rows_of_pairs, min_size=1, max_size=4), st.randoms(use_true_random=False))
    def test_then_shuffled(self, parts, random):
        rows = [row for part in parts for row in part]
        order = random.sample(range(len(rows)), len(rows))
        taken = concatenate([column_of(part) for part in parts]).take(np.array(order, np.int64))
        assert lists_of(taken.main) == [rows[place] or [] for place in order]
        assert taken.present.tolist() == [rows[place] is not None for place in order]

    def test_dense(self):
        parts = [
            Column({"": Dense(np.full((n, 2), n))}, np.ones(n, bool), np.zeros((n, 16), np.uint8)) for n in (2, 0, 1)
        ]
        assert concatenate(parts).main.values.tolist() == [[2, 2], [2, 2], [1, 1]]

    def test_offsets_that_do_not_begin_with_zero_are_lengths_only(self):
        """A ragged column may be a view of a larger one's rows."""
        column = column_of([[[1, 1]], [[2, 2], [3, 3]]]).take(np.array([1]))
        assert lists_of(concatenate([column, column]).main) == [[[2, 2], [3, 3]]] * 2


class TestSpec:
    SPEC = ModalitySpec(
        "audio", "clip", "mfcc:n_mfcc=20", "ab", {"": WIDE, "x": FIXED}, "whole", {"sample_rate": 16000, "a": [1, None]}
    )

    def test_comes_back_from_json(self):
        import json

        assert ModalitySpec.from_json(json.loads(json.dumps(self.SPEC.to_json()))) == self.SPEC

    def test_main_is_the_field_without_name(self):
        assert self.SPEC.main is WIDE

    @pytest.mark.parametrize(
        ("form", "size"),
        [
            (FieldSpec("dense", "uint8", (3, 4, 5), "CHW"), 60),
            (FieldSpec("dense", "float32", (), ""), 4),
            (FieldSpec("ragged", "int16", (), "S", 16000), 32000),
            (FieldSpec("ragged", "float16", (20,), "TD"), 40 * 1024),
        ],
    )
    def test_row_bytes(self, form, size):
        assert form.row_bytes() == size


def test_texts_are_unicode():
    texts = ["", "né", "漢字\u2028x"]
    items = [np.frombuffer(text.encode(), np.uint8) for text in texts]
    tensor = assemble(FieldSpec("ragged", "uint8", (), "T"), [None, *items])
    column = Column({"": tensor}, np.array([False, True, True, True]), np.zeros((4, 16), np.uint8))
    assert column.texts("") == ["", *texts]


def test_ragged_without_rows():
    empty = Ragged(np.zeros((0, 2)), np.zeros(1, np.int64))
    assert len(empty) == 0
    assert len(empty.take(np.array([], np.int64))) == 0
