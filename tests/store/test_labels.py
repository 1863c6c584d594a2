"""Names of classes however they are written, and lists written as text."""

from __future__ import annotations

import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmcli.store.labels import class_name, listed


@pytest.mark.parametrize("name", ["no", "é", "猫", "two words", "Yes", "3", "-2.5", "a|b", "'quoted'"])
def test_white_space_and_the_form_of_letters_tell_no_classes_apart(name):
    for around in ("{}", " {}", "{} ", "\t{}\r\n", "\u00a0{}\u3000", "\ufeff{}"):
        for form in ("NFC", "NFD"):
            assert class_name(around.format(unicodedata.normalize(form, name))) == name


def test_letter_case_and_white_space_within_do():
    names = ["Yes", "yes", "New York", "New  York", "NewYork", "ﬁ", "fi"]
    assert [class_name(name) for name in names] == names


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ((3, 3.0, "3", "3.0", " 3.00 ", np.int64(3), np.float32(3)), "3"),
        ((True, "true", "TRUE", " True", np.bool_(True)), "true"),
        ((0, -0.0, "-0", "0.0"), "0"),
        (("03",), "03"),
        (("1e3",), "1e3"),
        (("٣",), "٣"),
    ],
)
def test_a_class_has_one_name_however_it_is_written(written, name):
    assert {class_name(each) for each in written} == {name}


@pytest.mark.parametrize("target", [None, "", " ", "\ufeff", float("nan"), np.nan, ["a"], ("a",), {"a": 1}])
def test_values_that_are_not_classes(target):
    assert class_name(target) is None


LETTERS = [
    "a",
    "b c",
    "é",
    "don't",
    'say "x"',
    "comma, it has",
    "[x]",
    "{y}",
    "back\\slash",
    "new\nline",
    "tab\t",
    "1",
    "",
]


@pytest.mark.parametrize("seed", range(30))
def test_lists_are_read_as_whoever_wrote_them_meant_them(seed):
    random = np.random.default_rng(seed)
    items = [LETTERS[place] for place in random.integers(0, len(LETTERS), random.integers(1, 6))]
    for text in (
        str(items),
        json.dumps(items),
        json.dumps(items, ensure_ascii=False),
        f"  {items} ",
        str(tuple(items)),
    ):
        assert listed(text) == items
    assert sorted(listed(str(set(items)))) == sorted(set(items))
    plain = [item for item in items if item.isalnum() or item == "b c"]
    if plain:
        quoted = ",".join(f'"{item}"' if " " in item else item for item in plain)  # as PostgreSQL writes an array
        assert listed("{" + quoted + "}") == plain
        assert listed("[" + ", ".join(plain) + "]") == plain
        assert listed(str(np.array(plain))) == plain


@pytest.mark.parametrize("text", ["[]", "{}", "()", "set()", " [] "])
def test_nothing_in_brackets_is_an_empty_list(text):
    assert listed(text) == []


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[1, 2.5, True]", ["1", "2.5", "True"]),
        ("['a', None]", ["a", None]),
        ('["a", null]', ["a", None]),
        ("[nan]", [None]),
        ("['a',]", ["a"]),
        ("['a'\n 'b']", ["a", "b"]),
    ],
)
def test_items_without_quotes(text, items):
    assert listed(text) == items


@pytest.mark.parametrize(
    "text",
    [
        "a", "", "[", "[a", "a]", "[a}", "['a]", "['a'b]", "[a'b']", "[['a']]", "[{'a': 1}]", "{'a': 1}", '{"a": 1}',
        "{a: 1}", "[,]", "[a,,b]", "(none)", "(a, b)", "[a](b)", None, 3, ["a"], "['a' b]", "[" + "a," * 60_000 + "a]",
    ],
)  # fmt: skip
def test_other_texts_are_not_lists(text):
    assert listed(text) is None


def test_a_long_cell_takes_no_time():
    for text in (
        "[" + " " * 90_000 + "'",
        "[" + "'a' " * 20_000 + "]",
        "['" + "\\" * 90_000 + "]",
        "[" + "[" * 90_000 + "]",
    ):
        listed(text)


@given(st.text(st.sampled_from("[]{}()'\",:\\ \nab1né\u0301\ufeff") | st.characters(), max_size=40))
def test_any_text_is_a_list_or_not_and_a_name_stays_what_it_is(text):
    items = listed(text)
    assert items is None or all(item is None or isinstance(item, str) for item in items)
    name = class_name(text)
    assert name is None or class_name(name) == name


@given(st.lists(st.text(max_size=8), max_size=6))
def test_a_list_that_python_or_json_writes_is_read_again(items):
    assert listed(json.dumps(items)) == items
    assert listed(repr(items)) == items
