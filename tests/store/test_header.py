"""What an artifact's records may say, and that anything else is one line and no more."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.stages.inspect import inspect
from mmcli.store.artifact import Artifact
from mmcli.store.columns import LedgerEntry
from mmcli.store.opening import open_samples, samples_of_rows
from mmcli.store.rows import dump_row
from mmcli.store.state import State
from mmcli.store.tensors import write_shard

PHOTO = ("modalities", "photo")
FORM = (*PHOTO, "fields", "")


def change(path, places, value):
    """Set a value deep inside a JSON file."""
    content = json.loads(path.read_text())
    part = content
    for place in places[:-1]:
        part = part[place]
    part[places[-1]] = value
    path.write_text(json.dumps(content))


@pytest.fixture
def artifact(tmp_path, tools):
    entry = LedgerEntry(3, "s3", "photo", "corrupt", "0 bytes", "a.png")
    return tools.write_artifact(tmp_path / "samples", 10, ledger=[entry], states={"photo": State({"a": [1, "é"]})})


@pytest.mark.parametrize(
    ("places", "value", "said"),
    [
        (("format",), True, "format True"),
        (("format",), 0, "format 0"),
        (("digest",), "\ud800", "damaged"),
        (("seed",), float("nan"), "damaged"),
        (("stage",), "../../x", "stage is '../../x', expected one of preprocess, extract-features, fuse, index, train"),
        (("rows",), -1, "rows is -1, expected an integer of at least 0"),
        (("rows",), 2**62, "rows is"),
        (("rows",), 10**9, "1000000000 rows, but manifest.jsonl has fewer"),
        (("rows",), 4.0, "rows is 4.0"),
        (("rows_per_shard",), 0, "rows_per_shard is 0"),
        (("columns", "target"), ["a"], "columns, target is a list of 1, expected a string, a list of strings or null"),
        (("columns", "more"), "a", "columns has an unexpected key 'more'"),
        (("modalities", ""), {}, "a name in modalities is ''"),
        ((*PHOTO, "fingerprint"), "zz", "expected a hash of 64"),
        ((*PHOTO, "extractor"), ["x"], "extractor is a list"),
        ((*PHOTO, "fields"), {}, "the main field is missing"),
        ((*FORM, "dtype"), "object", "dtype is 'object'"),
        ((*FORM, "layout"), "sparse", "layout is 'sparse'"),
        ((*FORM, "dims"), [-1, 3], "dims, 0 is -1"),
        ((*FORM, "dims"), [10**5, 10**5], "do not fit each other or are too large"),
        ((*FORM, "dims"), [2], "do not fit each other or are too large"),
        ((*FORM, "bound"), None, "bound is None"),
        (("chain", 0, "stage"), "train", "chain, 0, stage"),
        (("chain", 0, "states"), {"../../etc": "ab" * 32}, "is '../../etc', expected a path inside the folder"),
        (("chain", 0, "version"), True, "version is True"),
        (("files", "/etc/passwd"), "ab" * 32, "is '/etc/passwd', expected a path inside the folder"),
        (("counts",), {"photo": {"ok": 1}}, "counts, photo, missing missing"),
        (("media_root",), 3, "media_root is 3"),
    ],
    ids=ascii,
)
def test_a_header_says_what_it_must_or_is_refused(artifact, places, value, said):
    change(artifact.path / "artifact.json", places, value)
    with pytest.raises(MmcliError) as error:
        Artifact(artifact.path)
    assert said in str(error.value)
    assert "artifact.json" in str(error.value)


@pytest.mark.parametrize("line", [b'{"row": 0}', b'{"row": "a", "id": 3}', b"[]", b"\xff", b"{", b"[" * 10_000])
def test_a_damaged_line_of_the_ledger_is_named(artifact, line):
    whole = (artifact.path / "ledger.jsonl").read_bytes()
    (artifact.path / "ledger.jsonl").write_bytes(whole + line + b"\n")
    with pytest.raises(MmcliError, match=r"ledger\.jsonl, line 2"):
        inspect(artifact.path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"command": 3}', b"[" * 10_000])
def test_a_damaged_record_of_the_run(artifact, content):
    (artifact.path / "run.json").write_bytes(content)
    with pytest.raises(MmcliError, match=r"run\.json"):
        inspect(artifact.path)


@pytest.mark.parametrize(
    "change_of", [lambda lines: lines[:-1], lambda lines: [*lines, lines[0]]], ids=["less", "more"]
)
def test_a_manifest_of_other_length(artifact, change_of):
    file = artifact.path / "manifest.jsonl"
    file.write_bytes(b"".join(change_of(file.read_bytes().splitlines(keepends=True))))
    with pytest.raises(MmcliError, match=r"manifest\.jsonl: damaged, \d+ lines, expected 10"):
        open_samples(str(artifact.path), ["preprocess"]).batch(0, 1)


def test_a_shard_of_other_length(artifact, tools):
    write_shard(artifact.path / "tensors" / "00001.safetensors", tools.make_columns(3))
    with pytest.raises(MmcliError, match=r"00001\.safetensors: damaged, 3 rows, expected 4"):
        Artifact(artifact.path).take("photo", np.array([7]))


def test_a_split_that_is_no_text(artifact):
    row = {"artifact": str(artifact.path), "row": 0, "id": "a", "split": ["train"]}
    samples = samples_of_rows([dump_row(row), dump_row({**row, "split": "train"})])
    with pytest.raises(MmcliError, match="split"):
        samples.splits()


@pytest.mark.parametrize(
    "place", ["\0", "a" * 5000, "\ud800", "/".join("a" * 3000)], ids=["zero", "long", "half", "deep"]
)
def test_a_row_of_an_artifact_that_cannot_be(place):
    with pytest.raises(MmcliError, match="no such artifact"):
        samples_of_rows([dump_row({"artifact": place, "row": 0})])


@pytest.mark.parametrize(
    "content", [b'{"a": [1, "e"]}', b"[]", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 10_000, b"\xff"]
)
def test_state_that_is_not_what_was_learnt(artifact, content):
    record = artifact.chain[0]
    (artifact.path / "state" / record.folder / "photo.json").write_bytes(content)
    with pytest.raises(MmcliError, match="photo"):
        artifact.states(record)


def test_a_file_that_is_a_folder(artifact):
    os.replace(artifact.path / "artifact.json", artifact.path / "other")
    (artifact.path / "artifact.json").mkdir()
    with pytest.raises(MmcliError, match="not an mmcli artifact"):
        Artifact(artifact.path)


def test_a_stored_text_that_is_not_utf8(artifact, tools):
    columns = tools.make_columns(4)
    columns["review"].fields["text"].values[:] = 0xFF
    write_shard(artifact.path / "tensors" / "00000.safetensors", columns)
    with pytest.raises(MmcliError, match="not UTF-8"):
        Artifact(artifact.path).take("review", np.array([0])).texts("text")
