"""What goes in comes out: ids and labels of any characters read back as they were, and bad lines in their place."""

from __future__ import annotations

import csv
import json

import pandas
import pytest

from mmcli.errors import TooManyBadError
from mmcli.inference.prediction_file import write_predictions

ODD = [
    "plain", "a,b", 'say "so"', "line\nfeed", "carriage\rreturn", "both\r\nends", "tab\there", "=1+1", "+1", "@x", "-2",
    "semi;colon", "a|b", "['a', 'b']", " space ", "next\x85line", "vertical\x0btab", "form\x0cfeed", "file\x1csep",
    "unit\x1fsep", "line\u2028sep", "paragraph\u2029sep", "\x1b[31mred", "\x9b31m", "bell\x07", "\ufeffmark", "‮right",
    "😀", "é", "e\u0301", "\x7f", '"', "''", "\\n", "a\\", "null", "NA", "007", "1e5",
]  # fmt: skip


def answers():
    return [{"id": text, "label": text, "probability": 0.25 + number} for number, text in enumerate(ODD)]


def test_csv_reads_back_by_the_csv_module_and_pandas(tmp_path):
    path = tmp_path / "out.csv"
    assert write_predictions(path, iter([answers()[:5], answers()[5:]])) == len(ODD)
    with path.open(newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ODD
    for engine in ("c", "python"):
        table = pandas.read_csv(path, dtype=str, keep_default_na=False, engine=engine)
        assert table["id"].tolist() == ODD, engine
        assert table["label"].tolist() == ODD
        assert table["probability"].astype(float).tolist() == [0.25 + number for number in range(len(ODD))]
    assert path.read_bytes().startswith(b"id,label,probability\nplain,plain,0.25\n")


def test_jsonl_and_parquet_read_back(tmp_path):
    write_predictions(tmp_path / "out.jsonl", iter([answers()]))
    with (tmp_path / "out.jsonl").open(encoding="utf-8") as file:
        assert [json.loads(line)["id"] for line in file] == ODD
    assert pandas.read_json(tmp_path / "out.jsonl", lines=True, dtype=False)["id"].tolist() == ODD
    write_predictions(tmp_path / "out.parquet", iter([answers()]))
    assert pandas.read_parquet(tmp_path / "out.parquet")["id"].tolist() == ODD


def test_labels_that_hold_a_bar_are_a_json_list(tmp_path):
    rows = [{"id": "1", "labels": ["a", "b c"]}, {"id": "2", "labels": ["a|b", "c"]}, {"id": "3", "labels": []}]
    write_predictions(tmp_path / "out.csv", iter([rows]))
    table = pandas.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert table["labels"].tolist() == ["a|b c", '["a|b", "c"]', ""]


def test_good_answers_are_written_though_lines_were_bad(tmp_path):
    def groups():
        yield [{"id": "1", "label": "a"}, {"error": "no row", "line": 2}]
        raise TooManyBadError("1 of 2 lines are invalid")

    with pytest.raises(TooManyBadError):
        write_predictions(tmp_path / "out.csv", groups())
    table = pandas.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert table.to_dict("records") == [
        {"id": "1", "label": "a", "error": "", "line": ""}, {"id": "", "label": "", "error": "no row", "line": "2"}
    ]  # fmt: skip


LINES = [
    '{"id": "a", "words": "rose", "size": 1}', "{broken", "", '{"id": "b", "words": "sea"}', "[1, 2]", "oops",
    '{"words": "sky", "words": "moss"}', '{"words": "moss"}',
]  # fmt: skip


def test_bad_lines_are_answered_in_their_place_and_the_end_is_3(chain, mmcli):
    done = mmcli("predict", chain / "model", "-", "--device", "cpu", stdin="\n".join(LINES) + "\n")
    assert done.code == 3, done.err
    rows = done.rows
    assert [row.get("id") for row in rows] == ["a", None, "b", None, None, None, "6"]
    assert [row.get("line") for row in rows] == [None, 2, None, 5, 6, 7, None]
    assert "not JSON" in rows[1]["error"]
    assert "two values are named 'words'" in rows[5]["error"]
    assert done.err.splitlines()[-1] == (
        "mmcli predict: error: 4 of 7 lines are invalid; the first: standard input, line 2: not JSON (Expecting "
        "property name enclosed in double quotes at character 2)"
    )
    whole = mmcli("predict", chain / "model", "-", stdin="\n".join([LINES[0], LINES[3]]) + "\n")
    assert whole.code == 0
    assert [rows[0], rows[2]] == whole.rows


def test_a_first_line_that_is_bad_does_not_stop_the_rest(chain, mmcli, tmp_path):
    text = '{"id": \n{"id": "b", "words": "sea"}\n'
    done = mmcli("predict", chain / "model", "-", "-o", tmp_path / "out.jsonl", stdin=text)
    assert done.code == 3
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row.get("line") for row in rows] == [1, None]
    assert rows[1]["id"] == "b"


def test_lines_that_are_all_bad_are_all_answered(chain, mmcli):
    done = mmcli("predict", chain / "model", "-", stdin="{a\n{b\n")
    assert [row["line"] for row in done.rows] == [1, 2]
    assert done.code == 3


def test_csv_lines_with_other_numbers_of_cells_are_answered_in_their_place(chain, mmcli):
    done = mmcli("predict", chain / "model", "-", stdin="id,words\na,rose\nb,sea,sky\nc\nd,moss\ne,f,g\n")
    assert done.code == 3, done.err
    assert [(row.get("id"), row.get("line")) for row in done.rows] == [
        ("a", None), (None, 3), (None, 4), ("d", None), (None, 6),
    ]  # fmt: skip
    assert [row["error"].split(" (")[0] for row in done.rows if "line" in row] == [
        f"standard input, line {line}: {found} cells, expected 2 as in the header"
        for line, found in ((3, 3), (4, 1), (6, 3))
    ]
    assert "3 of 5 lines are invalid; the first: standard input, line 3: 3 cells" in done.err.splitlines()[-1]
    good = mmcli("predict", chain / "model", "-", stdin="id,words\na,rose\nd,moss\n")
    assert good.code == 0
    assert good.rows == [done.rows[0], done.rows[3]]


def test_csv_lines_that_are_all_bad_are_all_answered(chain, mmcli):
    done = mmcli("predict", chain / "model", "-", stdin="id,words\na\nb\n")
    assert [row["line"] for row in done.rows] == [2, 3]
    assert done.code == 3


def test_csv_lines_are_answered_in_their_place_past_a_batch(chain, mmcli):
    lines = ["a,rose", "b", *(f"{place},sea" for place in range(254)), "c", "d", "e,sky"]
    done = mmcli("predict", chain / "model", "-", stdin="\n".join(["id,words", *lines]) + "\n")
    assert [row.get("line", row.get("id")) for row in done.rows] == [
        "a", 3, *(str(place) for place in range(254)), 258, 259, "e",
    ]  # fmt: skip


def test_evaluate_refuses_csv_lines_with_other_numbers_of_cells(chain, mmcli):
    done = mmcli("evaluate", chain / "model", "-", stdin="id,words,label\na,rose,red\nb,sea\n")
    assert done.code == 1
    assert "standard input, line 3: 2 cells, expected 3" in done.err


def test_evaluate_still_refuses_bad_lines(chain, mmcli):
    done = mmcli("evaluate", chain / "model", "-", stdin='{"label": "red", "words": "rose"}\n{broken\n')
    assert done.code == 1
    assert "standard input, line 2: not JSON" in done.err


HOSTILE = "\x1b]0;owned\x07 \x1b[2J\x9b31m \u202eabc\x7f"


def test_no_data_steers_a_terminal(mmcli, tmp_path):
    rows = [
        {"id": f"{number}{HOSTILE}", f"words{HOSTILE}": f"rose {HOSTILE} {number}", "picture": f"{HOSTILE}{number}.png"}
        | {"label": f"{'ab'[number % 2]}{HOSTILE}", "split": ["train", "train", "val", "test"][number // 2 % 4]}
        for number in range(32)
    ]
    (tmp_path / "table.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    asked = ("--text", f"text=words{HOSTILE}", "--image", "picture", "--target", "label")
    calls = [
        ("check", "table.jsonl", *asked), ("check", "table.jsonl", *asked, "--json"),
        ("preprocess", "table.jsonl", "-o", "samples", *asked, "--json"),
        ("extract-features", "samples", "-o", "features", "--json"), ("fuse", "features", "-o", "fused", "--json"),
        ("train", "fused", "-o", "model", "--epochs", "1"), ("inspect", "samples"), ("inspect", "samples", "--json"),
        ("ledger", "samples"), ("ledger", "samples", "--json"), ("evaluate", "model", "fused"),
        ("evaluate", "model", "fused", "--json"), ("predict", "model", "fused"), ("predict", "model", "table.jsonl"),
        ("preprocess", f"{HOSTILE}.csv", "-o", "x"), ("preprocess", "table.jsonl", "-o", "x", "--text", HOSTILE),
        ("train", "fused", "-o", "model", "--target", HOSTILE), (HOSTILE,),
    ]  # fmt: skip
    allowed = {"\n", *(chr(code) for code in range(0x20, 0x7F)), "…", "×", "─", "→", "\u20ac"}
    for call in calls:
        done = mmcli(*call)
        assert "Traceback" not in done.err, call
        steering = {
            c for c in done.out + done.err if c not in allowed and (ord(c) < 0xA0 or ord(c) in (0x202E, 0x2028))
        }
        assert not steering, (call, steering)
