"""The command line as a person or script meets it: output, errors, exit codes, pipes."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from mmcli.console.names import show_names
from mmcli.stages.names import registered_names


def clear(result, code, *words):
    """The failure is one line on standard error that says what is wrong, and nothing on standard output."""
    assert result.code == code, result.err
    lines = [line for line in result.err.splitlines() if "error:" in line]
    assert len(lines) == 1, result.err
    assert "Traceback" not in result.err
    assert result.out == ""
    for word in words:
        assert word in lines[0], lines[0]


PREPROCESS = ("preprocess", "table.csv", "-o", "samples", "--text", "words", "--target", "label")


def edit(table, change):
    lines = table.read_text().splitlines()
    table.write_text("\n".join(change(lines)) + "\n")


def cells(line, **changes):
    names = ["id", "split", "words", "picture", "size", "label"]
    values = dict(zip(names, line.split(","), strict=True)) | changes
    return ",".join(values.values())


@pytest.mark.parametrize(
    ("change", "arguments", "code", "words"),
    [
        (None, ("preprocess", "gone.csv", "-o", "samples"), 1, ["gone.csv", "no such file"]),
        (None, (*PREPROCESS, "--image", "photo"), 1, ["table.csv", "'photo'", "picture"]),
        (lambda lines: [*lines, lines[3]], PREPROCESS, 1, ["'s002'", "line 4 and line 62"]),
        (lambda lines: [*lines, cells(lines[1], id="x", split="holdout")],
         PREPROCESS, 1, ["line 62", "'holdout'", "test"]),
        (lambda lines: [line.replace(",train,", ",test,").replace(",val,", ",test,") for line in lines],
         PREPROCESS, 1, ["no train rows"]),
        (lambda lines: [*lines, cells(lines[1], id="x", label="")], PREPROCESS, 1, ["line 62", "'x'", "target"]),
        (lambda lines: [*lines, "too,few"], PREPROCESS, 1, ["line 62", "2 cells, expected 6"]),
        (None, (*PREPROCESS, "--split-ratio", "0.5,0.5"), 2, ["--split-ratio", "0.8,0.1,0.1"]),
        (None, (*PREPROCESS, "--image", "picture", "--max-errors", "0"), 3, ["2 of 120", "4.png"]),
        (None, (*PREPROCESS, "--image", "picture", "--on-error", "fail"), 1, ["'s002'", "file not found"]),
    ],
)  # fmt: skip
def test_a_table_that_is_not_as_it_must_be(mmcli, table, change, arguments, code, words):
    if change is not None:
        edit(table, change)
    before = sorted(path.name for path in table.parent.iterdir())
    clear(mmcli(*arguments), code, *words)
    assert sorted(path.name for path in table.parent.iterdir()) == before, "something half-written is left"


def test_names_that_do_not_exist(mmcli, chain, tmp_path):
    features = ("extract-features", chain / "samples", "-o", "features")
    clear(mmcli(*features, "--use", "words=tfdif"), 2, "'tfdif'", "did you mean 'tfidf'")
    clear(mmcli(*features, "--use", "wrods=tfidf"), 2, "'wrods'", "did you mean 'words'")
    clear(mmcli(*features, "--use", "words=tfidf:ngram=1-2"), 2, "'ngram'", "did you mean 'ngrams'")
    clear(mmcli(*features, "--use", "words"), 2, "MODALITY=EXTRACTOR")
    clear(mmcli("fuse", chain / "features", "-o", "fused", "--method", "gatd"), 2, "did you mean 'gated'")
    clear(mmcli("train", chain / "fused", "-o", "model", "--task", "classify"), 2, "did you mean 'classification'")
    assert list(tmp_path.iterdir()) == []


def test_outputs_that_are_something_else_are_left_alone(mmcli, chain, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    clear(mmcli("extract-features", chain / "samples", "-o", "mine"), 1, "mine", "not an artifact")
    clear(mmcli("fuse", chain / "features", "-o", chain / "samples"), 1, "another stage")
    clear(mmcli("extract-features", chain / "samples", "-o", chain / "samples" / "in"), 1, "inside the artifact")
    clear(mmcli("fuse", chain / "samples", "-o", "fused"), 1, "artifact of preprocess", "mmcli extract-features first")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_empty_pipe_is_an_error(mmcli, tmp_path):
    for stage in ("preprocess", "extract-features", "fuse", "train"):
        clear(mmcli(stage, "-", "-o", "out", stdin=""), 1, "standard input has no rows")
    assert list(tmp_path.iterdir()) == []


def shell(line: str, folder):
    """Run a line in bash with pipefail, ``mmcli`` being this checkout's."""
    python = f"{shlex.quote(sys.executable)} -m mmcli"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; shopt -s expand_aliases\nalias mmcli={shlex.quote(python)}\n{line}"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip


LINE = """mmcli preprocess table.csv -o work/samples --text words --image picture --image-size 32 --target label \
 | mmcli extract-features - -o work/features --use words=tfidf --use picture=hog \
 | mmcli fuse - -o work/fused --method METHOD \
 | mmcli train - -o work/model --epochs 3"""


def test_the_line_of_pipes_gives_what_folders_give(table):
    folder = table.parent
    done = shell(LINE.replace("METHOD", "gated"), folder)
    assert done.returncode == 0, done.stderr
    for stage in ("features", "fused"):
        header = json.loads((folder / "work" / stage / "artifact.json").read_text())
        assert header["rows"] == 60
    again = shell("mmcli extract-features work/samples -o by_folder --use words=tfidf --use picture=hog --json", folder)
    assert again.returncode == 0, again.stderr
    digests = [
        json.loads((folder / name / "artifact.json").read_text())["digest"] for name in ("work/features", "by_folder")
    ]
    assert digests[0] == digests[1]


def test_a_failing_stage_fails_the_line_and_leaves_nothing(table):
    done = shell(LINE.replace("METHOD", "gatd"), table.parent)
    assert done.returncode != 0
    errors = [line for line in done.stderr.splitlines() if "error:" in line]
    assert [line.split(": error: ")[0] for line in errors] in (
        ["mmcli fuse", "mmcli train"],
        ["mmcli train", "mmcli fuse"],
    )
    assert "Traceback" not in done.stderr
    made = sorted(path.name for path in (table.parent / "work").iterdir())
    assert made == ["features", "samples"], "the stages that failed left something"


def test_a_pipe_may_choose_order_and_repeat_rows(table):
    done = shell(
        "mmcli preprocess table.csv -o work/samples --text words --target label"
        ' | grep -v \'"split": "test"\' | tac | mmcli extract-features - -o work/features --json',
        table.parent,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (table.parent / "work/features/manifest.jsonl").read_text().splitlines()]
    assert len(rows) == 48
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    assert [row["row"] for row in rows] == list(range(48))


def test_a_reader_that_stops_early_is_no_error(table):
    done = shell("mmcli preprocess table.csv -o work/samples --text words --target label | head -2", table.parent)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 2
    assert (table.parent / "work/samples/artifact.json").exists()


def test_rows_typed_by_hand_are_answered_one_by_one(chain):
    process = subprocess.Popen(
        [sys.executable, "-m", "mmcli", "predict", chain / "model", "-"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    for words, label in [("sea sky", "blue"), ("fire brick", "red")]:
        process.stdin.write(json.dumps({"words": words}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["label"] == label  # before standard input is closed
    process.stdin.close()
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def test_kinds_are_inferred_and_said(mmcli, table):
    result = mmcli("preprocess", "table.csv", "-o", "samples", "--json")
    assert result.code == 0, result.err
    assert "words" in result.err
    header = json.loads((table.parent / "samples/artifact.json").read_text())
    assert {name: spec["kind"] for name, spec in header["modalities"].items()} == {
        "words": "text",
        "picture": "image",
        "table": "table",
    }
    assert header["columns"]["target"] == "label"


def test_config_file_gives_defaults_that_flags_override(mmcli, table):
    (table.parent / "options.yaml").write_text("text: words\ntarget: label\nmax-tokens: 2\nseed: 5\n")
    result = mmcli("preprocess", "table.csv", "-o", "samples", "--config", "options.yaml", "--seed", "7", "--json")
    assert result.code == 0, result.err
    header = json.loads((table.parent / "samples/artifact.json").read_text())
    assert header["seed"] == 7
    assert header["modalities"]["words"]["fields"][""]["bound"] == 2
    (table.parent / "options.yaml").write_text("txet: words\n")
    clear(
        mmcli("preprocess", "table.csv", "-o", "s2", "--config", "options.yaml"),
        2,
        "options.yaml, line 1",
        "'txet'",
        "did you mean 'text'",
    )


def test_on_error_drop_leaves_the_sample_out_and_says_so(mmcli, table):
    result = mmcli(*PREPROCESS, "--image", "picture", "--on-error", "drop", "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out)["rows"] == 58
    folder = table.parent / "samples"
    ids = [json.loads(line)["id"] for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert set(f"s{n:03d}" for n in range(60)) - set(ids) == {"s002", "s004"}
    ledger = [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]
    assert [entry["id"] for entry in ledger if entry["row"] == -1] == ["s002", "s004"]


def test_the_same_picture_in_train_and_test_is_a_leak(mmcli, table):
    images = table.parent / "images"
    (images / "12.png").write_bytes((images / "0.png").read_bytes())  # row 12 is test, row 0 train
    arguments = (*PREPROCESS, "--image", "picture", "--image-size", "32")
    result = mmcli(*arguments, "--json")
    assert result.code == 0
    assert "2 samples have the same content as a sample of another split" in result.err
    clear(mmcli(*arguments, "--on-leak", "error", "--fresh"), 1, "2 samples have the same content")


def test_inspect_and_list_print_what_there_is(mmcli, chain):
    shown = mmcli("inspect", chain / "samples")
    assert shown.code == 0
    for word in ("preprocess", "60 rows", "picture", "3 × 32 × 32", "not an image", "images/4.png"):
        assert word in shown.out
    assert json.loads(mmcli("inspect", chain / "model", "--json").out)["task"] == "classification"
    names = json.loads(mmcli("list", "--json").out)
    assert {"extractors", "fusion", "encoders", "models", "tasks", "augmentations"} == {name["what"] for name in names}
    assert all(name["summary"] for name in names)
    told = {name["name"]: name["options"] for name in json.loads(mmcli("list", "fusion", "--verbose", "--json").out)}
    assert told["low_rank"] == "dim=128, rank=4"
    assert told["concat"] == ""
    clear(mmcli("inspect", "nowhere"), 1, "nowhere", "no such artifact")
    clear(mmcli("list", "nothing"), 2, "unknown list 'nothing'", "extractors, fusion")


def test_lists_fit_the_terminal_and_tell_options_below_each_name(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    show_names(registered_names("all", verbose=True), as_json=False)
    shown = capsys.readouterr().out.splitlines()
    assert max(map(len, shown)) <= 80
    for name, options in {"resnet18": "weights=default, pool=mean, layer=-1", "low_rank": "dim=128, rank=4"}.items():
        place = max(number for number, line in enumerate(shown) if line.split()[:1] == [name])
        assert f"      options: {options}" in shown[place + 1 : place + 4]
    assert "augmentations: image" in shown
