"""Arrays beside a table, vectors in its cells, padded sequences, and numbers that float32 would blur."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.stages.check import check
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.conftest import write_csv
from tests.heard import Heard


def rows_of(count, split="train"):
    return [{"id": f"r{n}", "label": "ab"[n % 2], "split": split} for n in range(count)]


def values(folder, name="e"):
    made = Artifact(folder)
    return made.take(name, np.arange(len(made))).fields[""]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    random = np.random.default_rng(0)
    rows = [{**row, "split": ["train", "train", "val", "test"][n % 4]} for n, row in enumerate(rows_of(80))]
    write_csv(folder / "t.csv", rows)
    np.save(folder / "e.npy", random.normal(0, 1, (80, 3)) + np.arange(80)[:, None] % 2)
    preprocess(str(folder / "t.csv"), folder / "s", tensor=[f"e={folder / 'e.npy'}"], target="label")
    extract_features(str(folder / "s"), folder / "f")
    train(str(folder / "f"), folder / "m", epochs=3)
    return folder


def answers(model, source, **options):
    return [row for group in predict(model / "m", str(source), **options) for row in group]


class TestBesideTheTable:
    @pytest.mark.parametrize("count", [79, 81])
    def test_as_many_rows_as_the_table(self, model, tmp_path, count):
        np.save(tmp_path / "e.npy", np.zeros((count, 3)))
        with pytest.raises(MmcliError, match=rf"has {count} rows, but \S+ has 80; expected one array row per"):
            preprocess(str(model / "t.csv"), tmp_path / "s", tensor=[f"e={tmp_path / 'e.npy'}"], target="label")
        assert not (tmp_path / "s").exists()

    def test_the_first_rows_take_the_first_of_the_array(self, model, tmp_path):
        preprocess(str(model / "t.csv"), tmp_path / "s", tensor=[f"e={model / 'e.npy'}"], target="label", limit=10)
        np.testing.assert_allclose(values(tmp_path / "s").values, np.load(model / "e.npy")[:10], rtol=1e-6)

    def test_new_rows_never_take_the_array_of_train(self, model, tmp_path):
        write_csv(tmp_path / "new.csv", rows_of(30, "test"))
        told = r"e: in training it came from the array \S+ \(80 rows\), and \S+ has 30 rows"
        for call in (
            lambda: answers(model, tmp_path / "new.csv"),
            lambda: evaluate(model / "m", str(tmp_path / "new.csv")),
            lambda: preprocess(str(tmp_path / "new.csv"), tmp_path / "like", like=model / "m"),
        ):
            with pytest.raises(MmcliError, match=told):
                call()
        with pytest.raises(MmcliError, match=r"has 80 rows, but \S+ has 30"):
            answers(model, tmp_path / "new.csv", tensor=[f"e={model / 'e.npy'}"])
        with pytest.raises(MmcliError, match="unknown modality read from an array 'x'"):
            answers(model, tmp_path / "new.csv", tensor=["x=a.npy"])
        with pytest.raises(UsageError, match="expected NAME=FILE"):
            answers(model, tmp_path / "new.csv", tensor=["a.npy"])

    def test_their_own_array_is_theirs(self, model, tmp_path):
        whole = answers(model, model / "t.csv", tensor=[f"e={model / 'e.npy'}"])
        assert whole == answers(model, model / "s")
        rows = pandas.read_csv(model / "t.csv").iloc[20:50]
        rows.to_csv(tmp_path / "new.csv", index=False)
        np.save(tmp_path / "new.npy", np.load(model / "e.npy")[20:50])
        own = [f"e={tmp_path / 'new.npy'}"]
        found = answers(model, tmp_path / "new.csv", tensor=own)
        assert [row["probabilities"] for row in found] == [row["probabilities"] for row in whole[20:50]]
        preprocess(str(tmp_path / "new.csv"), tmp_path / "like", like=model / "m", tensor=own)
        assert answers(model, tmp_path / "like") == found
        report = evaluate(model / "m", str(tmp_path / "new.csv"), split="all", tensor=own)
        assert report.metrics["n"] == 30
        assert answers(model, tmp_path / "new.csv", tensor=["e=none"])[0]["reasons"] == {"e": "left out"}

    def test_rows_on_a_pipe_have_none(self, model, mmcli):
        done = mmcli("predict", model / "m", "-", stdin='{"id": "a"}\n')
        assert done.code == 1
        assert "the model needs e from an array" in done.err

    def test_check_takes_them(self, model):
        report = check(str(model / "t.csv"), tensor=[f"e={model / 'e.npy'}"], target="label")
        assert report.modalities[0].counts["ok"] == 80
        with pytest.raises(MmcliError, match="no such file"):
            check(str(model / "t.csv"), tensor=["e=gone.npy"], target="label")


class TestVectorsInCells:
    VECTORS = np.random.default_rng(1).normal(size=(24, 4)).round(4)

    def written(self, folder, form):
        rows = rows_of(24)
        lists = self.VECTORS.tolist()
        if form == "jsonl":
            text = "".join(json.dumps({**row, "e": vector}) + "\n" for row, vector in zip(rows, lists, strict=True))
            (folder / "t.jsonl").write_text(text)
            return folder / "t.jsonl"
        table = pandas.DataFrame(rows)
        if form == "parquet":
            table["e"] = lists
            table.to_parquet(folder / "t.parquet")
            return folder / "t.parquet"
        table["e"] = [str(np.array(v)) if form == "numpy" else str(v) for v in lists]
        table.to_csv(folder / "t.csv", index=False)
        return folder / "t.csv"

    @pytest.mark.parametrize("form", ["jsonl", "parquet", "csv", "numpy"])
    def test_are_a_tensor_named_or_inferred(self, tmp_path, form):
        source = str(self.written(tmp_path, form))
        for number, options in enumerate(({}, {"tensor": ["e"]})):
            preprocess(source, tmp_path / str(number), target="label", **options)
            assert Artifact(tmp_path / str(number)).modalities["e"].kind == "tensor"
            np.testing.assert_array_equal(values(tmp_path / str(number)).values, self.VECTORS.astype(np.float32))

    def test_sequences_of_vectors(self, tmp_path):
        steps = [np.random.default_rng(n).normal(size=(n % 4 + 1, 3)).round(3) for n in range(12)]
        rows = [{**row, "e": step.tolist()} for row, step in zip(rows_of(12), steps, strict=True)]
        (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        preprocess(str(tmp_path / "t.jsonl"), tmp_path / "s", target="label")
        found = values(tmp_path / "s")
        np.testing.assert_array_equal(found.values, np.concatenate(steps).astype(np.float32))
        assert np.diff(found.offsets).tolist() == [len(step) for step in steps]

    def test_invalid_vectors_are_reported(self, tmp_path):
        cells = ["[1.5, 2.5]"] * 8 + ["[1.5]", "[1, [2]]", '["a", "b"]', "[1.0 ... 2.0]", "[]", ""]
        rows = [{**row, "e": cell} for row, cell in zip(rows_of(14), cells, strict=True)]
        preprocess(str(write_csv(tmp_path / "t.csv", rows)), tmp_path / "s", tensor=["e"], target="label")
        reasons = {entry.row: (entry.status, entry.reason) for entry in Artifact(tmp_path / "s").ledger()}
        assert reasons == {
            8: ("corrupt", "shape (1,), expected (2,)"),
            9: ("corrupt", "a list of lists that differ in length"),
            10: ("corrupt", "a list that holds other things than numbers"),
            11: ("corrupt", "an array printed with ... in the place of numbers; write all of them"),
            12: ("corrupt", "an empty list"),
            13: ("missing", "empty cell"),
        }

    @pytest.mark.parametrize("cells", [[[1, 2], [3, 4]], [[1], [1, 2]], [["a"], ["b"]], ["[a]", "[b]"], [[0.5], [0.1]]])
    def test_lists_of_labels_are_no_vectors(self, tmp_path, cells):
        rows = [{**row, "e": cells[n % 2], "x": n / 3} for n, row in enumerate(rows_of(12))]
        (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        preprocess(str(tmp_path / "t.jsonl"), tmp_path / "s", target="label")
        found = Artifact(tmp_path / "s").modalities
        assert "e" not in found or found["e"].kind != "tensor"


class TestPrecision:
    @pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint64])
    def test_milliseconds_stay_apart(self, tmp_path, dtype):
        times = 1_700_000_000_000 + np.arange(40) * 60_000
        array = np.stack([times, np.arange(40) * 3], axis=1).astype(dtype)
        np.save(tmp_path / "e.npy", array)
        write_csv(tmp_path / "t.csv", rows_of(40))
        preprocess(str(tmp_path / "t.csv"), tmp_path / "s", tensor=[f"e={tmp_path / 'e.npy'}"], target="label")
        found = values(tmp_path / "s").values
        train = np.array([row["split"] == "train" for row in Artifact(tmp_path / "s").rows])
        mean, std = times[train].mean(), times[train].std()
        np.testing.assert_allclose(found[:, 0], (times - mean) / std, rtol=1e-4, atol=1e-5)
        assert found[:, 1].tolist() == (np.arange(40) * 3).tolist()  # what float32 holds is stored as it is

    def test_whole_numbers_beyond_the_exact_ones_of_float64(self, tmp_path):
        np.save(tmp_path / "e.npy", (2**60 + np.arange(40))[:, None])
        write_csv(tmp_path / "t.csv", rows_of(40))
        preprocess(str(tmp_path / "t.csv"), tmp_path / "s", tensor=[f"e={tmp_path / 'e.npy'}"], target="label")
        assert len(np.unique(values(tmp_path / "s").values)) == 40

    def test_numeric_columns_too(self, tmp_path):
        rows = [{**row, "t": 1_700_000_000_000 + n, "u": n} for n, row in enumerate(rows_of(40))]
        preprocess(str(write_csv(tmp_path / "t.csv", rows)), tmp_path / "s", numeric=["e=[tu]"], target="label")
        assert len(np.unique(values(tmp_path / "s").values[:, 0])) == 40

    def test_plain_numbers_stay_as_they_are(self, tmp_path):
        array = np.random.default_rng(0).normal(100, 1, (40, 3))
        np.save(tmp_path / "e.npy", array)
        write_csv(tmp_path / "t.csv", rows_of(40))
        preprocess(str(tmp_path / "t.csv"), tmp_path / "s", tensor=[f"e={tmp_path / 'e.npy'}"], target="label")
        np.testing.assert_array_equal(values(tmp_path / "s").values, array.astype(np.float32))


class TestPadding:
    LENGTHS = np.array([1, 3, 2, 4] * 5)

    @pytest.fixture
    def padded(self, tmp_path):
        array = np.random.default_rng(0).normal(size=(20, 6, 2))
        for number, length in enumerate(self.LENGTHS):
            array[number, length:] = 0
        np.save(tmp_path / "e.npy", array)
        rows = [{**row, "n": length} for row, length in zip(rows_of(20), self.LENGTHS, strict=True)]
        write_csv(tmp_path / "t.csv", rows)
        np.save(tmp_path / "n.npy", self.LENGTHS)
        return tmp_path, array

    def made(self, folder, **options):
        heard = Heard()
        place = folder / "s"
        preprocess(
            str(folder / "t.csv"), place, tensor=[f"e={folder / 'e.npy'}"], target="label", reporter=heard, fresh=True,
            **options,
        )  # fmt: skip
        return values(place), heard

    @pytest.mark.parametrize("how", ["column", "file", "value"])
    def test_padding_is_removed(self, padded, how):
        folder, array = padded
        lengths = {"column": ["e=n"], "file": [f"e={folder / 'n.npy'}"]}.get(how, [])
        found, heard = self.made(folder, lengths=lengths, pad_value=["e=0"] if how == "value" else [])
        assert np.diff(found.offsets).tolist() == self.LENGTHS.tolist()
        expected = np.concatenate([steps[:n] for steps, n in zip(array, self.LENGTHS, strict=True)])
        np.testing.assert_array_equal(found.values, expected.astype(np.float32))
        assert not [text for text in heard.warnings if "steps of zeros" in text]

    def test_is_warned_of_where_it_is_not(self, padded):
        folder, array = padded
        found, heard = self.made(folder)
        assert len(found.values) == array.shape[0] * array.shape[1]
        assert [text for text in heard.warnings if "end in steps of zeros in all" in text and "--pad-value" in text]
        array[3, -1] = 1
        np.save(folder / "e.npy", array)
        assert not [text for text in self.made(folder)[1].warnings if "steps of zeros" in text]

    def test_lengths_that_cannot_be(self, padded):
        folder, _ = padded
        rows = [{**row, "n": value} for row, value in zip(rows_of(20), [0, 7, "x", "", 2.5] + [2] * 15, strict=True)]
        write_csv(folder / "t.csv", rows)
        self.made(folder, lengths=["e=n"])
        entries = list(Artifact(folder / "s").ledger())
        assert [entry.row for entry in entries] == [0, 1, 2, 3, 4]
        assert entries[1].reason == "a length of 7.0, expected 1 to 6 steps (--lengths)"
        for options in ({"lengths": ["x=n"]}, {"pad_value": ["label=0"]}, {"lengths": ["n"]}):
            with pytest.raises(MmcliError, match="unknown tensor modality in --"):
                self.made(folder, **options)
        with pytest.raises(UsageError, match="expected a number"):
            self.made(folder, pad_value=["e=zero"])
