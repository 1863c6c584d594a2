"""The grammar of named things with arguments, and the registries that find them."""

from __future__ import annotations

import inspect
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcli.errors import MmcliError, UsageError
from mmcli.options import coerce
from mmcli.registry import (
    ENCODERS,
    EXTRACTORS,
    FUSIONS,
    KINDS,
    TASKS,
    Registry,
    Spec,
    camel,
    options_of,
    parse_spec,
)

QUICK = settings(max_examples=150, deadline=None, derandomize=True)
REGISTRIES = [*EXTRACTORS.values(), ENCODERS, FUSIONS, TASKS]
ENTRIES = [
    pytest.param(registry, name, id=registry.module_of(name)) for registry in REGISTRIES for name in registry.names()
]
words = st.text("abcdefghij_0123456789", min_size=1, max_size=6)
keys = words.filter(str.isidentifier)
values = st.text("abc019._-/+* ", max_size=6).map(str.strip)


class TestGrammar:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("tfidf", Spec("tfidf")),
            (" tfidf ", Spec("tfidf")),
            ("tfidf:", Spec("tfidf")),
            ("tfidf:max=5", Spec("tfidf", None, {"max": "5"})),
            ("tfidf:analyzer=char_wb,ngrams=2-5", Spec("tfidf", None, {"analyzer": "char_wb", "ngrams": "2-5"})),
            ("tfidf: analyzer = word , max = 5 ", Spec("tfidf", None, {"analyzer": "word", "max": "5"})),
            ("tfidf:max=", Spec("tfidf", None, {"max": ""})),
            ("tfidf:max=5,", Spec("tfidf", None, {"max": "5"})),
            ("hf:folder:pool=mean", Spec("hf", "folder", {"pool": "mean"})),
            ("hf:folder", Spec("hf", "folder")),
            ("only:image", Spec("only", "image")),
            ("hf:/a/b.c-d:pool=mean,layer=-1", Spec("hf", "/a/b.c-d", {"pool": "mean", "layer": "-1"})),
            ("hf:https://host/x", Spec("hf", "https://host/x")),
            ("hf:https://host/x:pool=mean", Spec("hf", "https://host/x", {"pool": "mean"})),
            ("word_vectors:path=/a/b:c.txt", Spec("word_vectors", None, {"path": "/a/b:c.txt"})),
            ("word_vectors:path=a=b", Spec("word_vectors", None, {"path": "a=b"})),
        ],
    )
    def test_by_hand(self, text, expected):
        assert parse_spec(text) == expected

    @pytest.mark.parametrize(
        "text",
        ["", "  ", ":", ":max=5", "tfidf:max=5,word", "tfidf:max=5,=3", "tfidf:max=5,max=6", "tfidf:max=5, max=6",
         "tfidf:max=5, =6"],
    )  # fmt: skip
    def test_mistakes(self, text):
        with pytest.raises(UsageError):
            parse_spec(text)

    @QUICK
    @given(words, st.one_of(st.none(), words), st.dictionaries(keys, values, max_size=3))
    def test_a_written_spec_is_read_back(self, name, argument, options):
        spec = Spec(name, argument, options)
        assert parse_spec(str(spec)) == spec

    @QUICK
    @given(st.one_of(st.text("ab:=, -1", max_size=12), st.text(max_size=12)))
    def test_any_text_comes_back_or_is_a_usage_error(self, text):
        try:
            spec = parse_spec(text)
        except UsageError:
            return
        assert parse_spec(str(spec)) == spec


class TestCoerce:
    @pytest.mark.parametrize(
        ("text", "hint", "expected"),
        [
            ("5", int, 5),
            ("-5", int, -5),
            ("5", float, 5.0),
            ("1e-3", float, 0.001),
            ("x y", str, "x y"),
            ("true", bool, True),
            ("Yes", bool, True),
            ("1", bool, True),
            ("FALSE", bool, False),
            ("no", bool, False),
            ("0", bool, False),
            ("word", Literal["word", "char"], "word"),
            ("1-2", tuple[int, int], (1, 2)),
            ("3", tuple[int, int], (3, 3)),
            ("2-2", tuple[int, int], (2, 2)),
            ("none", int | None, None),
            ("None", float | None, None),
            ("", str | None, None),
            ("7", int | None, 7),
            ("7", None | int, 7),
            ("word", Literal["word"] | None, "word"),
            ("1-4", tuple[int, int] | None, (1, 4)),
        ],
    )
    def test_by_hand(self, text, hint, expected):
        found = coerce("x", text, hint)
        assert found == expected
        assert type(found) is type(expected)

    @pytest.mark.parametrize(
        ("text", "hint"),
        [
            ("5.5", int),
            ("", int),
            ("none", int),
            ("five", float),
            ("maybe", bool),
            ("", bool),
            ("Word", Literal["word", "char"]),
            ("2-1", tuple[int, int]),
            ("1-", tuple[int, int]),
            ("-1", tuple[int, int]),
            ("1-2-3", tuple[int, int]),
            ("²", tuple[int, int]),
            ("1-²", tuple[int, int]),
            ("1,2", tuple[int, int]),
            ("x", int | None),
        ],
    )
    def test_mistakes_say_where_and_what(self, text, hint):
        with pytest.raises(UsageError, match=rf"^tfidf: max={text}: expected "):
            coerce("tfidf: max", text, hint)

    @QUICK
    @given(st.text(max_size=6), st.sampled_from([int, float, bool, tuple[int, int], int | None, Literal["a", "b"]]))
    def test_any_text(self, text, hint):
        try:
            found = coerce("x", text, hint)
        except UsageError as error:
            found = str(error)
        assert not isinstance(found, str) or found in ("a", "b") or found.startswith("x=")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with two entries, a part and a private file."""
    folder = tmp_path / "made_up_entries"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "log_mel.py").write_text(
        '"""Log-mel spectrogram.\n\nMore of it.\n"""\n'
        "from typing import ClassVar\n"
        "class Other:\n    version = 9\n"
        "class LogMel:\n"
        '    version: ClassVar[int] = 2\n    kinds = ("audio", "video")\n    wide = len("ab")\n    scaling: str\n'
        "    def __init__(self, *, n_mels: int = 64, name: str | None = None, given: int = 0):\n"
        "        self.n_mels, self.name, self.given = n_mels, name, given\n"
    )
    (folder / "heavy.py").write_text('"""Needs what is not there."""\nimport a_package_nobody_has\nclass Heavy: ...\n')
    (folder / "named.py").write_text(
        '"""Takes an argument."""\nclass Named:\n'
        "    def __init__(self, *, argument: str, size: int = 1):\n        self.argument, self.size = argument, size\n"
    )
    (folder / "_private.py").write_text('raise RuntimeError("imported")')
    (folder / "read.py").write_text('raise RuntimeError("imported")')
    monkeypatch.syspath_prepend(tmp_path)
    return Registry("thing", "made_up_entries", apart=frozenset({"read"}))


class TestRegistry:
    def test_names_leave_out_parts_and_private_files(self, package):
        assert package.names() == ["heavy", "log_mel", "named"]

    def test_a_package_that_is_not_there_has_no_names(self):
        assert Registry("thing", "mmcli.modalities.smell").names() == []

    def test_summary_and_constants_without_importing(self, package):
        assert package.summary("log_mel") == "Log-mel spectrogram."
        assert package.summary("heavy") == "Needs what is not there."
        assert package.constant("log_mel", "version") == 2
        assert package.constant("log_mel", "kinds") == ("audio", "video")
        assert package.constant("log_mel", "wide", "none") == "none"
        assert package.constant("log_mel", "scaling", "none") == "none"
        assert package.constant("log_mel", "missing") is None

    @pytest.mark.parametrize("use", ["load", "summary", "build"])
    def test_an_unknown_name_suggests_the_nearest(self, package, use):
        given = Spec("logmel") if use == "build" else "logmel"
        message = r"unknown thing 'logmel'; did you mean 'log_mel'\? \(available: heavy, log_mel, named\)"
        with pytest.raises(MmcliError, match=message):
            getattr(package, use)(given)

    @pytest.mark.parametrize("name", ["read", "_private", "__init__", "", "../x", "os.path", "log_mel.py"])
    def test_nothing_but_an_entry_is_imported(self, package, name):
        with pytest.raises(MmcliError, match="unknown thing"):
            package.load(name)

    def test_a_missing_package_is_named(self, package):
        with pytest.raises(MmcliError, match=r"thing 'heavy' needs the package 'a_package_nobody_has': pip install"):
            package.load("heavy")

    def test_build_gives_typed_options(self, package):
        made = package.build(parse_spec("log_mel:n_mels=8,name=none"), given=3)
        assert (made.n_mels, made.name, made.given) == (8, None, 3)
        assert package.build(parse_spec("named:a/b:size=2")).argument == "a/b"

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("log_mel:n_mel=8", "unknown option of thing 'log_mel' 'n_mel'; did you mean 'n_mels'"),
            ("log_mel:n_mels=eight", "n_mels=eight: expected a number"),
            ("log_mel:given=8", "unknown option"),
            ("log_mel:word", "takes no argument 'word'.*log_mel:key=value"),
        ],
    )
    def test_build_refuses(self, package, spec, message):
        with pytest.raises(MmcliError, match=message):
            package.build(parse_spec(spec), given=3)

    def test_camel(self):
        names = {"tfidf": "Tfidf", "log_mel": "LogMel", "resnet18": "Resnet18", "f0_range": "F0Range"}
        assert {name: camel(name) for name in names} == names


class TestEntries:
    def test_there_are_some_of_each(self):
        assert all(registry.names() for registry in (ENCODERS, FUSIONS, TASKS))
        assert sum(bool(EXTRACTORS[kind].names()) for kind in KINDS) >= 5

    @pytest.mark.parametrize(("registry", "name"), ENTRIES)
    def test_is_a_class_of_its_name_with_a_summary(self, registry, name):
        found = registry.load(name)
        assert inspect.isclass(found)
        assert found.__name__ == camel(name)
        assert found.__module__ == registry.module_of(name)
        summary = registry.summary(name)
        assert 10 <= len(summary) <= 110
        assert summary == summary.strip()
        assert summary[0].isupper() or not summary[0].isalpha()

    @pytest.mark.parametrize(("registry", "name"), ENTRIES)
    def test_options_have_types_that_the_command_line_can_give(self, registry, name):
        import typing

        kind = registry.load(name)
        hints = typing.get_type_hints(kind.__init__)
        for option, parameter in options_of(kind).items():
            default = parameter.default
            text = "-".join(map(str, default)) if isinstance(default, tuple) else str(default)
            assert coerce(option, text, hints[option]) == default
