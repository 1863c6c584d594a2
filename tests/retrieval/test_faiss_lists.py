"""The lists of faiss beside an index: what they find against exact search, and what becomes of bad ones."""

from __future__ import annotations

import json
import sys

import faiss
import numpy as np
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.stages.extract_features import extract_features
from mmcli.stages.index import index as build_index
from mmcli.stages.preprocess import preprocess
from mmcli.stages.search import search as find
from mmcli.stages.train import train
from mmcli.stages.verify import verify
from mmcli.store.artifact import Artifact
from mmcli.store.header import HEADER, header_digest
from mmcli.store.keys import file_digest
from tests.conftest import write_csv

ROWS = 5000
WORDS = [f"word{number}" for number in range(60)]
LISTS = "faiss/00000.faiss"
"""Of ``numbers``, the first modality."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """5,000 rows of three words and a dozen numbers that follow from them, with a model and an index with lists."""
    folder = tmp_path_factory.mktemp("lists")
    random = np.random.default_rng(0)
    meant = random.normal(size=(len(WORDS), 12))
    rows = []
    for number in range(ROWS):
        chosen = random.choice(len(WORDS), 3, replace=False)
        values = meant[chosen].sum(axis=0) + 0.1 * random.normal(size=12)
        row = {
            "id": f"r{number}",
            "split": ["train", "val"][number >= 1000],
            "text": " ".join(WORDS[n] for n in chosen),
        }
        rows.append(row | {f"n{place}": "" if number % 50 == 7 else value for place, value in enumerate(values)})
    write_csv(folder / "table.csv", rows)
    preprocess(str(folder / "table.csv"), folder / "samples", text=["text"], numeric=["numbers=n*"])
    extract_features(str(folder / "samples"), folder / "features", use=["text=tfidf"])
    train(str(folder / "features"), folder / "model", task="retrieval", method="cca:dim=12,regularization=0.1")
    build_index(folder / "model", str(folder / "features"), folder / "index", faiss=True)
    build_index(folder / "model", str(folder / "features"), folder / "plain")
    return folder


@pytest.fixture
def index(folder, tmp_path):
    """An index of few rows that a test may damage."""
    build_index(folder / "model", str(folder / "features"), tmp_path / "index", faiss=True, limit=300)
    return tmp_path / "index"


def search(model, source, query=(), search=None, **options):
    """Search in a source, as tests write it."""
    return find(model, query, in_=source, by=search, **options)


def answers(folder, source="index", **options):
    groups = search(folder / "model", str(folder / source), **options)
    return [[(row["id"], row["score"], row["modality"]) for row in group] for group in groups]


def asked():
    random = np.random.default_rng(1)
    return [" ".join(random.choice(WORDS, 2, replace=False)) for _ in range(30)]


def test_lists_find_what_exact_search_finds_to_the_same_scores(folder):
    exact, found = answers(folder, query=asked()), answers(folder, query=asked(), faiss=True)
    shared = [set(one) & set(other) for one, other in zip(exact, found, strict=True)]
    assert [len(group) for group in found] == [10] * 30
    assert np.mean([len(each) for each in shared]) >= 9.5
    scores = dict(answer[:2] for answer in answers(folder, query=asked()[:1], top=ROWS)[0])
    assert all(scores[identity] == score for identity, score, _ in found[0])
    assert all(group == sorted(group, key=lambda answer: -answer[1]) for group in found)


def test_one_query_alone_looks_at_few_rows(folder, monkeypatch):
    taken = []
    take = Artifact.take
    monkeypatch.setattr(Artifact, "take", lambda self, name, rows: taken.append(len(rows)) or take(self, name, rows))
    exact, found = answers(folder, query=asked()[:1]), answers(folder, query=asked()[:1], faiss=True)
    assert len(set(exact[0]) & set(found[0])) >= 9
    assert sorted(taken)[:2] == [50, 50]  # both modalities of the likely rows; exact search takes all 5,000 of them
    assert sum(taken) == 2 * (ROWS + 50)


def test_as_many_rows_as_are_asked_for_come_back_and_none_that_lacks_the_modality(folder):
    (exact,), (found,) = (answers(folder, query=["word1 word2"], top=ROWS, faiss=faiss) for faiss in (False, True))
    assert found == exact
    assert {int(identity[1:]) for identity, _, _ in found} == {n for n in range(ROWS) if n % 50 != 7}


def test_only_the_first_rows_are_looked_at_with_a_limit(folder):
    options = {"query": asked(), "limit": 200}
    assert answers(folder, **options, faiss=True) == answers(folder, **options)


def test_a_modality_can_be_searched_by_one_of_its_own_kind(folder):
    exact, found = (answers(folder, query=asked()[:5], search="text", faiss=faiss) for faiss in (False, True))
    assert [[score for _, score, _ in group] for group in found] == [
        [score for _, score, _ in group] for group in exact
    ]


def test_lists_are_the_same_bytes_on_any_number_of_threads(folder, tmp_path):
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        build_index(folder / "model", str(folder / "features"), tmp_path / "index", faiss=True)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(threads)
    one, other = Artifact(folder / "index"), Artifact(tmp_path / "index")
    assert one.digest == other.digest
    assert {name for name in one.header["files"] if "faiss" in name} == {LISTS, "faiss/00001.faiss"}


def test_lists_hold_each_row_once_a_byte_a_number(folder):
    lists = faiss.read_index(str(folder / "index" / LISTS))
    assert lists.ntotal == ROWS - ROWS // 50
    assert 40 <= lists.nlist <= 4900 / 64
    embedded = Artifact(folder / "index").take("numbers", np.arange(20))
    lists.nprobe = lists.nlist
    there = np.flatnonzero(embedded.present)
    scores, numbers = lists.search(embedded.main.values[there], 1)
    assert numbers[:, 0].tolist() == there.tolist()
    assert scores[:, 0] == pytest.approx(1, abs=0.02)
    assert (folder / "index" / LISTS).stat().st_size < 4900 * (12 + 8) + 20_000


def test_lists_are_added_to_an_index_and_kept_while_nothing_changes(folder, tmp_path):
    build_index(folder / "model", str(folder / "features"), tmp_path / "index", limit=300)
    added = build_index(folder / "model", str(folder / "features"), tmp_path / "index", faiss=True, limit=300)
    assert added.computed == 0
    written = (tmp_path / "index" / LISTS).stat().st_mtime_ns
    build_index(folder / "model", str(folder / "features"), tmp_path / "index", faiss=True, limit=300)
    assert (tmp_path / "index" / LISTS).stat().st_mtime_ns == written
    assert verify(tmp_path / "index") == []


def test_a_modality_that_no_row_has_has_no_lists_and_is_not_found(folder, tmp_path):
    text = (folder / "table.csv").read_text().splitlines()[:40]
    table = tmp_path / "table.csv"
    table.write_text("\n".join([text[0], *(",".join(line.split(",")[:3]) + "," * 12 for line in text[1:])]))
    build_index(folder / "model", str(table), tmp_path / "index", faiss=True)
    options = {"query": ["word1"], "faiss": True}
    assert list(search(folder / "model", str(tmp_path / "index"), **options)) == [[]]
    (found,) = search(folder / "model", str(tmp_path / "index"), **options, search="text")
    assert len(found) == 10


# What is not as it must be.


def refused(call, message, kind=MmcliError):
    with pytest.raises(kind, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_a_changed_file_is_not_given_to_faiss(folder, index, monkeypatch):
    damaged = bytearray((index / LISTS).read_bytes())
    damaged[-1] ^= 1
    (index / LISTS).write_bytes(damaged)
    monkeypatch.setattr(faiss, "read_index", lambda *arguments: pytest.fail("was read"))
    refused(
        lambda: answers(folder, index, query=["word1"], faiss=True), f"{LISTS}: changed since the artifact was made"
    )
    assert len(answers(folder, index, query=["word1"])[0]) == 10
    assert [(each.where, each.what) for each in verify(index)] == [(LISTS, "its content has changed")]
    (index / LISTS).unlink()
    refused(lambda: answers(folder, index, query=["word1"], faiss=True), f"{LISTS}: missing")


@pytest.mark.parametrize("content", ["nothing", "no lists", "other lists", "cut off"])
def test_a_file_of_the_right_hash_that_is_not_the_lists_is_one_line(folder, index, content):
    path = index / LISTS
    if content == "nothing":
        path.write_bytes(b"")
    elif content == "no lists":
        faiss.write_index(faiss.IndexFlatIP(12), str(path))
    elif content == "other lists":
        path.write_bytes((folder / "index" / LISTS).read_bytes())
    else:
        path.write_bytes(path.read_bytes()[:-100])
    header = json.loads((index / HEADER).read_text())
    header["files"][LISTS] = file_digest(path)
    header["digest"] = header_digest(header)
    (index / HEADER).write_text(json.dumps(header))
    damaged = "(not a faiss file|does not contain)"
    refused(lambda: answers(folder, index, query=["word1"], faiss=True), f"{LISTS}: {damaged}.*--fresh")


def test_an_index_without_lists_names_the_command_that_writes_them(folder):
    refused(
        lambda: answers(folder, "plain", query=["word1"], faiss=True),
        r"plain has no inverted lists.*mmcli index --faiss",
    )
    for source in ("features", "table.csv"):
        refused(
            lambda source=source: answers(folder, source, query=["x"], faiss=True),
            "is not an index.*mmcli index",
            UsageError,
        )


def test_a_missing_package_names_the_command_that_installs_it(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    message = r"--faiss needs the package 'faiss': pip install 'mmcli\[faiss\]'"
    refused(lambda: build_index(folder / "model", str(folder / "features"), tmp_path / "index", faiss=True), message)
    refused(lambda: answers(folder, query=["word1"], faiss=True), message)
    assert not (tmp_path / "index").exists()
    assert len(answers(folder, query=["word1"])[0]) == 10
