"""Raw tables of every form, and what is said of a damaged one."""

from __future__ import annotations

import io
import itertools
import json
import os
from datetime import date, datetime, time
from decimal import Decimal
from types import SimpleNamespace

import pyarrow
import pyarrow.parquet
import pytest

from mmcli.errors import MmcliError
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.opening import lines_as_they_come, open_table


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def rows_of(source, standard_input=None):
    return [row for _, row in open_table(source, standard_input).rows]


def places_of(source):
    return [where for where, _ in open_table(source).rows]


class TestCsv:
    def test_cells_stay_as_they_are(self, tmp_path):
        content = 'id,text,n\na," spaced ",1.50\nb,"say ""hi"", then\ngo\r\non",\nc,a;b\tc\u2028d,NaN\n'
        assert rows_of(write(tmp_path, "a.csv", content)) == [
            {"id": "a", "text": " spaced ", "n": "1.50"},
            {"id": "b", "text": 'say "hi", then\ngo\r\non', "n": ""},
            {"id": "c", "text": "a;b\tc\u2028d", "n": "NaN"},
        ]

    def test_places_are_lines_of_the_file(self, tmp_path):
        source = write(tmp_path, "a.csv", 'id,text\na,one\n\nb,"two\nlines"\nc,x\n')
        assert places_of(source) == [f"{source}, line {number}" for number in (2, 5, 6)]

    def test_one_column(self, tmp_path):
        assert rows_of(write(tmp_path, "a.csv", "text\none two\nthree\n")) == [{"text": "one two"}, {"text": "three"}]

    def test_a_long_cell(self, tmp_path):
        text = "x" * 1_000_000
        assert rows_of(write(tmp_path, "a.csv", f"id,text\na,{text}\n")) == [{"id": "a", "text": text}]

    def test_upper_case_suffix_and_txt(self, tmp_path):
        assert (
            rows_of(write(tmp_path, "A.CSV", "id\na\n"))
            == rows_of(write(tmp_path, "a.txt", "id\na\n"))
            == [{"id": "a"}]
        )

    def test_is_read_row_by_row(self, tmp_path):
        source = write(tmp_path, "a.csv", "id,text\na,one\nbroken\n")
        rows = open_table(source).rows
        assert next(rows)[1] == {"id": "a", "text": "one"}
        with pytest.raises(MmcliError, match="line 3"):
            next(rows)


class TestTsv:
    def test_only_tabs_part_cells(self, tmp_path):
        source = write(tmp_path, "a.tsv", "id\ta,b,c\n1\tx, y; z\n")
        assert rows_of(source) == [{"id": "1", "a,b,c": "x, y; z"}]


class TestJsonLines:
    @pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.json"])
    @pytest.mark.parametrize("start", ["", "\ufeff"])
    def test_rows(self, tmp_path, name, start):
        source = write(tmp_path, name, start + '{"id": 1, "t": "a\u2028b"}\r\n\n{"id": "2", "n": [1, null]}')
        assert rows_of(source) == [{"id": 1, "t": "a\u2028b"}, {"id": "2", "n": [1, None]}]
        assert places_of(source) == [f"{source}, line 1", f"{source}, line 3"]

    @pytest.mark.parametrize("line", ['{"id": ', "[1, 2]", "id,text", '"a"'])
    def test_a_broken_line_is_named(self, tmp_path, line):
        with pytest.raises(MmcliError, match=r"a\.jsonl, line 4"):
            rows_of(write(tmp_path, "a.jsonl", f'{{"id": 1}}\n\n{{"id": 2}}\n{line}\n'))


class TestParquet:
    def test_types_become_what_json_has(self, tmp_path):
        table = pyarrow.table(
            {
                "id": ["a", "b"],
                "n": pyarrow.array([1, None], pyarrow.int32()),
                "x": [0.5, None],
                "yes": [True, False],
                "when": pyarrow.array([datetime(2024, 2, 29, 12, 30), None], pyarrow.timestamp("us")),
                "fine": pyarrow.array([1_700_000_000_123_456_789, None], pyarrow.timestamp("ns", "UTC")),
                "day": [date(2024, 2, 29), None],
                "hour": [time(12, 30), None],
                "price": pyarrow.array([Decimal("1.25"), None], pyarrow.decimal128(5, 2)),
                "list": [[1, 2], None],
                "deep": [{"a": [Decimal("2.5")], "b": date(2024, 1, 1)}, None],
                "word": pyarrow.array(["x", "y"]).dictionary_encode(),
                "none": pyarrow.nulls(2),
            }
        )
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(table, path)
        first, second = rows_of(str(path))
        assert first == {
            "id": "a",
            "n": 1,
            "x": 0.5,
            "yes": True,
            "when": "2024-02-29T12:30:00",
            "fine": first["fine"],
            "day": "2024-02-29",
            "hour": "12:30:00",
            "price": 1.25,
            "list": [1, 2],
            "deep": {"a": [2.5], "b": "2024-01-01"},
            "word": "x",
            "none": None,
        }
        assert first["fine"].startswith("2023-11-14T22:13:20.123456")
        assert second == dict.fromkeys(first) | {"id": "b", "yes": False, "word": "y"}
        json.dumps([first, second], allow_nan=False)
        assert places_of(str(path)) == [f"{path}, row 1", f"{path}, row 2"]

    def test_more_rows_than_a_batch(self, tmp_path):
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"n": range(10_000)}), path, row_group_size=3000)
        assert [row["n"] for row in rows_of(str(path))] == list(range(10_000))

    @pytest.mark.parametrize("size", [0, 4, 100, -1, -10])
    def test_cut_off(self, tmp_path, size):
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"n": range(100)}), path)
        path.write_bytes(path.read_bytes()[:size])
        with pytest.raises(MmcliError, match=r"a\.parquet: not a whole Parquet file"):
            rows_of(str(path))

    @pytest.mark.parametrize("place", range(4, 100, 16))
    def test_damaged_inside(self, tmp_path, place):
        """Damage in the pages, past the first look at the file: an error, or the rows."""
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"n": range(100), "text": ["é"] * 100}), path)
        content = bytearray(path.read_bytes())
        content[place : place + 8] = b"\xff" * 8
        path.write_bytes(content)
        try:
            found = len(rows_of(str(path)))
        except MmcliError as error:
            found = str(error)
        assert found == 100 or ("a.parquet" in found and "\n" not in found)


class TestFolder:
    def make(self, folder, *names):
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"text of {path.name}", encoding="utf-8")
        return str(folder)

    def test_files_of_one_stem_are_one_sample(self, tmp_path):
        source = self.make(
            tmp_path / "data", "cat/1.jpg", "cat/1.txt", "cat/1.wav", "dog/1.JPEG", "dog/b.c.mp4", "cat/2.npy"
        )
        table = open_table(source)
        assert table.root == source
        empty = {"image": "", "text": "", "audio": "", "video": "", "tensor": ""}
        assert [row for _, row in table.rows] == [
            {
                "id": "cat/1",
                "label": "cat",
                **empty,
                "image": "cat/1.jpg",
                "text": "text of 1.txt",
                "audio": "cat/1.wav",
            },
            {"id": "cat/2", "label": "cat", **empty, "tensor": "cat/2.npy"},
            {"id": "dog/1", "label": "dog", **empty, "image": "dog/1.JPEG"},
            {"id": "dog/b.c", "label": "dog", **empty, "video": "dog/b.c.mp4"},
        ]

    def test_only_columns_that_some_sample_has(self, tmp_path):
        source = self.make(tmp_path, "a/1.png", "a/2.png")
        assert rows_of(source) == [{"id": f"a/{n}", "label": "a", "image": f"a/{n}.png"} for n in (1, 2)]

    def test_others_are_not_samples(self, tmp_path):
        source = self.make(tmp_path, "a/1.png", "readme.txt", "a/3.xyz", "a/.hidden.png", "a/4", ".cache/5.png")
        assert [row["id"] for row in rows_of(source)] == ["a/1"]

    def test_nothing_in_it(self, tmp_path):
        self.make(tmp_path, "1.png", "a/readme")
        with pytest.raises(MmcliError, match="no media files"):
            rows_of(str(tmp_path))


class TestOther:
    def test_not_there(self, tmp_path):
        with pytest.raises(MmcliError, match=r"gone\.csv: no such file"):
            open_table(str(tmp_path / "gone.csv"))

    @pytest.mark.parametrize("name", ["a.xls", "a", "a.zip", "a.pkl"])
    def test_an_unknown_form(self, tmp_path, name):
        with pytest.raises(MmcliError, match=r"unknown form .* expected \.csv, \.tsv, \.jsonl, \.parquet, \.arrow"):
            open_table(write(tmp_path, name, "id\n"))

    @pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
    def test_may_not_be_read(self, tmp_path, name, monkeypatch):
        def refuse(*arguments, **options):
            raise PermissionError(13, "Permission denied")

        source = write(tmp_path, name, "")
        monkeypatch.setattr("pathlib.Path.open", refuse)
        monkeypatch.setattr("pyarrow.parquet.ParquetFile", refuse)
        with pytest.raises(MmcliError, match=name):
            rows_of(source)

    @pytest.mark.parametrize(("source", "root"), [("a.csv", "."), ("deep/a.csv", "deep"), ("./a.csv", ".")])
    def test_media_are_beside_the_table(self, tmp_path, monkeypatch, source, root):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "deep").mkdir()
        write(tmp_path, source, "id\n")
        assert open_table(source).root == root


class TestStandardInput:
    CSV = ("\ufeffid,text\r\n", 'a,"one\n', '\u2028two"\r\n', "b,\n")
    ROWS = ({"id": "a", "text": "one\n\u2028two"}, {"id": "b", "text": ""})

    def test_csv(self, monkeypatch):
        stream = SimpleNamespace(buffer=io.BytesIO("".join(self.CSV).encode()))
        monkeypatch.setattr("sys.stdin", stream)
        table = open_table("-")
        assert (table.name, table.root) == ("standard input", ".")
        assert list(table.rows) == [("standard input, line 3", self.ROWS[0]), ("standard input, line 4", self.ROWS[1])]

    def test_csv_by_lines(self):
        assert rows_of("-", [line.encode() for line in self.CSV]) == [*self.ROWS]

    @pytest.mark.parametrize("start", ["", "\n", "\ufeff", "  "])
    def test_json_lines(self, start):
        lines = [(start + json.dumps(row) + "\n").encode() for row in self.ROWS[:1]]
        lines += [json.dumps(row).encode() + b"\n" for row in self.ROWS[1:]]
        assert rows_of("-", io.BytesIO(b"".join(lines))) == [*self.ROWS]

    @pytest.mark.parametrize("lines", [[], [b"\n", b"  \n"]])
    def test_nothing(self, lines):
        with pytest.raises(MmcliError, match="standard input has no rows"):
            rows_of("-", lines)

    @pytest.mark.parametrize(
        ("content", "line"),
        [
            (b'{"id": 1}\n{"id": 2}\n{"id"\n', 3),
            (b'\n\n{"id": 1}\n{"id"\n', 4),
            (b"id,text\na,b\nc\n", 3),
            (b"\n\nid,text\na,b\nc\n", 5),
        ],
        ids=["json", "json-after-blank-lines", "csv", "csv-after-blank-lines"],
    )
    def test_a_broken_line_is_named(self, content, line):
        with pytest.raises(MmcliError, match=f"standard input, line {line}:"):
            rows_of("-", io.BytesIO(content))

    @pytest.mark.parametrize("content", [b"id,text\na,\xe9\n", b'{"id": "\xe9"}\n'])
    def test_not_utf8(self, content):
        with pytest.raises(MmcliError, match="standard input"):
            rows_of("-", io.BytesIO(content))

    @pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
    @pytest.mark.parametrize("text", ["id,text\na,é\n", '{"id": "a", "text": "é"}\n', '[{"id": "a",\n "text": "é"}]'])
    def test_in_another_encoding(self, encoding, text):
        content = text.encode(encoding)
        found = [row for _, row in open_table("-", content.splitlines(keepends=True), TableText(encoding)).rows]
        assert found == [{"id": "a", "text": "é"}]

    def test_no_more_is_read_than_taken(self):
        def endless():
            yield b"id,text\n"
            for number in itertools.count():
                yield b"%d,x\n" % number

        rows = open_table("-", endless()).rows
        assert [row["id"] for _, row in itertools.islice(rows, 3)] == ["0", "1", "2"]


class TestLinesAsTheyCome:
    def test_a_group_is_all_that_came(self):
        reader, writer = os.pipe()
        os.set_blocking(reader, False)  # whoever waits for more than has come fails, and does not wait for ever
        groups = lines_as_they_come(reader)
        os.write(writer, b"one\ntw")
        assert next(groups) == [b"one"]
        os.write(writer, b"o\n\nthree\nfo")
        assert next(groups) == [b"two", b"", b"three"]
        os.write(writer, b"ur")
        os.write(writer, b"\n")
        assert next(groups) == [b"four"]
        os.write(writer, "é\u2028\r\nlast".encode())
        assert next(groups) == ["é\u2028\r".encode()]
        os.close(writer)
        assert list(groups) == [[b"last"]]
        os.close(reader)

    def test_nothing(self):
        reader, writer = os.pipe()
        os.close(writer)
        assert list(lines_as_they_come(reader)) == []
        os.close(reader)

    def test_a_line_longer_than_a_pipe(self, tmp_path):
        path = tmp_path / "lines"
        path.write_bytes(b"x" * 200_000 + b"\n" + b"y" * 70_000)
        handle = os.open(path, os.O_RDONLY)
        assert [line for group in lines_as_they_come(handle) for line in group] == [b"x" * 200_000, b"y" * 70_000]
        os.close(handle)
