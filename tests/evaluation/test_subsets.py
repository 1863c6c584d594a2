import numpy as np

from mmcli.evaluation.subsets import mask, subset_name, subsets


def test_up_to_six_modalities_have_all_their_subsets():
    assert subsets(["text"]) == []
    assert subsets(["text", "image"]) == [("image",), ("text",)]
    assert subsets("cba") == [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]
    assert len(subsets("abcdef")) == 2**6 - 2


def test_more_modalities_have_each_alone_and_all_but_one():
    names = "abcdefg"
    found = subsets(names)
    assert found[:7] == [(name,) for name in names]
    assert sorted(found[7:]) == sorted(tuple(name for name in names if name != left) for left in names)


def test_names_are_joined_sorted():
    assert subset_name(("name", "image")) == "image+name"


def test_all_extractors_of_a_source_are_masked_together():
    present = {
        "image_hog": np.array([True, True, False]),
        "image_color": np.array([True, False, False]),
        "text": np.array([True, True, True]),
    }
    sources = {"image_hog": "image", "image_color": "image", "text": "text"}
    found = mask(present, sources, ("image",))
    assert {name: there.tolist() for name, there in found.items()} == {
        "image_hog": [True, True, False],
        "image_color": [True, False, False],
        "text": [False, False, False],
    }
    assert present["text"].all()
