"""Tables in the dialects that programs write, held against what the csv module and pandas wrote and read."""

from __future__ import annotations

import csv
import io
import random
import re

import pandas
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.store.sources.delimited import DelimitedRows
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.opening import open_table

WORDS = [
    "one",
    "",
    "a b",
    'say "so"',
    "x,y",
    "x;y",
    "x|y",
    "tab\there",
    "line\nend",
    "cr\r\nlf",
    "'",
    "1",
    "1.5",
    "#",
    "é",
]
PLAIN = [word for word in WORDS if not set(word) & set('"\t\n\r')]


def read(text, tabs=False, **options):
    found = DelimitedRows(io.StringIO(text, newline=""), "t", TableText(**options), tabs=tabs)
    return [list(row.values()) for _, row in found], found


def drawn(seed, words, count=12, width=3):
    generator = random.Random(seed)
    return [[f"r{number}", *generator.choices(words, k=width)] for number in range(count)]


def written(rows, names, **dialect):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n", **dialect).writerows([names, *rows])
    return out.getvalue()


NAMES = ["id", "a", "b", "c"]


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("seed", range(10))
def test_output_of_the_csv_module_is_read_back(delimiter, quoting, seed):
    rows = drawn(seed, WORDS)
    assert read(written(rows, NAMES, delimiter=delimiter, quoting=quoting))[0] == rows


@pytest.mark.parametrize("delimiter", ["\t", "|", "^"])
@pytest.mark.parametrize("seed", range(10))
def test_cells_quoted_throughout_are_unquoted_whatever_the_delimiter(delimiter, seed):
    rows = drawn(seed, WORDS)
    for quoting in (csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC):
        text = written(rows, NAMES, delimiter=delimiter, quoting=quoting)
        assert read(text, tabs=delimiter == "\t")[0] == rows


@pytest.mark.parametrize("seed", range(20))
def test_tsv_output_of_pandas_is_read_back(seed):
    rows = drawn(seed, WORDS)
    text = pandas.DataFrame(rows, columns=NAMES).to_csv(sep="\t", index=False)
    assert read(text, tabs=True)[0] == rows


@pytest.mark.parametrize("seed", range(20))
def test_a_tsv_whose_quotes_are_characters_keeps_them(seed):
    generator = random.Random(seed)
    words = [*PLAIN, '"', '"Hello', 'she left "', '"Yes" she said', '6" nail', '""', '"a" and "b"', "it's"]
    rows = [[f"r{number}", *generator.choices(words, k=3)] for number in range(20)]
    rows.append(["last", '"Hello', "x", 'bare " inside'])
    text = "".join("\t".join(row) + "\n" for row in [NAMES, *rows])
    found, table = read(text, tabs=True)
    assert found == rows
    assert table.notes == ["quotes are read as part of the cells (--quoting minimal removes them)"]
    expected = pandas.read_csv(io.StringIO(text), sep="\t", quoting=csv.QUOTE_NONE, dtype=str, keep_default_na=False)
    assert found == expected.to_numpy().tolist()


def test_quoting_is_what_is_asked():
    text = 'id\ttext\na\t"x"\nb\t"y"\n'
    assert read(text, quoting="minimal")[0] == [["a", "x"], ["b", "y"]]
    assert read(text, quoting="none")[0] == [["a", '"x"'], ["b", '"y"']]
    assert read('id,text\na,"x\nb,y"\n', quoting="none")[0] == [["a", '"x'], ["b", 'y"']]


def test_a_quoted_cell_that_swallows_rows_is_reported():
    rows, table = read('id,text,label\n1,"Hello there,x\n2,plain,y\n3,more,y\n4,she left ",x\n5,bye,x\n')
    assert len(rows) == 2
    (warning,) = table.warnings
    assert warning.startswith("t, line 2: a quoted cell spans 4 lines that look like rows of their own")
    assert read('id,text,label\n1,"two\nlines, of text",x\n2,"a\n\nb",y\n')[1].warnings == []


@pytest.mark.parametrize(
    ("text", "options", "rows"),
    [
        ("a~b\n1~2\n", {"delimiter": "~"}, [["1", "2"]]),
        ("a\tb\n1\t2,3\n", {"delimiter": "tab"}, [["1", "2,3"]]),
        ("a,b c\n1,2 3\n", {"delimiter": "space"}, [["1,2", "3"]]),
        ("sep=|\na|b\n1|2,3\n", {}, [["1", "2,3"]]),
        ('"sep=;"\r\na;b\r\n1;2\r\n', {}, [["1", "2"]]),
        ("#chrom\tstart\nx\t1\n", {}, [["x", "1"]]),
        ("# a comment, with a comma\na,b,c\n1,2,3\n", {}, [["1", "2", "3"]]),
        ("a, b\n1, 2\n3, 4\n", {}, [["1", "2"], ["3", "4"]]),
        ("a, b\n1,2\n3, 4\n", {}, [["1", "2"], ["3", " 4"]]),
        ("a,b,\n1,2,\n3,4\n", {}, [["1", "2"], ["3", "4"]]),
        ("a,b\n1,2,\n3,4,,\n", {}, [["1", "2"], ["3", "4"]]),
        ("1,2\n3,4\n", {"header": ["a,b"]}, [["1", "2"], ["3", "4"]]),
    ],
)
def test_dialects(text, options, rows):
    assert read(text, **options)[0] == rows


def test_line_numbers_count_what_stands_before_the_header():
    for text in ("sep=;\nid;x\na;1\nb\n", "# one\nid;x\na;1\nb\n"):
        with pytest.raises(MmcliError, match=r"^t, line 4: 1 cells, expected 2 as in the header \(delimiter ';'"):
            read(text)


def test_an_index_without_a_name_gets_one():
    for text in (",a\n0,x\n", '"","a"\n"0","x"\n'):
        found, table = read(text)
        assert table.columns == ["index", "a"]
        assert found == [["0", "x"]]
        assert "is used only if an option names it" in table.notes[0]
    assert read(",index\n0,x\n")[1].columns == ["index_of_rows", "index"]


def test_a_table_without_a_header_is_reported_or_refused():
    assert "if the table has no header" in read("5.1,3.5\n4.9,3\n")[1].warnings[0]
    assert read("country,2019,2020\nx,1,2\n")[1].warnings == []
    with pytest.raises(MmcliError, match="--header NAME,NAME"):
        read('LJ001|He said, "no|he said no\nLJ002|bye|bye\n')
    assert read('LJ001|He said, "no|he said no\n', header=["id", "raw,text"])[0] == [
        ["LJ001", 'He said, "no', "he said no"]
    ]
    with pytest.raises(MmcliError, match="3 cells, expected 2"):
        read("a|b|c\n", header=["x,y"])


def test_options_that_cannot_be():
    for delimiter in ("", "ab", '"', "\n"):
        with pytest.raises(UsageError, match="--delimiter"):
            TableText(delimiter=delimiter)
    with pytest.raises(UsageError, match="column names must be unique"):
        TableText(header=["a,b", "a"])


def test_a_header_of_many_columns_is_checked_at_once():
    names = [f"c{number}" for number in range(30_000)]
    assert read(",".join(names) + "\n" + "1," * 29_999 + "1\n")[1].columns == names


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("t.csv", TableText(sheet="two"), "--sheet two: {} is not a workbook"),
        ("t.jsonl", TableText(sheet="two"), "--sheet two: {} is not a workbook"),
        ("t.jsonl", TableText(delimiter=";"), "--delimiter: {} is not delimited text"),
        ("t.jsonl", TableText(quoting="none", header=["a"]), "--quoting, --header: {} is not delimited text"),
        ("folder", TableText(header=["a"]), "--header: {} is not delimited text"),
    ],
)
def test_options_without_meaning_for_the_format_are_refused(tmp_path, name, text, said):
    path = tmp_path / name
    if name == "folder":
        (path / "a").mkdir(parents=True)
        (path / "a" / "x.txt").write_text("x")
    else:
        path.write_text('{"a": 1}\n' if name.endswith("l") else "a\n1\n")
    assert len(list(open_table(str(path)).rows)) == 1
    with pytest.raises(UsageError, match=re.escape(said.format(path))):
        open_table(str(path), text=text)
