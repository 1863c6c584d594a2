"""The parts of an input that are left out cover it without overlap, and each changes its own part alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from mmcli.evaluation.windows import equal_parts
from mmcli.explanation.occlusions import occlusions
from mmcli.modalities.text.read import Preprocessor as TextReader
from mmcli.store.columns import FieldSpec, ModalitySpec


def spec(kind, layout="dense", facts=None):
    form = FieldSpec(layout, "uint8", (), "S")
    return ModalitySpec(kind, "x", None, "", {"": form}, facts=facts or {})


def changed_places(found, item):
    """Return how often each element differs from the input over all occlusions, which are as long as it."""
    return sum(np.asarray(each.without[0][""] != item[""], int) for each in found)


@pytest.mark.parametrize("length", [0, 1, 5, 7, 8, 64, 65, 1001])
@pytest.mark.parametrize("most", [1, 7, 64])
def test_equal_parts_cover_a_range_and_differ_in_length_by_one_at_most(length, most):
    parts = equal_parts(length, most)
    assert [place for start, stop in parts for place in range(start, stop)] == list(range(length))
    assert len(parts) == min(length, most)
    lengths = {stop - start for start, stop in parts}
    assert not lengths or max(lengths) - min(lengths) <= 1
    assert 0 not in lengths


@pytest.mark.parametrize("size", [(3, 5), (28, 28), (224, 100)])
def test_squares_cover_a_picture_once(size):
    item = {"": np.tile(np.array([0, 255], np.uint8), (3, size[0], size[1]))[:, :, : size[1]]}
    found = list(occlusions(spec("image"), None, item))
    assert len(found) == min(7, size[0]) * min(7, size[1])
    assert (changed_places(found, item) == 1).all()
    first = found[0]
    square = first.without[0][""][:, : first.place["bottom"], : first.place["right"]]
    np.testing.assert_array_equal(
        square, np.broadcast_to(item[""].mean(axis=(1, 2)).round()[:, None, None], square.shape)
    )


@pytest.mark.parametrize(("length", "count"), [(10, 1), (1000, 1), (4000, 5), (160_000, 20)])
def test_windows_cover_a_sound_once(length, count):
    item = {"": np.ones(length, np.int16)}
    found = list(occlusions(spec("audio", "ragged", {"sample_rate": 16_000}), None, item))
    assert len(found) == count
    assert (changed_places(found, item) == 1).all()
    assert found[0].place["start"] == 0
    assert found[-1].place["end"] == pytest.approx(length / 16_000, abs=1e-4)
    assert all(one.place["end"] == other.place["start"] for one, other in pairwise(found))


@pytest.mark.parametrize(("length", "count"), [(1, 1), (8, 8), (64, 16)])
def test_every_frame_is_dropped_once(length, count):
    item = {"": np.arange(length)}
    found = list(occlusions(spec("video", "ragged"), None, item))
    left = [frame for each in found if each.without[0] is not None for frame in each.without[0][""].tolist()]
    assert len(found) == count
    assert sorted(left) == sorted(list(range(length)) * (count - 1))
    assert (found[0].without[0] is None) == (length == 1)


TEXTS = ["a", "the cat, the cat", "one two, three!", "don't  stop", "日本語の文", " ".join(map(str, range(200)))]


@pytest.mark.parametrize("text", TEXTS)
def test_words_cover_a_text(text):
    reader = TextReader(("x",))
    reader.fit([text.encode()])
    item = reader.decode(text.encode())
    found = list(occlusions(spec("text"), reader, item))
    assert len(found) <= 64
    covered = np.zeros(len(text), int)
    for each in found:
        assert text[each.place["start"] : each.place["end"]] == each.place["word"]
        covered[each.place["start"] : each.place["end"]] += 1
    assert covered.max() == 1
    assert all(covered[place] or letter == " " for place, letter in enumerate(text))


def test_a_column_is_replaced_by_what_is_common_and_an_empty_cell_is_not():
    facts = {"numeric": ["x", "y"], "categorical": ["c", "d"], "categories": [5, 3]}
    item = {"": np.array([1.5, 0, 0, 1], np.float32), "categories": np.array([3, 0], np.int32)}
    found = {each.place["column"]: each.without for each in occlusions(spec("table", facts=facts), None, item)}
    assert set(found) == {"x", "c"}
    np.testing.assert_array_equal(found["x"][0][""], [0, 0, 0, 1])
    assert [each["categories"].tolist() for each in found["c"]] == [[2, 0], [4, 0]]
