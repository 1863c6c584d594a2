"""Samples: the same rows and tensors from a folder, from a pipe in any order, and joined."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.store.columns import LedgerEntry
from mmcli.store.opening import join_by_id, open_samples, samples_of_rows

STAGES = ("preprocess",)


def pipe(artifact, rows=None, **more) -> list[bytes]:
    """What a stage writes to a pipe: each row of the manifest with the artifact's folder."""
    every = [{"artifact": str(artifact.path), **row, **more} for row in artifact.rows]
    return [
        json.dumps(row, ensure_ascii=False).encode() + b"\n"
        for row in (every if rows is None else [every[r] for r in rows])
    ]


@pytest.fixture
def artifact(tmp_path, tools):
    return tools.write_artifact(tmp_path / "samples", 23)


def check_tensors(samples, tools, numbers, modalities=None, step=7):
    """The tensors of sample i are those that row ``numbers[i]`` of the made-up data has, in batches of any size."""
    whole = tools.make_columns(max(numbers) + 1, modalities or tuple(tools.specs))
    for start in range(0, len(numbers), step):
        stop = min(start + step, len(numbers))
        found = samples.columns(start, stop)
        assert set(found) == set(whole)
        for name, column in whole.items():
            assert tools.same_column(found[name], column.take(np.array(numbers[start:stop])))


class TestFolder:
    def test_rows_and_tensors(self, artifact, tools):
        samples = open_samples(str(artifact.path), STAGES)
        assert len(samples) == 23
        assert samples.digest == artifact.digest
        assert samples.ids() == [f"s{row}" for row in range(23)]
        assert samples.splits().tolist() == [("train", "train", "val", "test")[row % 4] for row in range(23)]
        assert list(samples.ranges(10)) == [(0, 10), (10, 20), (20, 23)]
        check_tensors(samples, tools, list(range(23)))
        batch = samples.batch(5, 9, ["clip"])
        assert [row["id"] for row in batch.rows] == ["s5", "s6", "s7", "s8"]
        assert list(batch.columns) == ["clip"]

    def test_some_of_them_are_all_that_is_read(self, artifact, tools, monkeypatch):
        numbers = [2, 3, 4, 9, 22, 0]
        samples = open_samples(str(artifact.path), STAGES).choose(np.array(numbers))
        assert len(samples) == 6
        assert samples.ids() == [f"s{row}" for row in numbers] == [row["id"] for row in samples.rows]
        assert [row["id"] for row in samples.rows.rows(1, 5)] == ["s3", "s4", "s9", "s22"]
        assert [row["id"] for row in samples.rows.take([4, 1])] == ["s22", "s3"]
        assert samples.rows.rows(3, 3) == []
        check_tensors(samples, tools, numbers, step=4)
        assert samples.digest == artifact.digest
        assert samples.choose(np.array([5, 3])).ids() == ["s0", "s9"]
        assert samples.choose(np.array([], np.int64)).ids() == []

    def test_limit(self, artifact, tools):
        samples = open_samples(str(artifact.path), STAGES, limit=6)
        assert len(samples) == 6
        assert samples.ids() == [f"s{row}" for row in range(6)]
        check_tensors(samples, tools, list(range(6)))
        assert samples.digest != artifact.digest
        assert samples.digest != open_samples(str(artifact.path), STAGES, limit=7).digest
        assert samples.digest == open_samples(str(artifact.path), STAGES, limit=6).digest

    @pytest.mark.parametrize("limit", [23, 24, 1000])
    def test_a_limit_that_limits_nothing(self, artifact, limit):
        samples = open_samples(str(artifact.path), STAGES, limit=limit)
        assert (len(samples), samples.digest) == (23, artifact.digest)

    def test_another_stage_is_refused(self, artifact):
        with pytest.raises(MmcliError, match=r"an artifact of preprocess, expected one of fuse or train"):
            open_samples(str(artifact.path), ["fuse", "train"])

    def test_no_samples(self, tmp_path, tools):
        tools.write_artifact(tmp_path / "none", 0)
        with pytest.raises(MmcliError, match="no samples"):
            open_samples(str(tmp_path / "none"), STAGES)

    def test_not_there(self, tmp_path):
        with pytest.raises(MmcliError, match="no such artifact"):
            open_samples(str(tmp_path / "gone"), STAGES)


class TestPipe:
    def test_all_rows_are_the_artifact(self, artifact, tools):
        samples = samples_of_rows(pipe(artifact))
        folder = open_samples(str(artifact.path), STAGES)
        assert samples.digest == folder.digest == artifact.digest
        assert list(samples.rows) == list(folder.rows)
        check_tensors(samples, tools, list(range(23)))

    def test_as_another_program_writes_them(self, artifact):
        """Escaped, without spaces, keys sorted in no other way: the same rows."""
        rows = [json.loads(line) for line in pipe(artifact)]
        lines = [json.dumps(row, separators=(",", ":")).encode() + b"\r\n" for row in rows]
        assert samples_of_rows([b"\n", *lines, b"  \n"]).digest == artifact.digest

    @pytest.mark.parametrize(
        "order", [[22, 3, 0, 17, 4], [5, 5, 5], [0, 1, 2], [9], list(range(22, -1, -1)), [1, 0, 1, 20, 1, 8]]
    )
    def test_shuffled_repeated_and_some(self, artifact, tools, order):
        samples = samples_of_rows(pipe(artifact, order))
        assert len(samples) == len(order)
        assert samples.ids() == [f"s{row}" for row in order]
        check_tensors(samples, tools, order)
        check_tensors(samples, tools, order, step=2)
        assert samples.digest != artifact.digest

    def test_another_order_is_another_digest(self, artifact):
        digests = [samples_of_rows(pipe(artifact, order)).digest for order in ([0, 1], [1, 0], [0, 1, 1], [0], [0, 2])]
        assert len(set(digests)) == 5

    def test_columns_and_splits_are_those_the_pipe_brings(self, artifact, tools):
        samples = samples_of_rows(pipe(artifact, [4, 2], split="test", new="é\u2028"))
        assert samples.splits().tolist() == ["test", "test"]
        assert [row["new"] for row in samples.rows] == ["é\u2028"] * 2
        assert samples.digest != samples_of_rows(pipe(artifact, [4, 2])).digest
        check_tensors(samples, tools, [4, 2])

    def test_limit(self, artifact, tools):
        lines = iter(pipe(artifact))
        samples = samples_of_rows(lines, limit=5)
        assert samples.ids() == [f"s{row}" for row in range(5)]
        check_tensors(samples, tools, list(range(5)))
        assert next(lines, None) is None  # read to its end, so that who writes it does not fail

    def test_from_standard_input(self, artifact, monkeypatch):
        stream = SimpleNamespace(buffer=io.BytesIO(b"".join(pipe(artifact, [3, 1]))), isatty=lambda: False)
        monkeypatch.setattr("sys.stdin", stream)
        assert open_samples("-", STAGES).ids() == ["s3", "s1"]

    def test_a_terminal(self, monkeypatch):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
        with pytest.raises(MmcliError, match="terminal"):
            open_samples("-", STAGES)

    def test_two_artifacts_of_one_chain(self, artifact, tmp_path, tools):
        more = tools.write_artifact(tmp_path / "more", 9, first=40, shard_rows=2)
        lines = pipe(artifact, [3, 20]) + pipe(more) + pipe(artifact, [0]) + pipe(more, [8, 1])
        samples = samples_of_rows(lines)
        order = [3, 20, *range(40, 49), 0, 48, 41]
        assert samples.ids() == [f"s{row}" for row in order]
        for step in (1, 3, 100):
            check_tensors(samples, tools, order, step=step)
        assert samples.digest != samples_of_rows(pipe(more)).digest

    @pytest.mark.parametrize("other", [{"config": {"size": 9}}, {"modalities": ("photo", "clip")}])
    def test_of_different_chains_are_refused_together(self, artifact, tmp_path, tools, other):
        more = tools.write_artifact(tmp_path / "more", 9, **other)
        with pytest.raises(MmcliError, match="made with different parameters") as caught:
            samples_of_rows(pipe(artifact) + pipe(more))
        assert str(artifact.path) in str(caught.value)
        assert str(more.path) in str(caught.value)

    @pytest.mark.parametrize("lines", [[], [b"\n", b" \n"]])
    def test_nothing(self, lines):
        with pytest.raises(MmcliError, match="no rows"):
            samples_of_rows(lines)

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"{", r"line 3: not JSON"),
            (b"[1]", r"line 3: expected a JSON object"),
            (b"id,split\n", r"line 3: not JSON"),
            (b'{"id": "a"}', r"line 3: no 'artifact' and 'row'"),
            (b'{"artifact": 3, "row": 1}', r"line 3: no 'artifact' and 'row'"),
            (b'{"artifact": "FOLDER", "row": "1"}', r"line 3: no 'artifact' and 'row'"),
            (b'{"id": "a", "artifact": "FOLDER", "row": 23}', r"line 3: row 23 is not in .* \(23 rows\)"),
            (b'{"id": "a", "artifact": "FOLDER", "row": -1}', r"line 3: row -1 is not in"),
            (b'{"artifact": "FOLDER/gone", "row": 0}', r"gone: no such artifact"),
        ],
    )
    def test_a_damaged_line_is_named(self, artifact, line, message):
        lines = pipe(artifact, [0, 1])
        with pytest.raises(MmcliError, match=message):
            samples_of_rows([*lines, line.replace(b"FOLDER", str(artifact.path).encode()), *lines])

    def test_rows_without_their_id(self, artifact):
        lines = [json.dumps({"artifact": str(artifact.path), "row": row}).encode() for row in (2, 0)]
        with pytest.raises(MmcliError, match="'id'"):
            samples_of_rows(lines).ids()


class TestReasons:
    LEDGER = (
        LedgerEntry(2, "s2", "photo", "corrupt", "cut off", "a.png"),
        LedgerEntry(2, "s2", "clip", "missing", "empty"),
        LedgerEntry(9, "s9", "photo", "skipped", "too large", "b.png"),
    )

    def test_follow_the_rows(self, tmp_path, tools):
        artifact = tools.write_artifact(tmp_path / "samples", 12, ledger=self.LEDGER)
        samples = samples_of_rows(pipe(artifact, [9, 0, 2, 9]))
        assert {place: entry.reason for place, entry in samples.reasons.items()} == {
            (0, "photo"): "too large",
            (2, "photo"): "cut off",
            (2, "clip"): "empty",
            (3, "photo"): "too large",
        }
        batch = samples.batch_with_reasons(2, 4)
        assert [(entry.row, entry.id, entry.modality) for entry in batch.ledger] == [
            (0, "s2", "photo"),
            (0, "s2", "clip"),
            (1, "s9", "photo"),
        ]

    def test_a_sample_that_was_dropped_explains_no_other(self, tmp_path, tools):
        """The ledger keeps the inputs of dropped rows, with row -1; a sample that is not there has no row."""
        dropped = LedgerEntry(-1, "gone", "clip", "corrupt", "cut off", "c.wav")
        one = tools.write_artifact(tmp_path / "one", 6, modalities=["photo"])
        two = tools.write_artifact(tmp_path / "two", 3, modalities=["clip"], ledger=[dropped])
        joined = join_by_id([open_samples(str(one.path), STAGES), open_samples(str(two.path), STAGES)])
        assert {key: entry.reason for key, entry in joined.reasons.items()} == {
            (row, "clip"): "not in two" for row in (3, 4, 5)
        }


class TestJoin:
    @pytest.fixture
    def photos(self, tmp_path, tools):
        return tools.write_artifact(tmp_path / "photos", 12, modalities=["photo"])

    @pytest.fixture
    def texts(self, tmp_path, tools):
        """Samples 5 to 16, so that 0 to 4 are not there."""
        return tools.write_artifact(tmp_path / "texts", 12, modalities=["review", "clip"], first=5, shard_rows=2)

    def test_by_id_with_some_that_are_not_there(self, photos, texts, tools):
        joined = join_by_id([open_samples(str(photos.path), STAGES), open_samples(str(texts.path), STAGES)])
        assert joined.ids() == [f"s{row}" for row in range(12)]
        assert set(joined.modalities) == {"photo", "review", "clip"}
        whole = tools.make_columns(12)
        for start, stop in [(0, 12), (0, 3), (3, 8), (5, 12), (11, 12)]:
            found = joined.columns(start, stop)
            assert tools.same_column(found["photo"], whole["photo"].take(np.arange(start, stop)))
            for name in ("review", "clip"):
                for row in range(start, stop):
                    column = found[name]
                    expected = None if row < 5 else tools.item_of(name, row)
                    assert bool(column.present[row - start]) == (expected is not None)
                    for field, tensor in column.fields.items():
                        item = tensor.item(row - start)
                        assert item.tolist() == ([] if expected is None else expected[field].tolist())

    def test_in_another_order_and_from_pipes(self, photos, texts, tools):
        one = samples_of_rows(pipe(photos, [11, 0, 6, 7, 6]))
        two = samples_of_rows(pipe(texts, [6, 2, 1, 4]))  # s11, s7, s6, s9
        joined = join_by_id([one, two])
        assert joined.ids() == ["s11", "s0", "s6", "s7", "s6"]
        found = joined.columns(0, 5)["clip"]
        there = [row if row != 0 and tools.item_of("clip", row) is not None else None for row in (11, 0, 6, 7, 6)]
        assert found.present.tolist() == [row is not None for row in there]
        assert [found.main.item(place).tolist() for place in range(5)] == [
            [] if row is None else tools.item_of("clip", row)[""].tolist() for row in there
        ]

    def test_the_first_says_columns_roles_and_order(self, photos, texts):
        one, two = open_samples(str(photos.path), STAGES), open_samples(str(texts.path), STAGES)
        assert join_by_id([one, two]).ids() == one.ids()
        assert join_by_id([two, one]).ids() == two.ids()
        assert join_by_id([one, two]).digest != join_by_id([two, one]).digest
        assert join_by_id([one]) is one

    def test_a_modality_of_both(self, photos, tmp_path, tools):
        other = tools.write_artifact(tmp_path / "other", 3, modalities=["photo"])
        with pytest.raises(MmcliError, match=r"photos and .*other both have a modality 'photo'"):
            join_by_id([open_samples(str(photos.path), STAGES), open_samples(str(other.path), STAGES)])

    def test_no_id_in_common(self, photos, tmp_path, tools):
        other = tools.write_artifact(tmp_path / "other", 3, modalities=["clip"], first=100)
        with pytest.raises(MmcliError, match="no sample id in common"):
            join_by_id([open_samples(str(photos.path), STAGES), open_samples(str(other.path), STAGES)])

    def test_the_chain_has_each_transform_once_in_order(self, tmp_path, tools):
        one = tools.write_artifact(tmp_path / "one", 3, modalities=["photo"])
        two = tools.write_artifact(tmp_path / "two", 3, modalities=["clip"], stage="extract-features")
        three = tools.write_artifact(tmp_path / "three", 3, modalities=["review"])
        stages = ("preprocess", "extract-features")
        joined = join_by_id([open_samples(str(artifact.path), stages) for artifact in (two, one, three)])
        assert [record.stage for record in joined.chain] == ["preprocess", "extract-features"]
