"""Forms that a whole table may take, and damage done to it."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from tests.forms.form import TableForm

TEXT = {"text": ("text",)}
ONE, TWO = {"id": "a", "text": "one", "split": "train"}, {"id": "b", "text": "two", "split": "val"}
ROWS = (ONE, TWO)
CSV = "id,text,split\na,one,train\nb,two,val\n"
JSON = [json.dumps(row) for row in ROWS]


def file(name: str, content: str | bytes) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def read(
    name: str,
    write: Callable[[Path], str],
    rows: Sequence[Mapping[str, Any]] = ROWS,
    means: str = "",
    **options: Any,
) -> TableForm:
    return TableForm(name, write, rows, means=means, options={**TEXT, **options})


def refused(name: str, write: Callable[[Path], str], message: str, **options: Any) -> TableForm:
    return TableForm(name, write, message=message, options={**TEXT, **options})


def csv(name: str, content: str | bytes, rows: Sequence[Mapping[str, Any]] = ROWS, means: str = "", **options: Any):
    return read(name, file("a.csv", content), rows, means, **options)


def bad_csv(name: str, content: str | bytes, message: str, **options: Any) -> TableForm:
    return refused(name, file("a.csv", content), "{folder}/a.csv" + message, **options)


def lines(name: str, content: str | bytes, rows: Sequence[Mapping[str, Any]] = ROWS, means: str = "", **options: Any):
    return read(name, file("a.jsonl", content), rows, means, **options)


def bad_lines(name: str, content: str | bytes, message: str, **options: Any) -> TableForm:
    return refused(name, file("a.jsonl", content), "{folder}/a.jsonl" + message, **options)


def parquet(columns: Mapping[str, Any], **options: Any) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        table = pyarrow.table({**{key: [row[key] for row in ROWS] for key in ONE}, **columns})
        pyarrow.parquet.write_table(table, folder / "a.parquet", **options)
        return str(folder / "a.parquet")

    return write


def typed(name: str, column: pyarrow.Array, values: Sequence[Any], means: str) -> TableForm:
    rows = [{**row, "x": value} for row, value in zip(ROWS, values, strict=True)]
    return read(name, parquet({"x": column}), rows, means)


def no_rows(folder: Path) -> str:
    pyarrow.parquet.write_table(pyarrow.table({"id": pyarrow.array([], pyarrow.string())}), folder / "a.parquet")
    return str(folder / "a.parquet")


def same_name_twice(folder: Path) -> str:
    table = pyarrow.Table.from_arrays([pyarrow.array([1]), pyarrow.array([2])], ["n", "n"])
    pyarrow.parquet.write_table(table, folder / "a.parquet")
    return str(folder / "a.parquet")


def cut_off(folder: Path) -> str:
    path = Path(parquet({})(folder))
    path.write_bytes(path.read_bytes()[:-20])
    return str(path)


def tree(*names: str, content: bytes = b"one two") -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        for name in names:
            (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "in" / name).write_bytes(content)
        (folder / "in").mkdir(exist_ok=True)
        return str(folder / "in")

    return write


def sample(identity: str, split: str, text: str = "one two") -> dict[str, str]:
    return {"id": identity, "label": identity.split("/")[0], "text": text, "split": split}


ACCENTS = ({**ONE, "text": "café"}, {**TWO, "text": "10 €"})
ACCENTS_CSV = "id,text,split\na,café,train\nb,10 €,val\n"
TARGETS = "id,text,split,label\na,one,train,x\nb,two,val,y\n"
WITH_TARGETS = ({**ONE, "label": "x"}, {**TWO, "label": "y"})
LEAVE_OUT = ", move the sample to test, or drop such rows with --empty-target drop"
EMPTY = f"; fill it{LEAVE_OUT}; with --empty-target none an empty cell means no labels (multilabel)"
ODD = f"; fix it{LEAVE_OUT}"
ZERO = "a zero byte, which text never has: not a table, damaged, or UTF-16 (--encoding utf-16)"
NOT_UTF8 = "is not UTF-8; give the encoding, such as --encoding latin-1 or cp1252"


def numbers_and(cell: str) -> str:
    """A table of 40 rows whose target is a number, and one in which it is this cell."""
    rows = "".join(f"{n},{n},{'val' if n > 35 else 'train'},{n / 7}\n" for n in range(40))
    return f"id,n,split,label\n{rows}c,1,train,{cell}\n"


DELIMITER = " (delimiter ','; --delimiter and --quoting choose)"
CHARACTERS = " (--quoting none reads quotes as characters)"


def quotes(one: str, two: str = "two") -> tuple[dict[str, str], dict[str, str]]:
    return ({**ONE, "text": one}, {**TWO, "text": two})


def tsv(name: str, content: str, rows: Sequence[Mapping[str, Any]] = ROWS, means: str = "", **options: Any):
    return read(name, file("a.tsv", content.replace(",", "\t")), rows, means, **options)


CSV_FORMS = [
    csv("CSV", CSV),
    csv("byte order mark", "\ufeff" + CSV, means="removed"),
    csv("CRLF line ends", CSV.replace("\n", "\r\n")),
    csv("CR line ends", CSV.replace("\n", "\r")),
    csv("semicolons", CSV.replace(",", ";"), means="detected from the header"),
    csv("tabs", CSV.replace(",", "\t"), means="detected from the header"),
    read("tabs in .tsv", file("a.tsv", CSV.replace(",", "\t"))),
    csv("bars", CSV.replace(",", "|"), means="detected from the header"),
    csv("another delimiter, given", CSV.replace(",", "~"), delimiter="~"),
    csv("a space after each comma", 'id, text, split\na, "o, ne", train\nb, two, val\n', quotes("o, ne"),
        "not part of the cell"),
    csv("a first line sep=;", "sep=;\n" + CSV.replace(",", ";"), means="it sets the delimiter"),
    csv("comment lines before the header", "# made by x\n# on a day\n" + CSV, means="skipped, with a note"),
    csv("a delimiter at the end of each line", CSV.replace("\n", ",\n"), means="no extra column"),
    csv("an unnamed index column, as pandas writes", ",id,text,split\n0,a,one,train\n1,b,two,val\n",
        ({**ONE, "index": "0"}, {**TWO, "index": "1"}), "called index, used only if named"),
    csv("no header, names given", CSV.partition("\n")[2], header=["id,text,split"]),
    bad_csv("no header and bare quotes", 'a|say "one|train\nb|two|val\n',
            ": the first line (a, say \"one, train) looks like a row, not like column names; give the column names: "
            "--header NAME,NAME,…"),
    tsv("TSV, a bare quote at the start of a cell", 'id,text,split\na,"one,train\nb,two,val\n', quotes('"one'),
        "an ordinary character"),
    tsv("TSV, bare quotes that pair across rows", 'id,text,split\na,"one,train\nb,two",val\n', quotes('"one', 'two"'),
        "ordinary characters"),
    tsv("TSV, a quoted word", 'id,text,split\na,"one" she said,train\nb,"two",val\n', quotes('"one" she said', '"two"'),
        "ordinary characters"),
    tsv("TSV, every cell quoted", '"id","text","split"\n"a","one","train"\n"b","t""wo","val"\n', quotes("one", 't"wo'),
        "removed"),
    tsv("TSV, quotes only where needed, as pandas writes", 'id,text,split\na,"say ""one""",train\nb,"t\nwo",val\n',
        quotes('say "one"', "t\nwo"), "removed"),
    tsv("TSV, quoted words, quoting given", 'id,text,split\na,"one",train\nb,"two",val\n', quoting="minimal"),
    csv("CSV, quotes as ordinary characters", 'id,text,split\na,"one,train\nb,two",val\n', quotes('"one', 'two"'),
        quoting="none"),
    csv("every cell quoted", '"id","text","split"\n"a","one","train"\n"b","two","val"\n'),
    csv("delimiters in a quoted name", 'id,"a;b;c;d",text,split\na,,one,train\nb,,two,val\n',
        ({**ONE, "a;b;c;d": ""}, {**TWO, "a;b;c;d": ""})),
    csv("quoted delimiters, line ends and doubled quotes", 'id,text,split\na,"1, ""2""\r\n3",train\nb,two,val\n',
        ({**ONE, "text": '1, "2"\r\n3'}, TWO), "kept in the cell"),
    csv("blank lines", CSV.replace("\n", "\n\n"), means="skipped"),
    csv("blank lines of spaces", CSV.replace("\n", "\n  \n"), means="skipped"),
    csv("no final line end", CSV.rstrip()),
    csv("white space around column names", " id ,text\t, split\na,one,train\nb,two,val\n", means="removed"),
    bad_csv("duplicate column name", "id,text,text,split\na,1,2,train\n",
            ", line 1: columns 2 and 3 are both named 'text'; rename one"),
    bad_csv("a column without a name", "id,,text\na,1,2\n", ", line 1: column 2 has no name"),
    bad_csv("a row with too few cells", CSV + "c,three\n",
            ", line 4: 2 cells, expected 3 as in the header" + DELIMITER),
    bad_csv("a row with too many cells", CSV + "c,three,val,x\n",
            ", line 4: 4 cells, expected 3 as in the header" + DELIMITER),
    bad_csv("an unclosed quote", 'id,text,split\na,"one,train\nb,two,val\n',
            ", line 2: a quote opened in this row is never closed" + CHARACTERS),
    bad_csv("text after a closing quote", 'id,text,split\na,"one,train\nb,"two",val\n',
            ", line 3: text after a closing quote (the row begins on line 2); a quote inside a quoted cell is written "
            "twice" + CHARACTERS),
    bad_csv("a zero byte", CSV.replace("two", "t\0o"), f": {ZERO}"),
    bad_csv("a zero byte far into the table", CSV + "".join(f"{n},three,val\n" for n in range(9000)) + "\0",
            f", line 9004: {ZERO}"),
    bad_csv("only a header", "id,text,split\n", ": no rows; there is nothing to learn from"),
    bad_csv("an empty file", "", ": empty; expected a header line with the names of the columns"),
    bad_csv("a picture named .csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", f": {ZERO}"),
    bad_csv("Latin-1", ACCENTS_CSV.replace("€", "£").encode("latin-1"), f", line 2: byte 0xE9 {NOT_UTF8}"),
    csv("Latin-1, given", ACCENTS_CSV.replace("€", "£").encode("latin-1"),
        (ACCENTS[0], {**TWO, "text": "10 £"}), encoding="latin-1"),
    csv("Windows-1252, given", ACCENTS_CSV.encode("cp1252"), ACCENTS, encoding="cp1252"),
    csv("Shift JIS, given", "id,text,split\na,日本語,train\nb,two,val\n".encode("shift_jis"),
        ({**ONE, "text": "日本語"}, TWO), encoding="shift_jis"),
    csv("UTF-8 with a byte order mark, given", ("\ufeff" + ACCENTS_CSV).encode(), ACCENTS,
        encoding="utf8"),
    csv("UTF-16 with a byte order mark", ACCENTS_CSV.encode("utf-16"), ACCENTS, "detected from the mark"),
    csv("UTF-16, big-endian, with a byte order mark", ("\ufeff" + ACCENTS_CSV).encode("utf-16-be"), ACCENTS,
        "detected from the mark"),
    bad_csv("UTF-16 without a byte order mark", CSV.encode("utf-16-le"), f": {ZERO}"),
    csv("UTF-16 without a byte order mark, given", ACCENTS_CSV.encode("utf-16-le"), ACCENTS, encoding="utf-16-le"),
    refused("an unknown encoding", file("a.csv", CSV),
            "--encoding utf-9: unknown; expected one such as utf-8, latin-1, cp1252, utf-16 or shift_jis",
            encoding="utf-9"),
    refused("a spreadsheet", file("a.xlsx", b"PK\3\4"),
            "{folder}/a.xlsx: not a whole Excel workbook (File is not a zip file)"),
    read("CSV, gzip", file("a.csv.gz", gzip.compress(CSV.encode())), means="decompressed"),
    read("CSV, xz", file("a.csv.xz", lzma.compress(CSV.encode())), means="decompressed"),
    read("CSV, bzip2", file("a.csv.bz2", bz2.compress(CSV.encode())), means="decompressed"),
    read("CSV, Zstandard", file("a.csv.zst", pyarrow.compress(CSV.encode(), "zstd", asbytes=True)),
         means="decompressed"),
    refused("CSV, gzip, truncated", file("a.csv.gz", gzip.compress(CSV.encode())[:-12]),
            "{folder}/a.csv.gz: damaged or truncated gzip (Compressed file ended before the end-of-stream marker was "
            "reached)"),
    refused("an old Excel workbook", file("a.xls", b"\xd0\xcf"),
            "{folder}/a.xls: unknown form '.xls'; expected .csv, .tsv, .jsonl, .parquet, .arrow, .xlsx, .tar or a "
            "folder (save it as .xlsx or CSV)"),
]  # fmt: skip
JSON_FORMS = [
    lines("JSON Lines", "\n".join(JSON)),
    lines("byte order mark, CRLF line ends, blank lines", "\ufeff" + "\r\n\r\n".join(JSON) + "\r\n"),
    lines("keys that some rows lack", '{"id": "a", "text": "one", "split": "train", "n": 1}\n' + JSON[1],
          ({**ONE, "n": 1}, TWO), "the row has no such cell"),
    lines("numbers as ids", '{"id": 12345678901234567890, "text": "one", "split": "train"}\n' + JSON[1],
          ({**ONE, "id": 12345678901234567890}, TWO), "all digits kept"),
    lines("nested values", JSON[0][:-1] + ', "n": {"a": [1, null]}}\n' + JSON[1],
          ({**ONE, "n": {"a": [1, None]}}, TWO), "kept in the row, not used as a modality"),
    lines("NaN and Infinity", JSON[0][:-1] + ', "n": NaN, "m": [-Infinity]}\n' + JSON[1],
          ({**ONE, "n": None, "m": ["-inf"]}, TWO), "an empty cell; the word inf"),
    lines("Latin-1, given", '{"id": "a", "text": "café", "split": "train"}\n'.encode("latin-1") + JSON[1].encode(),
          (ACCENTS[0], TWO), encoding="latin-1"),
    read("a list of objects", file("a.json", json.dumps(ROWS)), means="object by object"),
    read("a list of objects over many lines", file("a.json", json.dumps(ROWS, indent=4)), means="object by object"),
    refused("a truncated list", file("a.json", json.dumps(ROWS)[:-1]),
            "{folder}/a.json, item 2: the list is not closed; is the file truncated?"),
    refused("a list of lists", file("a.json", "[[1, 2]]"),
            "{folder}/a.json, item 1: expected a JSON object, found list"),
    refused("one object over several lines", file("a.json", json.dumps(ONE, indent=4)),
            "{folder}/a.json, line 1: an object that spans several lines; expected one object per line, or a list of "
            "them (jq -c . puts each on its own line)"),
    bad_lines("columns instead of rows, as pandas writes by default",
              '{"id": {"0": "a", "1": "b"}, "text": {"0": "one", "1": "two"}}',
              ": one object of columns, expected one object per row (pandas: to_json(orient='records', "
              "lines=True))"),
    bad_lines("an invalid line", "\n".join([*JSON, '{"id": "c",']),
              ", line 3: not JSON (Expecting property name enclosed in double quotes at character 12)"),
    bad_lines("CSV named .jsonl", CSV, ", line 1: not JSON (Expecting value at character 1)"),
    bad_lines("duplicate key", '{"id": "a", "text": "one", "text": "two"}',
              ", line 1: two values are named 'text'"),
    bad_lines("100,000 nested lists", '{"id": ' + "[" * 100_000,
              ", line 1: JSON nested more than 64 levels deep"),
    bad_lines("100 nested lists", '{"id": "a", "n": ' + "[" * 100 + "]" * 100 + "}",
              ", line 1: JSON nested more than 64 levels deep"),
    bad_lines("a number of 100,000 digits", '{"id": "a", "n": ' + "7" * 100_000 + "}",
              ", line 1: JSON with a number of thousands of digits"),
    bad_lines("70 million characters in one line", '{"id": "' + "x" * 70_000_000,
              ", line 1: longer than 64 million characters; expected one row per line"),
    bad_lines("an empty file", "", ": no rows; there is nothing to learn from"),
    bad_lines("Latin-1", '{"id": "é"}'.encode("latin-1"), f", line 1: byte 0xE9 {NOT_UTF8}"),
]  # fmt: skip
PARQUET_FORMS = [
    read("Parquet", parquet({})),
    read("one row per row group", parquet({}, row_group_size=1)),
    typed("integers with nulls", pyarrow.array([1, None], pyarrow.int64()), [1, None], "null is an empty cell"),
    typed("booleans", pyarrow.array([True, False]), [True, False], ""),
    typed("float16", pyarrow.array([1.5, None], pyarrow.float16()), [1.5, None], "numbers"),
    typed("NaN and infinity", pyarrow.array([float("nan"), float("inf")]), [None, "inf"], "empty; the word inf"),
    typed("large strings", pyarrow.array(["é", None], pyarrow.large_string()), ["é", None], "text"),
    typed("dictionary of strings", pyarrow.array(["é", "x"]).dictionary_encode(), ["é", "x"], "text"),
    typed("decimals", pyarrow.array([Decimal("1.25"), None], pyarrow.decimal128(20, 2)), [1.25, None], "numbers"),
    typed("decimals with scale 0", pyarrow.array([Decimal(10**20), None], pyarrow.decimal128(30, 0)),
          [10**20, None], "integers, all digits kept"),
    typed("timestamps", pyarrow.array([datetime(2024, 2, 29, 12), None]), ["2024-02-29T12:00:00", None], "ISO text"),
    typed("dates", pyarrow.array([date(2024, 2, 29), None]), ["2024-02-29", None], "ISO text"),
    typed("lists", pyarrow.array([[1, 2], None]), [[1, 2], None], "lists, not used as a modality"),
    typed("structs", pyarrow.array([{"a": 1}, None]), [{"a": 1}, None], "objects, not used as a modality"),
    typed("maps", pyarrow.array([[("k", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int8())),
          [[["k", 1]], None], "lists of pairs"),
    read("bytes that are not media", parquet({"x": [b"a", b"b"]}),
         ({**ONE, "x": "a.parquet::x[0]"}, {**TWO, "x": "a.parquet::x[1]"}), "reported, not used"),
    typed("durations", pyarrow.array([90, None], pyarrow.duration("s")), [90.0, None], "seconds"),
    refused("no rows", no_rows, "{folder}/a.parquet: no rows; there is nothing to learn from"),
    refused("truncated", cut_off,
            "{folder}/a.parquet: not a whole Parquet file (Parquet magic bytes not found in footer. Either the file "
            "is corrupted or this is not a parquet file.)"),
    refused("CSV named .parquet", file("a.parquet", CSV),
            "{folder}/a.parquet: not a whole Parquet file (Parquet magic bytes not found in footer. Either the file "
            "is corrupted or this is not a parquet file.)"),
    refused("duplicate column name", same_name_twice,
            "{folder}/a.parquet, line 1: columns 1 and 2 are both named 'n'; rename one"),
]  # fmt: skip
FOLDER_FORMS = [
    read("class/file", tree("x/0.txt", "x/2.txt"),
         [sample("x/0", "train"), sample("x/2", "val")], "split by hash", split_ratio="0.5,0.5,0"),
    read("hidden and other files", tree("x/0.txt", "x/2.txt", "x/.3.txt", ".git/4.txt", "x/Thumbs.db", "README.md"),
         [sample("x/0", "train"), sample("x/2", "val")], "skipped", split_ratio="0.5,0.5,0"),
    read("a Latin-1 text file, encoding given", tree("x/0.txt", "x/2.txt", content=b"caf\xe9"),
         [sample("x/0", "train", "café"), sample("x/2", "val", "café")], split_ratio="0.5,0.5,0",
         encoding="latin-1"),
    refused("a Latin-1 text file", tree("x/0.txt", content=b"caf\xe9"),
            f"{{folder}}/in/x/0.txt, line 1: byte 0xE9 {NOT_UTF8}"),
    read("split/class/file", tree("train/x/0.txt", "valid/x/0.txt", "test/y/1.txt", "test/2.txt"),
         [{"id": "test/2", "split": "test", "label": "", "text": "one two"},
          {"id": "test/y/1", "split": "test", "label": "y", "text": "one two"},
          {"id": "train/x/0", "split": "train", "label": "x", "text": "one two"},
          {"id": "valid/x/0", "split": "val", "label": "x", "text": "one two"}], "with these splits"),
    refused("one folder level too many", tree("in/x/0.png"),
            "{folder}/in/in/x/0.png: lies too deep (expected CLASS/file); name the folder above the class folders, or "
            "list the files in a table"),
    refused("two files of the same kind and stem", tree("x/0.png", "x/0.jpg"),
            "{folder}/in/x/0.png: a second image file of sample x/0, which already has 0.jpg"),
    refused("an empty folder", tree(),
            "{folder}/in: no media files; expected one folder per class with files in it, or a table"),
]  # fmt: skip
ROLE_FORMS = [
    csv("ids in any script", 'id,text,split\n"né, 猫",one,train\nb,two,val\n', ({**ONE, "id": "né, 猫"}, TWO)),
    bad_csv("a duplicate id", 'id,text,split\na,"o\nne",train\nb,two,val\na,three,val\n',
            ", line 3 and line 5: both have the id 'a'; ids must be unique (--id names another column)"),
    bad_csv("an empty id", CSV + ",three,val\n", ", line 4: the id (column 'id') is empty"),
    bad_csv("an unknown split", CSV + "c,three,tset\n",
            ", line 4, column 'split': unknown split 'tset'; did you mean 'test'? Expected train, val or test"),
    bad_csv("an empty split", CSV + "c,three,\n", ", line 4, column 'split': empty; expected train, val or test"),
    csv("other names of splits", CSV.replace("train", " Training").replace("val", "DEV"), means="train and val"),
    bad_csv("only test rows", "id,text,split\na,one,test\n",
            ": no train rows (found 1 test); there is nothing to learn from"),
    bad_csv("a train row without a target", TARGETS + "c,three,train,\n",
            ", line 4: sample 'c' is in train and its target (column 'label') is empty" + EMPTY),
    bad_csv("NA in a numeric target", numbers_and("NA"),
            ", line 42: sample 'c' is in train and its target (column 'label') is 'NA', which marks a missing value"
            + ODD, numeric=["n"], target="label"),
    bad_csv("an unexpected cell in a numeric target", numbers_and("#DIV/0!"),
            ", line 42: sample 'c' is in train and its target (column 'label') is '#DIV/0!', not a number like others"
            + ODD, numeric=["n"], target="label"),
    bad_csv("a percentage in a numeric target", numbers_and("12%"),
            ", line 42: sample 'c' is in train and its target (column 'label') is '12%', not a number like others "
            "(write it without %)" + ODD, numeric=["n"], target="label"),
    csv("train rows without a target, dropped", TARGETS + "c,three,train,\n", WITH_TARGETS,
        "left out and counted", empty_target="drop"),
    csv("train rows without a target, kept", TARGETS + "c,three,train,\n",
        (*WITH_TARGETS, {"id": "c", "text": "three", "split": "train", "label": ""}),
        "rows without labels (multilabel)", empty_target="none"),
    csv("a test row without a target", TARGETS + "c,three,test,\n",
        (*WITH_TARGETS, {"id": "c", "text": "three", "split": "test", "label": ""}), "kept for predict"),
    bad_csv("a reserved column name", "id,text,row\na,one,1\n",
            ", line 2: the column name 'row' is reserved by mmcli; rename the column"),
    bad_csv("more rows than allowed", CSV + "c,three,val\n",
            ": more than 2 rows, but --max-rows allows 2; raise it, or use the first N rows with "
            "--limit N", max_rows=2),
    csv("more rows than --limit", CSV + "damaged", limit=2, means="only the first ones"),
    refused("a Parquet file with more rows than allowed", parquet({}),
            "{folder}/a.parquet: 2 rows, but --max-rows allows 1; raise it, or use the first N rows with --limit N",
            max_rows=1),
]  # fmt: skip
