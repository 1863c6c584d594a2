import io

import numpy as np
import pytest
import torch
from safetensors.numpy import save as save_numpy

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.tensor import Preprocessor
from mmcli.modalities.tensor.identity import Identity
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, ModalitySpec, assemble
from mmcli.store.state import State

VALUES = np.array([[1.5, -2.0, 3.0], [4.0, 5.25, -6.0]], np.float32)


class Files:
    """Media that are in memory."""

    def __init__(self, **contents):
        self.contents = contents

    def read(self, path):
        return self.contents[path]


def written(save, *arguments, **options):
    stream = io.BytesIO()
    save(stream, *arguments, **options)
    return stream.getvalue()


def npy(array):
    return written(np.save, np.asarray(array))


def pt(value, **options):
    return written(lambda stream: torch.save(value, stream, **options))


def fitted(*arrays, **options):
    preprocessor = Preprocessor(("features",), **options)
    preprocessor.fit([npy(array) for array in arrays])
    return preprocessor


def reason(preprocessor, content):
    with pytest.raises(UnusableError) as caught:
        preprocessor.decode(content)
    return caught.value.status, caught.value.reason


@pytest.mark.parametrize(
    ("arrays", "layout", "dims", "axes", "bound"),
    [
        ([np.ones(5)], "dense", (5,), "D", 0),
        ([np.float32(3)], "dense", (1,), "D", 0),
        ([np.ones((3, 5)), np.ones((7, 5))], "ragged", (5,), "TD", 4096),
        ([np.ones((3, 5))], "ragged", (5,), "TD", 4096),
        ([np.ones((2, 4, 6))], "dense", (2, 4, 6), "CHW", 0),
        ([np.ones(4), np.ones((9, 5)), np.ones((3, 5))], "ragged", (5,), "TD", 4096),
    ],
)
def test_the_form_is_that_of_most_train_rows(arrays, layout, dims, axes, bound):
    preprocessor = fitted(*arrays)
    form = preprocessor.fields()[""]
    assert (form.layout, form.dims, form.axes, form.bound, form.dtype) == (layout, dims, axes, bound, "float32")
    again = Preprocessor(("features",))
    again.load_state(preprocessor.state())
    assert again.fields() == preprocessor.fields()


def test_pickles_in_one_array_for_all_rows_are_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    np.save(tmp_path / "rows.npy", np.array([Bomb()], object), allow_pickle=True)
    (tmp_path / "rows.pt").write_bytes(pt(Bomb()))
    for name in ("rows.npy", "rows.pt"):
        with pytest.raises(MmcliError, match=f"{name}: .*Python objects"):
            Preprocessor((), array=str(tmp_path / name)).content({"row": 0}, Files())
    assert not (tmp_path / "ran").exists()


def test_a_row_of_another_form_is_corrupt_and_a_long_one_skipped():
    sequences = fitted(np.ones((3, 5)), max_length=4)
    assert reason(sequences, npy(np.ones((3, 4)))) == ("corrupt", "shape (3, 4), expected (T, 5)")
    assert reason(sequences, npy(np.ones(5))) == ("corrupt", "shape (5,), expected (T, 5)")
    assert reason(sequences, npy(np.ones((5, 5)))) == ("skipped", "5 steps, the limit is 4")
    assert sequences.decode(npy(np.ones((4, 5))))[""].shape == (4, 5)
    assert reason(fitted(np.ones(5)), npy(np.ones(1))) == ("corrupt", "shape (1,), expected (5,)")
    assert reason(fitted(np.ones((1, 2, 3))), npy(np.ones((1, 3, 3)))) == (
        "corrupt",
        "shape (1, 3, 3), expected (1, 2, 3)",
    )


def test_train_rows_of_which_none_can_be_read_are_an_error():
    preprocessor = Preprocessor(("features",))
    with pytest.raises(MmcliError, match=r"column 'features'; most often: not a .npy"):
        preprocessor.fit([b"x", b"y"])
    with pytest.raises(MmcliError, match="not known before fit"):
        preprocessor.fields()


def test_an_empty_cell_is_missing():
    assert Preprocessor(("features",)).content({"features": " "}, Files()) is None


@pytest.mark.parametrize("suffix", ["npy", "npz", "safetensors", "pt"])
def test_one_array_has_a_row_for_each_sample(suffix, tmp_path):
    path = tmp_path / f"rows.{suffix}"
    save = {"npy": npy, "npz": lambda x: written(np.savez, x), "safetensors": lambda x: save_numpy({"x": x})}
    path.write_bytes(save.get(suffix, lambda x: pt(torch.tensor(x)))(VALUES))
    preprocessor = Preprocessor((), array=str(path))
    assert not preprocessor.threaded
    preprocessor.fit([preprocessor.content({"row": 0}, Files())])
    assert preprocessor.fields()[""].dims == (3,)
    for number in (1, 0):
        content = preprocessor.content({"row": number, "id": "a"}, Files())
        assert preprocessor.decode(content)[""].tolist() == VALUES[number].tolist()
    with pytest.raises(MmcliError, match=f"rows.{suffix}: has 2 rows, but the table has 3 or more"):
        preprocessor.content({"row": 2}, Files())
    with pytest.raises(MmcliError, match="has 2 rows, but a table row has no valid row number"):
        preprocessor.content({}, Files())


def test_an_array_that_cannot_be_had_is_one_line(tmp_path):
    (tmp_path / "bad.npy").write_bytes(npy(VALUES)[:-1])
    (tmp_path / "two.npz").write_bytes(written(np.savez, a=VALUES, b=VALUES))
    (tmp_path / "one.npy").write_bytes(npy(np.float32(1)))
    for name, message in [
        ("absent.npy", "no such file"), ("bad.npy", ""), ("two.npz", "holds 2 arrays"), ("one.npy", "a single number"),
    ]:  # fmt: skip
        with pytest.raises(MmcliError, match=f"{name}: {message}") as caught:
            Preprocessor((), array=str(tmp_path / name)).content({"row": 0}, Files())
        assert "\n" not in str(caught.value)


def test_numeric_columns_make_a_vector():
    preprocessor = Preprocessor(("a_1", "a_2"), numeric=True)
    assert not preprocessor.threaded
    assert preprocessor.fields()[""].dims == (2,)
    content = preprocessor.content({"a_1": "1,500", "a_2": -2, "b": "x"}, Files())
    assert preprocessor.decode(content)[""].tolist() == [1500.0, -2.0]
    assert preprocessor.content({"a_1": "", "a_2": "NA"}, Files()) is None
    with pytest.raises(UnusableError, match="1 of 2 columns are empty, 'a_2' first"):
        preprocessor.content({"a_1": "1", "a_2": ""}, Files())
    with pytest.raises(UnusableError, match="column 'a_1': 'x' is not a number"):
        preprocessor.content({"a_1": "x", "a_2": "1"}, Files())


def test_the_ways_to_read_exclude_each_other():
    for arguments in [
        dict(columns=("a",), array="x.npy"), dict(columns=(), numeric=True), dict(columns=()),
        dict(columns=("a", "b")), dict(columns=("a",), max_length=0),
    ]:  # fmt: skip
        with pytest.raises(MmcliError):
            Preprocessor(**arguments)


def test_identity_passes_the_array_through():
    for arrays in ([np.ones(3), np.arange(3.0)], [np.ones((2, 3)), np.ones((4, 3))], [np.ones((1, 2, 3))] * 2):
        preprocessor = fitted(*arrays)
        tensor = assemble(preprocessor.fields()[""], [preprocessor.decode(npy(array))[""] for array in arrays])
        spec = ModalitySpec("tensor", "features", None, "", preprocessor.fields())
        column = Column({"": tensor}, np.ones(2, bool), np.zeros((2, 16), np.uint8))
        found = Identity().extract(spec, column, Runtime())
        assert Identity().output(spec) == spec.main
        for row, array in enumerate(arrays):
            np.testing.assert_array_equal(found.item(row), array)
    form = fitted(np.ones((2, 3))).fields()
    empty = Column({"": assemble(form[""], [np.ones((1, 3)), np.ones((0, 3))])}, np.ones(2, bool), column.key)
    with pytest.raises(MmcliError, match="sequence 1 of 2 is empty"):
        Identity().extract(ModalitySpec("tensor", "f", None, "", form), empty, Runtime())


def test_the_form_survives_its_state(tmp_path):
    fitted(np.ones((2, 3))).state().write(tmp_path / "features")
    again = Preprocessor(("features",))
    again.load_state(State.read(tmp_path / "features"))
    assert again.fields()[""].dims == (3,)
    assert again.decode(npy(VALUES))[""].shape == (2, 3)
