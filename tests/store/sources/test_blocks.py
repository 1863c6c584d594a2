"""Tables read in blocks: the same rows, places and refusals as row by row, wherever a block ends."""

from __future__ import annotations

import gzip
import itertools
import json
import random

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.rows import dump_row
from mmcli.store.sources import blocks
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.opening import open_table
from mmcli.store.string_rows import SpooledStrings, string_rows

TRIES = 600
PLAIN = ["1", "-2.5", "", "abc", "1e5", " x ", "NA", "ä", "日本", "a'b", "\\", "0x1", "\u2028", "\x1b[31m"]
ODD = ['"a,b"', '"line\nend"', '"two ""quotes"""', 'bare "quote', '"open', '"closed"x', "\x00", "cr\rhere"]


def read_by_rows(path, text):
    return outcome(path, text, lambda table: table.rows)


def read_by_blocks(path, text):
    return outcome(path, text, lambda table: (each for block in table.blocks() for each in block.placed()))


def outcome(path, text, rows_of):
    """Return the rows with their places up to an error, that error's words, and the warnings."""
    found: list[tuple[str, Row]] = []
    table = error = None
    try:
        table = open_table(str(path), text=text)
        for where, row in rows_of(table):
            found.append((where, dict(row)))
    except MmcliError as refused:
        error = str(refused)
    return found, error, table and table.warnings


def drawn_table(draw):
    """A table of which some have quotes, other line ends, empty and ragged lines, or a delimiter at every end."""
    width, delimiter = draw.randint(2, 5), draw.choice(",,;\t|")
    ends = draw.choice(["\n", "\n", "\r\n", "mixed", "\r"])
    tail = delimiter if draw.random() < 0.1 else ""
    odd = draw.choice([0.0, 0.0, 0.02, 0.2])
    lines = [delimiter.join(f"c{number}" for number in range(width)) + tail]
    for _ in range(draw.randint(0, 120)):
        if draw.random() < odd:
            lines.append(draw.choice(["", "   ", delimiter, "one", delimiter * (width + 1), '"']))
            continue
        cells = [draw.choice(ODD if draw.random() < odd else PLAIN) for _ in range(width)]
        lines.append(delimiter.join(cell.replace(delimiter, "_") if '"' not in cell else cell for cell in cells) + tail)
    text = "".join(line + (draw.choice(["\n", "\r\n"]) if ends == "mixed" else ends) for line in lines)
    return text if draw.random() < 0.8 else text.rstrip("\r\n")


class TestAgainstRows:
    @pytest.mark.parametrize("seed", range(6))
    def test_drawn_tables(self, tmp_path, monkeypatch, seed):
        draw = random.Random(seed)
        for number in range(TRIES // 6):
            monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", draw.choice([1, 2, 3, 50, 300, 2**20]))
            monkeypatch.setattr(blocks, "_ROWS_AT_ONCE", draw.choice([1, 7, 4096]))
            content = drawn_table(draw)
            encoded = draw.choice([content.encode()] * 4 + [content.encode("utf-8-sig"), content.encode() + b"\xff,\n"])
            path = tmp_path / f"{number}.{draw.choice(['csv', 'tsv'])}{draw.choice(['', '', '.gz'])}"
            path.write_bytes(gzip.compress(encoded) if path.suffix == ".gz" else encoded)
            text = TableText(quoting=draw.choice(["auto", "auto", "minimal", "none"]))
            assert read_by_blocks(path, text) == read_by_rows(path, text), encoded

    @pytest.mark.parametrize(
        "text", [TableText(header=("a,b",)), TableText("latin-1"), TableText("utf-16"), TableText(header=("a", "b"))]
    )
    def test_options_of_the_dialect_are_followed(self, tmp_path, text):
        path = tmp_path / "a.csv"
        path.write_bytes("a,b\r\n1,ä\r\n2,ö\r\n".encode(text.encoding))
        expected = read_by_rows(path, text)
        assert len(expected[0]) == (3 if text.header else 2)
        assert read_by_blocks(path, text) == expected

    @pytest.mark.parametrize("size", range(1, 16))
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_lines_without_cells_are_no_rows(self, tmp_path, monkeypatch, size, end):
        monkeypatch.setattr(blocks, "_BYTES_AT_ONCE", size)
        path = tmp_path / "a.csv"
        path.write_bytes(end.join(["a,b", "1,2", "3,4", "", "5,6", " ", "7,8", "", ""]).encode())
        rows, error, _ = read_by_blocks(path, TableText())
        assert ([where[-6:] for where, _ in rows], error) == (["line 2", "line 3", "line 5", "line 7"], None)

    def test_lines_before_the_header(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("sep=;\na;b\n1;2\n")
        rows, error, _ = read_by_blocks(path, TableText())
        assert (rows, error) == ([(f"{path}, line 3", {"a": "1", "b": "2"})], None)


class TestSpooledStrings:
    def spooled(self, count=5000, sizes=(1, 700, 3, 2000)):
        rows = [{"a": f'{n}\\ "q" \t\x01é', "id": f" r{n} ", "split": "TRAIN"} for n in range(count)]
        spool, done = SpooledStrings(["a", "id", "split"], "id", "split"), 0
        for size in itertools.cycle(sizes):
            part = rows[done : done + size]
            if not part:
                break
            spool.append(string_rows(["a", "id", "split"], [tuple(row.values()) for row in part]))
            done += len(part)
        return rows, spool.close(split_codes(count))

    def test_rows_and_their_json(self):
        rows, spool = self.spooled()
        splits = ("train", "val", "test")
        expected = [{"id": row["id"], "a": row["a"], "split": splits[n % 3]} for n, row in enumerate(rows)]
        assert list(spool) == expected
        assert [list(row) for row in spool.rows(0, 2)] == [["id", "a", "split"]] * 2, "ids come first"
        for start, stop in [(0, 1), (0, 5000), (699, 702), (2703, 2705), (4999, 5000), (7, 7)]:
            assert list(spool.rows(start, stop)) == expected[start:stop]
            assert [line + b"\n" for line in spool.lines(start, stop)] == list(map(dump_row, expected[start:stop]))
            assert list(spool.numbered(start, stop)) == [
                {**row, "row": number} for number, row in enumerate(expected[start:stop], start)
            ]
        assert spool.take([4000, 3, 3, 1500]) == [expected[4000], expected[3], expected[3], expected[1500]]
        assert list(spool.cells(["split", "none", "a"]))[:2] == [
            ("train", None, expected[0]["a"]), ("val", None, expected[1]["a"]),
        ]  # fmt: skip

    def test_numbered_where_there_are_no_ids(self):
        spool = SpooledStrings(["a"], "id", "split")
        for _ in range(3):
            spool.append(string_rows(["a"], [("x",), ("y",)]))
        assert [row["id"] for row in spool.close(split_codes(6))] == ["0", "1", "2", "3", "4", "5"]

    def test_other_splits(self):
        _, spool = self.spooled(4)
        changed = spool.with_splits("split", ["test", "test", "train", "val"])
        assert [row["split"] for row in changed] == ["test", "test", "train", "val"]
        assert json.loads(changed.lines(3, 4)[0])["split"] == "val"


def split_codes(count):
    return (np.arange(count) % 3).astype(np.uint8)
