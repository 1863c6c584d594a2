"""Shards: what is written comes back, other programs can read it, and a damaged file is an error and nothing worse."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import struct
import tracemalloc
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save

from mmcli.errors import MmcliError
from mmcli.store.artifact import Artifact
from mmcli.store.columns import Column, Dense, FieldSpec, ModalitySpec, Ragged
from mmcli.store.tensors import DTYPES, Shard, map_safetensors, rows_per_shard, write_shard

ROWS = 9
DAMAGE = st.one_of(st.integers(0, 255), st.sampled_from(b'0123456789-.[]{}":, '))


@pytest.fixture
def shard(tmp_path, tools):
    path = tmp_path / "00000.safetensors"
    write_shard(path, tools.make_columns(ROWS))
    return path


@contextmanager
def little_memory():
    """Half a gigabyte more than now, where the system can say so: what a lying offset asks for must not be had."""
    size = Path("/proc/self/statm")
    if not size.exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(size.read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, tools):
    """A place for damaged files, and the bytes of a sound one."""
    path = tmp_path_factory.mktemp("damage") / "00000.safetensors"
    write_shard(path, tools.make_columns(ROWS))
    return path, path.read_bytes()


def read_all(path, tools):
    """Read every row of every modality, first to last and last to first."""
    opened = Shard(path)
    order = np.concatenate([np.arange(ROWS), np.arange(ROWS)[::-1]])
    return {name: opened.column(name, spec).take(order) for name, spec in tools.specs.items()}


def split_file(path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def join_file(path, header, body) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


class TestRoundTrip:
    def test_every_field_comes_back(self, shard, tools):
        opened = Shard(shard)
        assert opened.modalities() == {"photo", "clip", "review"}
        for name, spec in tools.specs.items():
            column = opened.column(name, spec)
            assert column.present.dtype == np.bool_
            assert column.key.shape == (ROWS, 16)
            for row in range(ROWS):
                item = tools.item_of(name, row)
                assert bool(column.present[row]) == (item is not None)
                assert bytes(column.key[row]) == (bytes(16) if item is None else tools.key_of(name, row))
                for field, form in spec.fields.items():
                    found = column.fields[field].item(row)
                    assert found.dtype == form.dtype
                    if item is not None:
                        assert found.tolist() == item[field].tolist()
                    else:
                        assert not found.any()
                        assert form.layout == "dense" or len(found) == 0

    def test_texts_of_a_field_come_back(self, shard, tools):
        texts = Shard(shard).column("review", tools.specs["review"]).texts("text")
        assert texts == ["" if tools.item_of("review", row) is None else f"word {row} é 漢" for row in range(ROWS)]

    def test_the_safetensors_library_reads_it(self, shard, tools):
        with safe_open(shard, "numpy") as file:
            assert set(file.keys()) == {
                *("photo", "photo.present", "photo.key"),
                *("clip.values", "clip.offsets", "clip.present", "clip.key"),
                *("review.values", "review.offsets", "review.text.values", "review.text.offsets"),
                *("review.present", "review.key"),
            }
            lengths = [0 if tools.item_of("clip", row) is None else row % 4 for row in range(ROWS)]
            assert file.get_tensor("clip.offsets").tolist() == np.cumsum([0, *lengths]).tolist()
            assert file.get_tensor("photo.present").dtype == np.bool_
            assert file.get_tensor("photo")[2].tolist() == [[14, 15, 16], [17, 18, 19]]

    def test_written_again_it_is_the_same_file(self, shard, tmp_path, tools):
        opened = Shard(shard)
        again = tmp_path / "again.safetensors"
        columns = {name: opened.column(name, spec) for name, spec in reversed(tools.specs.items())}
        digest = write_shard(again, columns)
        assert again.read_bytes() == shard.read_bytes()
        assert digest == hashlib.sha256(shard.read_bytes()).hexdigest()

    def test_nothing_else_is_left_beside_it(self, shard):
        assert [path.name for path in shard.parent.iterdir()] == [shard.name]

    def test_a_shard_of_no_rows(self, tmp_path, tools):
        path = tmp_path / "none.safetensors"
        write_shard(path, tools.make_columns(0))
        for name, spec in tools.specs.items():
            assert len(Shard(path).column(name, spec)) == 0

    def test_views_cannot_be_written_to(self, shard, tools):
        values = Shard(shard).column("photo", tools.specs["photo"]).main.values
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


class TestDamage:
    @pytest.mark.parametrize("size", [0, 3, 8, 60, -1])
    def test_cut_off(self, shard, tools, size):
        shard.write_bytes(shard.read_bytes()[:size])
        with pytest.raises(MmcliError, match=r"00000\.safetensors"):
            read_all(shard, tools)

    def test_not_there(self, tmp_path):
        with pytest.raises(MmcliError, match="gone"):
            Shard(tmp_path / "gone.safetensors")

    def test_a_folder(self, tmp_path):
        with pytest.raises(MmcliError):
            Shard(tmp_path)

    @pytest.mark.parametrize("length", [2**63, 2**64 - 1, 10**6])
    def test_header_longer_than_the_file(self, shard, tools, length):
        shard.write_bytes(struct.pack("<Q", length) + shard.read_bytes()[8:])
        with pytest.raises(MmcliError):
            read_all(shard, tools)

    @pytest.mark.parametrize(
        "header",
        [b"", b"{", b"\xff\xfe", b"[]", b"7", b"null", b'{"photo": 3}', b'{"photo": {}}', b"[" * 200_000],
        ids=["empty", "open", "no-utf8", "list", "number", "null", "entry-number", "entry-empty", "deep"],
    )
    def test_header_is_something_else(self, shard, tools, header):
        join_file(shard, header, split_file(shard)[1])
        with pytest.raises(MmcliError):
            read_all(shard, tools)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("dtype", "F128"),
            ("dtype", 3),
            ("dtype", "F32"),
            ("data_offsets", [0, 2**40]),
            ("data_offsets", [9, 3]),
            ("data_offsets", [-8, 46]),
            ("data_offsets", [0.0, 54.0]),
            ("data_offsets", ["0", "54"]),
            ("data_offsets", [0]),
            ("data_offsets", None),
            ("shape", [9, 2, 4]),
            ("shape", [10**30]),
            ("shape", [2**62, 2, 3]),
            ("shape", ["9", 2, 3]),
            ("shape", None),
            ("shape", [54]),
            ("shape", [3, 3, 2, 3]),
        ],
    )
    def test_header_lies_about_a_tensor(self, shard, tools, field, value):
        header, body = split_file(shard)
        header["photo"][field] = value
        join_file(shard, header, body)
        with pytest.raises(MmcliError):
            read_all(shard, tools)

    def test_a_name_of_half_a_surrogate_pair(self, shard):
        header, body = split_file(shard)
        join_file(shard, {**header, "\ud800": header["photo"]}, body)
        with pytest.raises(MmcliError, match="not a complete safetensors file"):
            map_safetensors(shard)

    @pytest.mark.parametrize("name", ["photo", "clip.values", "clip.offsets", "review.text.values", "photo.present"])
    def test_a_tensor_is_not_there(self, shard, tools, name):
        header, body = split_file(shard)
        del header[name]
        join_file(shard, header, body)
        with pytest.raises(MmcliError, match=name):
            read_all(shard, tools)

    @pytest.mark.parametrize(
        "change",
        [
            {3: -5},
            {9: 10**6},
            {4: 0},
            {0: 1},
            {9: 2**62},
            {5: 2**33},
            {4: 10**6},
        ],
        ids=["negative", "past-the-end", "backwards", "not-from-zero", "overflow", "64-gigabytes", "far-and-back"],
    )
    def test_ragged_offsets_lie(self, shard, tools, change):
        with safe_open(shard, "numpy") as file:
            offsets = file.get_tensor("clip.offsets")
        assert (np.diff(offsets) >= 0).all()
        for place, value in change.items():
            offsets[place] = value
        header, body = split_file(shard)
        start, stop = header["clip.offsets"]["data_offsets"]
        join_file(shard, header, body[:start] + offsets.tobytes() + body[stop:])
        with little_memory(), pytest.raises(MmcliError):
            read_all(shard, tools)

    @pytest.mark.parametrize("name", ["photo", "photo.present", "photo.key", "clip.offsets", "clip.present"])
    def test_a_tensor_of_fewer_rows_than_the_others(self, shard, tools, name):
        header, body = split_file(shard)
        form = header[name]
        start, stop = form["data_offsets"]
        form["data_offsets"] = [start, stop - (stop - start) // form["shape"][0]]
        form["shape"][0] -= 1
        join_file(shard, header, body)
        with pytest.raises(MmcliError):
            read_all(shard, tools)

    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(
        changes=st.lists(st.tuples(st.integers(0, 4000), DAMAGE), min_size=1, max_size=6),
        cut=st.one_of(st.none(), st.integers(0, 3000)),
    )
    def test_any_damage(self, whole, tools, changes, cut):
        path, content = whole[0], bytearray(whole[1])
        for place, value in changes:
            content[place % len(content)] = value
        path.write_bytes(content[:cut])
        with little_memory():
            try:
                found = read_all(path, tools)
            except MmcliError:
                return
        assert all(len(column) == 2 * ROWS for column in found.values())


def dense(dims, dtype="uint8"):
    return ModalitySpec("image", "a", None, "", {"": FieldSpec("dense", dtype, tuple(dims), "")})


class TestRowsPerShard:
    @pytest.mark.parametrize(
        ("spec", "expected"),
        [
            (dense((3, 224, 224)), 256),  # 64 Mi / 150,528 = 445
            (dense(()), 1024),
            (dense((64, 1024, 1024)), 1),
            (dense((65, 1024, 1024)), 1),
            (dense((16384,), "float32"), 1024),
            (dense((16385,), "float32"), 512),
            (ModalitySpec("audio", "a", None, "", {"": FieldSpec("ragged", "int16", (), "S", 160_000)}), 128),
            (ModalitySpec("audio", "a", None, "", {"": FieldSpec("ragged", "float32", (64,), "TD")}), 256),
        ],
    )
    def test_by_hand(self, spec, expected):
        assert rows_per_shard({"a": spec}) == expected

    @settings(max_examples=100, deadline=None, derandomize=True)
    @given(st.lists(st.tuples(st.lists(st.integers(1, 600), max_size=3), st.sampled_from(["uint8", "float32"]))))
    def test_at_most_1024_rows_and_64_megabytes(self, forms):
        specs = {str(number): dense(dims, dtype) for number, (dims, dtype) in enumerate(forms)}
        rows = rows_per_shard(specs)
        row_bytes = sum(int(np.prod(dims, initial=1)) * {"uint8": 1, "float32": 4}[dtype] for dims, dtype in forms)
        assert rows in {2**power for power in range(11)}
        assert rows == 1 or rows * row_bytes <= 64 * 2**20
        assert rows == 1024 or 2 * rows * row_bytes > 64 * 2**20

    def test_two_modalities_share_the_shard(self):
        assert rows_per_shard({"a": dense((2**17,)), "b": dense((2**17,))}) == rows_per_shard({"a": dense((2**18,))})


class TestMapped:
    def test_a_large_file_is_not_read(self, tmp_path):
        """256 MB, most of which were never written to."""
        path = tmp_path / "large.safetensors"
        values = 2**28
        header = {
            "photo": {"dtype": "U8", "shape": [1024, 2**18], "data_offsets": [0, values]},
            "photo.present": {"dtype": "BOOL", "shape": [1024], "data_offsets": [values, values + 1024]},
            "photo.key": {"dtype": "U8", "shape": [1024, 16], "data_offsets": [values + 1024, values + 17 * 1024]},
        }
        join_file(path, header, b"")
        start = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(start + values + 17 * 1024)
            file.seek(start + 700 * 2**18)
            file.write(b"\x07" * 5)
        tracemalloc.start()
        found = Shard(path).column("photo", dense((2**18,))).take(np.array([700, 3]))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.main.item(0)[:6].tolist() == [7, 7, 7, 7, 7, 0]
        assert peak < 4 * 2**20

    def test_an_artifact_of_a_million_rows_touches_one_shard(self, tmp_path, tools):
        """All the other shards are not even there."""
        artifact = tools.write_artifact(tmp_path / "whole", 8)
        header = json.loads((artifact.path / "artifact.json").read_text())
        (artifact.path / "artifact.json").write_text(json.dumps({**header, "rows": 1_000_000}))
        os.truncate(artifact.path / "manifest.jsonl", 1_000_000)
        tensors = artifact.path / "tensors"
        (tensors / "00001.safetensors").rename(tensors / "123456.safetensors")
        opened = Artifact(artifact.path)
        assert len(opened) == 1_000_000
        found = opened.take("photo", np.array([4 * 123_456 + 2, 4 * 123_456, 4 * 123_456 + 2]))
        assert found.main.values[:, 0, 0].tolist() == [7 * 6, 7 * 4, 7 * 6]
        with pytest.raises(MmcliError, match=r"00002\.safetensors"):
            opened.take("photo", np.array([9]))

    def test_tensors_lie_one_behind_the_other_in_the_file(self, shard):
        header, body = split_file(shard)
        places = sorted(form["data_offsets"] for form in header.values())
        assert [places[0][0], places[-1][1]] == [0, len(body)]
        assert all(one[1] == two[0] for one, two in pairwise(places))
        assert set(map_safetensors(shard)) == set(header)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_shard_is_what_safetensors_itself_writes_for_every_type(tmp_path, rows):
    generator = np.random.default_rng(rows)
    columns, arrays = {}, {}
    for dtype in DTYPES.values():
        name = f'{dtype} é"'
        dense = generator.integers(0, 2, (rows, 3)).astype(dtype)
        values, offsets = generator.integers(0, 2, (2 * rows, 2)).astype(dtype), np.arange(0, 2 * rows + 1, 2)
        present, key = np.ones(rows, bool), generator.integers(0, 256, (rows, 16)).astype(np.uint8)
        columns[name] = Column({"": Dense(dense), "steps": Ragged(values, offsets)}, present, key)
        arrays |= {name: dense, f"{name}.steps.values": values, f"{name}.steps.offsets": offsets}
        arrays |= {f"{name}.present": present, f"{name}.key": key}
    digest = write_shard(tmp_path / "00000.safetensors", columns)
    expected = save(arrays)
    assert (tmp_path / "00000.safetensors").read_bytes() == expected
    assert digest == hashlib.sha256(expected).hexdigest()
