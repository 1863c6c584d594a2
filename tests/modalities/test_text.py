import gzip
import hashlib
import re
import unicodedata

import numpy as np
import pytest
import spacy
from sklearn.feature_extraction.text import TfidfVectorizer
from spacy.vectors import Vectors

from mmcli.errors import MmcliError
from mmcli.modalities.text import Preprocessor
from mmcli.modalities.text.tfidf import Tfidf
from mmcli.modalities.text.word_vectors import WordVectors
from mmcli.registry import EXTRACTORS, parse_spec
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, ModalitySpec, assemble
from mmcli.store.state import State

RUNTIME = Runtime()
TEXTS = [
    "The cat sat on the mat.",
    "A dog, a cat  and a\tmouse!",
    "flag: Österreich",
    "x",
    "the the the quick brown fox jumps over the lazy dog",
    "été à la plage — ﬁn ½",
    "Σίσυφος Σ",
    "日本語のテキスト mixed text",
]


def stored(texts, train=None, **options):
    """A column of texts as preprocess stores it, and its spec."""
    preprocessor = Preprocessor(("review",), **options)
    contents = [preprocessor.content({"review": text}, None) for text in texts]
    preprocessor.fit(contents if train is None else contents[:train])
    items = [preprocessor.decode(content) for content in contents]
    fields = {name: assemble(form, [item[name] for item in items]) for name, form in preprocessor.fields().items()}
    column = Column(fields, np.ones(len(texts), bool), np.zeros((len(texts), 16), np.uint8))
    return ModalitySpec("text", "review", None, "", preprocessor.fields(), "none", preprocessor.facts()), column


def tokens(text, **options):
    preprocessor = Preprocessor(("review",), **options)
    return bytes(preprocessor.decode(preprocessor.content({"review": text}, None))["tokens"]).decode().split("\n")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A pipeline on disk that gives lemmas and parts of speech by rule, and vectors of two words."""
    language = spacy.blank("en")
    ruler = language.add_pipe("attribute_ruler")
    ruler.add([[{"LOWER": "dogs"}]], {"LEMMA": "dog", "POS": "NOUN"})
    ruler.add([[{"LOWER": "this"}]], {"LEMMA": "this", "POS": "PRON"})
    language.vocab.vectors = Vectors(data=np.array([[1, 2], [3, 4]], np.float32), keys=["dogs", "run"])
    language.meta["name"], language.meta["version"] = "tiny", "1.2.3"
    folder = tmp_path_factory.mktemp("models") / "tiny"
    language.to_disk(folder)
    return str(folder)


# preprocess


def test_a_column_that_the_row_lacks_is_missing_and_numbers_are_text():
    preprocessor = Preprocessor(("review",))
    assert preprocessor.content({}, None) is None
    assert preprocessor.content({"review": 12.5}, None) == b"12.5"


def test_the_text_gets_nfkc_and_nothing_else_whatever_is_done_to_the_tokens():
    text = " The  ﬁrst ½ ＡＢＣ é"
    preprocessor = Preprocessor(("review",), lower=True, remove_stop_words=True, max_tokens=2)
    found = preprocessor.decode(preprocessor.content({"review": text}, None))
    assert bytes(found["text"]).decode() == unicodedata.normalize("NFKC", text)
    # "first" is one of spaCy's stop words.
    assert bytes(found["tokens"]).decode().split("\n") == ["1⁄2", "abc"]


def test_tokens_are_spacys_without_white_space():
    assert tokens("I can't,  can I?\n Yes.") == ["I", "ca", "n't", ",", "can", "I", "?", "Yes", "."]
    assert tokens("Das ist z.B. gut.", language="de") == ["Das", "ist", "z.B.", "gut", "."]


def test_max_tokens_counts_those_that_are_left():
    assert tokens("the cat and the dog and the fox", remove_stop_words=True, max_tokens=2) == ["cat", "dog"]


def test_ids_go_by_count_then_token_and_unknown_is_one():
    preprocessor = Preprocessor(("review",), min_count=2)
    preprocessor.fit([b"b b a a c", b"c c d", b"e"])
    assert preprocessor.state().values == {"vocabulary": ["c", "a", "b"]}
    assert preprocessor.facts() == {"vocabulary": 5, "language": "en", "words_asked": ["--min-count 2"]}
    found = preprocessor.decode(b"a d b c zzz")[""]
    assert found.tolist() == [3, 1, 4, 2, 1]
    assert found.dtype == np.int32


def test_a_text_of_stop_words_alone_keeps_its_text():
    preprocessor = Preprocessor(("review",), remove_stop_words=True)
    found = preprocessor.decode(b"the of and")
    assert (len(found[""]), len(found["tokens"]), bytes(found["text"])) == (0, 0, b"the of and")


def test_the_vocabulary_survives_its_state(tmp_path):
    preprocessor = Preprocessor(("review",))
    preprocessor.fit([text.encode() for text in TEXTS])
    preprocessor.state().write(tmp_path / "review")
    again = Preprocessor(**{**preprocessor.config(), "columns": ("review",)})
    again.load_state(State.read(tmp_path / "review"))
    assert again.facts() == preprocessor.facts()
    for text in TEXTS:
        assert again.decode(text.encode())[""].tolist() == preprocessor.decode(text.encode())[""].tolist()
        assert 1 not in again.decode(text.encode())[""]


def test_lemmas_and_parts_of_speech_come_from_the_model(model):
    assert tokens("Dogs bark", spacy_model=model, lemmatize=True) == ["dog", "bark"]
    assert tokens("Dogs bark", spacy_model=model, pos=True) == ["Dogs_NOUN", "bark_X"]
    assert tokens("Dogs bark", spacy_model=model, pos=True, lemmatize=True, lower=True) == ["dog_NOUN", "bark_X"]
    assert tokens("Dogs bark", spacy_model=model) == ["Dogs", "bark"]


def test_a_vocabulary_is_refused_by_another_version_of_its_model(model, tmp_path):
    preprocessor = Preprocessor(("review",), spacy_model=model)
    preprocessor.fit([b"dogs"])
    values = preprocessor.state().values
    assert values["pipeline"] == {"lang": "en", "name": "tiny", "version": "1.2.3"}
    other = Preprocessor(("review",), spacy_model=model)
    other.load_state(State({**values, "pipeline": {**values["pipeline"], "version": "1.0"}}))
    with pytest.raises(MmcliError, match=r"en_tiny 1\.2\.3, but the vocabulary was made with en_tiny 1\.0"):
        other.decode(b"dogs")


def test_unavailable_spacy_pipelines_are_refused_in_one_line(model, tmp_path):
    blank = tmp_path / "blank"
    spacy.blank("en").to_disk(blank)
    cases = [
        (dict(spacy_model="no_such_model"), "'no_such_model' is neither installed nor a folder"),
        (dict(language="qq"), "spaCy has no such language"),
        (dict(spacy_model=str(blank), lemmatize=True), "--lemmatize.*gives no lemmas"),
        (dict(spacy_model=str(blank), pos=True), "--pos.*gives no parts of speech"),
        (dict(lemmatize=True), "--lemmatize needs a trained spaCy pipeline"),
        (dict(pos=True), "--pos needs a trained spaCy pipeline"),
        (dict(max_tokens=0), "--max-tokens must be at least 1"),
    ]
    for options, message in cases:
        with pytest.raises(MmcliError, match=message) as caught:
            tokens("some text", **options)
        assert "\n" not in str(caught.value)


# tfidf


@pytest.mark.parametrize("sublinear", [True, False])
@pytest.mark.parametrize(
    ("analyzer", "ngrams"),
    [("char_wb", (2, 5)), ("char_wb", (4, 7)), ("char", (1, 3)), ("word", (1, 2)), ("word", (1, 1))],
)
def test_tfidf_is_scikit_learns(analyzer, ngrams, sublinear):
    spec, column = stored(TEXTS)
    ours = Tfidf(analyzer=analyzer, ngrams=ngrams, sublinear=sublinear, max_features=None)
    ours.fit(spec, [column.take(np.arange(3)), column.take(np.arange(3, len(TEXTS)))])
    theirs = TfidfVectorizer(
        analyzer=analyzer, ngram_range=ngrams, sublinear_tf=sublinear, token_pattern=None,
        tokenizer=str.split if analyzer == "word" else None,
    )  # fmt: skip
    documents = [" ".join(text.split("\n")) for text in column.texts("tokens" if analyzer == "word" else "text")]
    expected = theirs.fit_transform(documents).toarray()
    assert ours.state().values["vocabulary"] == theirs.get_feature_names_out().tolist()
    assert ours.output(spec).dims == expected.shape[1:]
    np.testing.assert_allclose(ours.extract(spec, column, RUNTIME).values, expected, rtol=1e-6, atol=1e-7)


def test_tfidf_keeps_the_terms_in_most_texts():
    spec, column = stored(["b a", "c b", "d c", "a e", "f f f f"])
    extractor = Tfidf(analyzer="word", ngrams=(1, 1), max_features=2)
    extractor.fit(spec, [column])
    assert extractor.state().values["vocabulary"] == ["a", "b"]  # a, b and c are in two texts each
    extractor = Tfidf(analyzer="word", ngrams=(1, 1), min_df=2)
    extractor.fit(spec, [column])
    assert extractor.state().values["vocabulary"] == ["a", "b", "c"]
    assert not extractor.extract(spec, column, RUNTIME).values[4].any()


def test_tfidf_follows_lowercase_and_uses_the_tokens():
    spec, column = stored(["The Cat", "the cat"], remove_stop_words=True)
    for lowercase, expected in ((True, ["cat"]), (False, ["Cat", "cat"])):
        extractor = Tfidf(analyzer="word", ngrams=(1, 2), lowercase=lowercase)
        extractor.fit(spec, [column])
        assert extractor.state().values["vocabulary"] == expected
    everything_removed = stored(["the of", "a cat"], remove_stop_words=True)
    extractor.fit(*[everything_removed[0], [everything_removed[1]]])
    assert extractor.extract(*everything_removed, RUNTIME).values.tolist() == [[0.0], [1.0]]


def test_tfidf_with_svd_projects_on_the_singular_vectors_of_the_train_rows():
    spec, column = stored(TEXTS)
    plain, reduced = Tfidf(), Tfidf(svd=3)
    plain.fit(spec, [column])
    reduced.fit(spec, [column])
    matrix = plain.extract(spec, column, RUNTIME).values.astype(np.float64)
    left, singular, _ = np.linalg.svd(matrix, full_matrices=False)
    found = reduced.extract(spec, column, RUNTIME).values
    assert reduced.output(spec).dims == (3,)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :3] * singular[:3]), atol=1e-5)
    again = Tfidf(svd=3)
    again.fit(spec, [column])
    assert again.state().digest() == reduced.state().digest()


@pytest.mark.parametrize("options", [{}, {"svd": 4}, {"analyzer": "word"}, {"analyzer": "char", "max_features": 50}])
def test_tfidf_rows_stand_alone_and_the_state_is_whole(options, tmp_path):
    rng = np.random.default_rng(0)
    spec, column = stored(["".join(rng.choice(list("abcdefg  "), 60)) + "z" for _ in range(50)], train=20)
    extractor = Tfidf(**options)
    extractor.fit(spec, [column.take(np.arange(20))])
    whole = extractor.extract(spec, column, RUNTIME).values
    singles = [extractor.extract(spec, column.take(np.array([row])), RUNTIME).values[0] for row in range(50)]
    assert whole.tobytes() == np.stack(singles).tobytes()
    extractor.state().write(tmp_path / "tfidf")
    again = Tfidf(**options)
    again.load_state(State.read(tmp_path / "tfidf"))
    assert again.extract(spec, column, RUNTIME).values.tobytes() == whole.tobytes()
    assert again.output(spec) == extractor.output(spec)


def test_tfidf_says_what_it_cannot_do():
    spec, column = stored(["one", "two"])
    with pytest.raises(MmcliError, match=r"none of the .* is in 5 of them"):
        Tfidf(min_df=5).fit(spec, [column])
    with pytest.raises(MmcliError, match="svd=3, but 2 train texts"):
        Tfidf(svd=3).fit(spec, [column])
    with pytest.raises(MmcliError, match="ngrams must be a range from 1 up, not 0-2"):
        Tfidf(ngrams=(0, 2))
    empty = assemble(spec.fields["text"], [np.zeros(0, np.uint8)])
    fitted = Tfidf()
    fitted.fit(spec, [column])
    with pytest.raises(MmcliError, match="text 0 of 1 is empty"):
        fitted.extract(
            spec, Column(dict.fromkeys(spec.fields, empty), np.ones(1, bool), np.zeros((1, 16), np.uint8)), RUNTIME
        )


def test_options_are_typed_as_on_the_command_line():
    extractor = EXTRACTORS["text"].build(parse_spec("tfidf:analyzer=char_wb,ngrams=2-5,max_features=none"))
    assert (extractor.analyzer, extractor.ngrams, extractor.max_features) == ("char_wb", (2, 5), None)
    assert EXTRACTORS["text"].names() == ["tfidf", "word_vectors"]


# word vectors

GLOVE = "the 0.1 0.2 0.3\ncat 1 2 3\ndog -1 0 1e0\n. . . 7 8 9\n"


@pytest.fixture(params=["glove", "word2vec", "gzip"])
def vectors(request, tmp_path):
    path = tmp_path / "vectors.txt"
    text = {"glove": GLOVE, "gzip": GLOVE, "word2vec": "4 3\n" + GLOVE.replace("\n", " \n")}[request.param]
    path.write_bytes(gzip.compress(text.encode()) if request.param == "gzip" else text.encode())
    return path


def test_the_mean_leaves_unknown_words_out(vectors):
    spec, column = stored(["The cat xyz", "DOG", "xyz abc", "cat cat dog"])
    extractor = WordVectors(path=str(vectors))
    assert extractor.output(spec).dims == (3,)
    expected = [[0.55, 1.1, 1.65], [-1, 0, 1], [0, 0, 0], [1 / 3, 4 / 3, 7 / 3]]
    np.testing.assert_allclose(extractor.extract(spec, column, RUNTIME).values, expected, rtol=1e-6)
    exact = WordVectors(path=str(vectors), lowercase=False).extract(spec, column, RUNTIME).values
    np.testing.assert_allclose(exact[:2], [[1, 2, 3], [0, 0, 0]])


def test_a_sequence_has_a_step_for_each_token(vectors):
    spec, column = stored(["The cat xyz", "dog", "of"], remove_stop_words=True, max_tokens=9)
    extractor = WordVectors(path=str(vectors), mode="sequence")
    form = extractor.output(spec)
    assert (form.layout, form.dims, form.axes, form.bound) == ("ragged", (3,), "TD", 9)
    found = extractor.extract(spec, column, RUNTIME)
    rows = [found.item(row).tolist() for row in range(3)]
    assert rows == [[[1, 2, 3], [0, 0, 0]], [[-1, 0, 1]], [[0, 0, 0]]]


def test_word_vectors_name_the_hash_of_their_file(vectors):
    digest = hashlib.sha256(vectors.read_bytes()).hexdigest()
    assert WordVectors(path=str(vectors)).assets() == {"path": digest}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the 1 2\ncat 1\n", "line 2: expected a word and 2 numbers, found 'cat 1'"),
        ("the 1 2\ncat 1 x\n", "line 2: expected a word and 2 numbers, found 'cat 1 x'"),
        ("the 1 2\ndog 1 2\ncat 1 nan\n", "line 3: expected a word and 2 numbers"),
        ("3 2\nthe 1 2\ncat 1 2\n", "2 vectors, but its first line announces 3"),
        ("the x y\n", "line 1: expected a word and 2 numbers"),
        ("", "line 1: expected a word and its numbers"),
    ],
)
def test_a_damaged_file_of_vectors_is_named_with_the_line(text, message, tmp_path):
    path = tmp_path / "broken.txt"
    path.write_text(text)
    spec, column = stored(["the cat"])
    with pytest.raises(MmcliError, match=f"broken.txt(, |: ){re.escape(message)}") as caught:
        WordVectors(path=str(path)).extract(spec, column, RUNTIME)
    assert "\n" not in str(caught.value)


def test_word_vectors_want_one_source_that_is_there(tmp_path):
    spec, column = stored(["the cat"])
    for options, message in [
        ({}, "needs vectors"),
        ({"path": "a", "spacy_model": "b"}, "not both"),
        ({"path": str(tmp_path / "absent.vec")}, "absent.vec: no such file"),
        ({"spacy_model": "no_such_model"}, "neither installed"),
    ]:
        with pytest.raises(MmcliError, match=message):
            WordVectors(**options).extract(spec, column, RUNTIME)


def test_vectors_of_a_spacy_pipeline(model):
    spec, column = stored(["Dogs run", "cat"])
    extractor = WordVectors(spacy_model=model)
    np.testing.assert_allclose(extractor.extract(spec, column, RUNTIME).values, [[2, 3], [0, 0]])
    assert re.fullmatch("[0-9a-f]{64}", extractor.assets()["spacy_model"])
    empty = Column({**column.fields, "text": assemble(spec.fields["text"], [None, None])}, column.present, column.key)
    with pytest.raises(MmcliError, match="is empty"):
        extractor.extract(spec, empty, RUNTIME)


def test_a_pipeline_without_vectors_is_refused(tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    with pytest.raises(MmcliError, match="has no word vectors"):
        WordVectors(spacy_model=str(tmp_path / "blank")).assets()
