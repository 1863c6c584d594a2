"""Rows as JSON lines: by position they are what reading the whole file says."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcli.errors import MmcliError
from mmcli.store import rows as rows_module
from mmcli.store.rows import RowFile, RowLines, dump_row, parse_row

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
AWKWARD = [
    {"a": ""},
    {"a": "one\u2028two\u2029three\x85four\x0bfive\x0csix\x1cseven"},
    {"a": "line\nfeed\r\nand return"},
    {},
    {"é": "漢字", "n": [1, 2.5, None, {"b": True}]},
    {"a": "x" * 5000},
    {"a": '\\ " \t \x00'},
    {"a": "\ud800 half a pair"},
    {"a": 2**70, "b": -0.0, "c": 1e-300},
]
cells = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
some_rows = st.lists(st.dictionaries(st.text(max_size=4), cells, max_size=3), max_size=12)


def written(path, rows):
    path.write_bytes(b"".join(dump_row(row) for row in rows))
    return RowFile(path)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("rows") / "manifest.jsonl"


class TestByPosition:
    @pytest.mark.parametrize("chunk", [1, 7, 16 * 2**20])
    def test_awkward_rows(self, tmp_path, monkeypatch, chunk):
        monkeypatch.setattr(rows_module, "_CHUNK", chunk)
        file = written(tmp_path / "rows.jsonl", AWKWARD)
        assert len(file) == len(AWKWARD)
        assert list(file) == AWKWARD
        for start in range(len(AWKWARD) + 1):
            for stop in range(start, len(AWKWARD) + 1):
                assert file.rows(start, stop) == AWKWARD[start:stop]

    def test_taken_in_any_order(self, tmp_path):
        file = written(tmp_path / "rows.jsonl", AWKWARD)
        assert file.take([5, 0, 5, 8]) == [AWKWARD[5], AWKWARD[0], AWKWARD[5], AWKWARD[8]]
        assert file.take([]) == []

    @QUICK
    @given(some_rows, st.integers(1, 40), st.data())
    def test_any_rows(self, place, rows, chunk, data):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rows_module, "_CHUNK", chunk)
            file = written(place, rows)
            assert len(file) == len(rows)
            start = data.draw(st.integers(0, len(rows)))
            stop = data.draw(st.integers(start, len(rows)))
            assert file.rows(start, stop) == rows[start:stop]
        assert list(file) == rows

    def test_an_empty_file(self, tmp_path):
        file = written(tmp_path / "rows.jsonl", [])
        assert len(file) == 0
        assert list(file) == file.rows(0, 0) == []

    def test_a_last_line_without_line_feed_is_a_row(self, tmp_path):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"a": 1}\n{"a": 2}')
        assert len(RowFile(path)) == len(list(RowFile(path))) == 2
        assert RowFile(path).rows(1, 2) == [{"a": 2}]

    def test_one_line_for_each_row(self):
        for row in AWKWARD:
            line = dump_row(row)
            assert line.endswith(b"\n")
            assert line.count(b"\n") == 1


class TestDump:
    def test_not_a_number_is_an_empty_cell(self):
        row = {"a": math.nan, "b": [1.0, math.nan, {"c": math.nan}], "d": 2.5, "e": "nan"}
        assert json.loads(dump_row(row)) == {"a": None, "b": [1.0, None, {"c": None}], "d": 2.5, "e": "nan"}

    def test_infinity_is_its_name(self):
        assert json.loads(dump_row({"a": math.inf, "b": -math.inf, "c": [math.inf]})) == {
            "a": "inf",
            "b": "-inf",
            "c": ["inf"],
        }

    def test_is_json_that_any_program_reads(self):
        line = dump_row({"a": math.nan, "b": math.inf})
        assert b"NaN" not in line
        assert b"Infinity" not in line

    def test_keys_keep_their_order_and_text_stays_text(self):
        assert dump_row({"z": "é", "a": 1}) == '{"z": "é", "a": 1}\n'.encode()


class TestBroken:
    @pytest.mark.parametrize(
        "line", [b"{", b'{"a": 1} x', b"", b"\xff{}", b'{"a": }', b'{"a": 1}{"b": 2}', b"[" * 100_000]
    )
    def test_not_json(self, line):
        with pytest.raises(MmcliError, match=r"^a\.jsonl, line 3: (not )?JSON"):
            parse_row(line, "a.jsonl, line 3")

    @pytest.mark.parametrize(
        ("line", "found"), [(b"[1]", "list"), (b'"a"', "str"), (b"null", "NoneType"), (b"1", "int")]
    )
    def test_not_an_object(self, line, found):
        with pytest.raises(MmcliError, match=f"where: expected a JSON object, found {found}"):
            parse_row(line, "where")

    def test_the_message_is_one_line(self):
        with pytest.raises(MmcliError) as caught:
            parse_row("{\n\n", "where")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("read", [list, lambda file: file.rows(1, 4), lambda file: file.take([2])])
    def test_is_named_by_its_number(self, tmp_path, read):
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": \n{"a": 4}\n')
        with pytest.raises(MmcliError, match=r"rows\.jsonl, line 3: not JSON"):
            read(RowFile(path))


def test_rows_kept_as_lines_are_those_that_were_added():
    rows = [{"id": "a", "value": 0.1 + 0.2, "labels": ["x"]}, {"id": "ü", "value": None}, {"id": "c", "value": 3}]
    kept = RowLines()
    for row in rows:
        kept.append(row)
    assert list(kept) == rows
    assert (kept[1], kept[-1], kept[:2], len(kept)) == (rows[1], rows[2], rows[:2], 3)
    assert b"".join(kept.lines) == b"".join(map(dump_row, rows))
