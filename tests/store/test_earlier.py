"""Items of earlier runs are found by their key, and by nothing else."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec
from mmcli.store.earlier import Earlier, link_or_copy
from mmcli.store.tensors import write_shard

SPEC = {"photo": ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "int64", (), "")})}
AWKWARD_KEYS = [
    b"a" + bytes(15),
    b"a" + bytes(14) + b"\x01",
    b"ab" + bytes(14),
    bytes(15) + b"\x01",
    bytes(14) + b"\x01\x00",
    b"\x01" + bytes(15),
    b"\x00\x01" + bytes(14),
    b"\xff" * 16,
    b"\x80" + bytes(15),
    b"\x7f" + b"\xff" * 15,
    b" " * 16,
    b"\n" * 15 + b"\x00",
    b"\x00\xff" * 8,
]


def column_of(keys, values=None, present=None):
    values = list(range(len(keys))) if values is None else values
    there = np.ones(len(keys), bool) if present is None else np.array(present)
    return Column(
        {"": Dense(np.array(values, np.int64))}, there, np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)
    )


def write(folder, *shards):
    folder.mkdir(parents=True, exist_ok=True)
    for number, keys in enumerate(shards):
        write_shard(
            folder / f"{number:05d}.safetensors",
            {"photo": column_of(keys, [100 * number + row for row in range(len(keys))])},
        )
    return folder


def value(earlier, key):
    place = earlier.position("photo", key)
    return None if place is None else int(earlier.item("photo", place)[""])


class TestByKey:
    def test_every_awkward_key_finds_its_own_item(self, tmp_path):
        earlier = Earlier([write(tmp_path / "a", AWKWARD_KEYS)], SPEC)
        assert [value(earlier, key) for key in AWKWARD_KEYS] == list(range(len(AWKWARD_KEYS)))

    @pytest.mark.parametrize("left_out", range(len(AWKWARD_KEYS)))
    def test_and_is_not_found_where_it_is_not(self, tmp_path, left_out):
        keys = [key for key in AWKWARD_KEYS if key != AWKWARD_KEYS[left_out]]
        earlier = Earlier([write(tmp_path / "a", keys)], SPEC)
        assert value(earlier, AWKWARD_KEYS[left_out]) is None

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.data())
    def test_like_a_dictionary(self, folder, data):
        key = st.binary(min_size=16, max_size=16).map(lambda key: bytes(byte % 3 for byte in key[:3]) + bytes(13))
        shards = data.draw(st.lists(st.lists(key, max_size=5), max_size=4))
        shutil.rmtree(folder, ignore_errors=True)
        earlier = Earlier([write(folder, *shards)], SPEC)
        plain = {}
        for number, keys in enumerate(shards):
            for row, each in enumerate(keys):
                plain.setdefault(each, 100 * number + row)
        for asked in data.draw(st.lists(key, max_size=6)) + list(plain):
            assert value(earlier, asked) == plain.get(asked)
            count = earlier.count("photo", column_of([asked, asked]))
            assert count == (2 if asked in plain else 0)

    @pytest.fixture
    def nothing(self, tmp_path):
        return Earlier([tmp_path / "gone"], SPEC)

    def test_nothing_earlier(self, nothing):
        assert nothing.position("photo", b"a" * 16) is None
        assert nothing.count("photo", column_of([b"a" * 16])) == 0
        assert nothing.same_shard(0, {"photo": column_of([b"a" * 16])}) is None

    def test_absent_rows_are_no_items(self, tmp_path):
        keys = [bytes(16), b"b" * 16]
        write_shard(tmp_path / "00000.safetensors", {"photo": column_of(keys, present=[False, True])})
        earlier = Earlier([tmp_path], SPEC)
        assert earlier.position("photo", bytes(16)) is None
        assert value(earlier, b"b" * 16) == 1
        assert earlier.count("photo", column_of(keys, present=[False, True])) == 1

    def test_a_modality_it_has_not(self, tmp_path):
        write(tmp_path / "a", [b"a" * 16])
        earlier = Earlier([tmp_path / "a"], SPEC | {"clip": SPEC["photo"]})
        assert earlier.position("clip", b"a" * 16) is None
        assert value(earlier, b"a" * 16) == 0

    def test_another_form_of_one_modality_leaves_the_others(self, tmp_path, tools):
        """As after another --image-size: the texts need no work."""
        write_shard(tmp_path / "00000.safetensors", tools.make_columns(9))
        wider = ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, 4, 4), "CHW")})
        earlier = Earlier([tmp_path], {**tools.specs, "photo": wider})
        place = earlier.position("review", tools.key_of("review", 1))
        assert earlier.item("review", place)[""].tolist() == [1]
        assert earlier.position("photo", b"new" + bytes(13)) is None

    def test_ragged_items_and_further_fields(self, tmp_path, tools):
        write_shard(tmp_path / "00000.safetensors", tools.make_columns(9))
        earlier = Earlier([tmp_path], tools.specs)
        for row in range(9):
            for name in tools.specs:
                expected = tools.item_of(name, row)
                place = earlier.position(name, tools.key_of(name, row))
                assert (place is None) == (expected is None)
                if place is not None:
                    found = earlier.item(name, place)
                    assert {field: array.tolist() for field, array in found.items()} == {
                        field: array.tolist() for field, array in expected.items()
                    }


class TestShards:
    def test_the_folder_named_first_is_asked_first(self, tmp_path):
        one = write(tmp_path / "a", [b"x" * 16], [b"a" * 16])
        two = write(tmp_path / "b", [b"a" * 16, b"b" * 16])
        assert [value(Earlier([one, two], SPEC), key * 16) for key in (b"a", b"b")] == [100, 1]
        assert [value(Earlier([two, one], SPEC), key * 16) for key in (b"a", b"b")] == [0, 1]

    def test_a_shard_of_the_same_items_is_used_again(self, tmp_path):
        keys = [b"a" * 16, b"b" * 16]
        earlier = Earlier([write(tmp_path / "a", [b"c" * 16], keys)], SPEC)
        assert earlier.same_shard(1, {"photo": column_of(keys)}) == tmp_path / "a" / "00001.safetensors"

    @pytest.mark.parametrize(
        ("number", "keys", "present"),
        [
            (0, [b"a" * 16, b"b" * 16], [True, True]),
            (2, [b"a" * 16, b"b" * 16], [True, True]),
            (1, [b"b" * 16, b"a" * 16], [True, True]),
            (1, [b"a" * 16], [True]),
            (1, [b"a" * 16, b"b" * 16, b"b" * 16], [True, True, True]),
            (1, [b"a" * 16, b"b" * 16], [True, False]),
            (1, [b"a" * 16, b"b" * 15 + b"\x00"], [True, True]),
        ],
        ids=["earlier", "later", "order", "fewer", "more", "absent", "key"],
    )
    def test_and_of_others_is_not(self, tmp_path, number, keys, present):
        earlier = Earlier([write(tmp_path / "a", [b"c" * 16], [b"a" * 16, b"b" * 16])], SPEC)
        assert earlier.same_shard(number, {"photo": column_of(keys, present=present)}) is None

    def test_nor_one_with_another_modality(self, tmp_path):
        keys = [b"a" * 16]
        earlier = Earlier([write(tmp_path / "a", keys)], SPEC | {"clip": SPEC["photo"]})
        assert earlier.same_shard(0, {"photo": column_of(keys), "clip": column_of(keys)}) is None
        write_shard(tmp_path / "a" / "00000.safetensors", {"photo": column_of(keys), "clip": column_of(keys)})
        assert Earlier([tmp_path / "a"], SPEC).same_shard(0, {"photo": column_of(keys)}) is None

    @pytest.mark.parametrize(
        "damage",
        [
            lambda path: path.write_bytes(b""),
            lambda path: path.write_bytes(b"no shard at all"),
            lambda path: path.write_bytes(path.read_bytes()[:-1]),
            lambda path: path.write_bytes(path.read_bytes().replace(b'"dtype":"BOOL"', b'"dtype":"BOOT"')),
            lambda path: path.write_bytes(path.read_bytes().replace(b"photo.present", b"photo.PRESENT")),
            lambda path: path.write_bytes(path.read_bytes().replace(b'"shape":[2,16]', b'"shape":[4,8] ')),
            lambda path: path.write_bytes(path.read_bytes().replace(b'"shape":[2,16]', b'"shape":[1,32]')),
            lambda path: (path.unlink(), path.mkdir()),
            lambda path: (path.unlink(), path.symlink_to("gone")),
        ],
        ids=["empty", "text", "cut", "dtype", "no-present", "keys-4x8", "keys-1x32", "folder", "link"],
    )
    def test_one_that_cannot_be_read_is_as_if_it_were_not_there(self, tmp_path, damage):
        folder = write(tmp_path / "a", [b"a" * 16, b"b" * 16], [b"c" * 16])
        before = (folder / "00000.safetensors").read_bytes()
        damage(folder / "00000.safetensors")
        path = folder / "00000.safetensors"
        assert not path.is_file() or path.read_bytes() != before
        earlier = Earlier([folder], SPEC)
        assert [value(earlier, key * 16) for key in (b"a", b"b", b"c")] == [None, None, 100]
        assert earlier.same_shard(0, {"photo": column_of([b"a" * 16, b"b" * 16])}) is None


class TestLinkOrCopy:
    def test_a_second_name(self, tmp_path):
        (tmp_path / "a").write_bytes(b"x")
        link_or_copy(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"x"
        assert (tmp_path / "a").samefile(tmp_path / "b")

    def test_a_copy_where_there_are_no_links(self, tmp_path, monkeypatch):
        def refuse(source, target):
            raise PermissionError

        monkeypatch.setattr("os.link", refuse)
        (tmp_path / "a").write_bytes(b"x")
        link_or_copy(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"x"
        assert not (tmp_path / "a").samefile(tmp_path / "b")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("earlier") / "shards"
