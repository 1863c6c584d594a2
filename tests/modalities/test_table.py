import math

import numpy as np
import pytest

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.table import Preprocessor
from mmcli.modalities.table.identity import Identity
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, ModalitySpec, assemble
from mmcli.store.state import State

NUMERIC, CATEGORICAL = ("age", "income"), ("color", "size")


def make():
    return Preprocessor((*NUMERIC, *CATEGORICAL), numeric=NUMERIC, categorical=CATEGORICAL)


def row(age="1", income="2", color="red", size="L"):
    return {"age": age, "income": income, "color": color, "size": size, "other": "x"}


ROWS = [
    row("1", "1,000", "red", "L"),
    row("2.5", "", "blue", ""),
    row("n/a", "-3e2", "red", "M"),
    row(4, 12, "", "XL"),
    row(True, None, "green", "M"),
]


def fitted(rows=ROWS):
    preprocessor = make()
    preprocessor.fit([preprocessor.content(cells, None) for cells in rows])
    return preprocessor


def decode(preprocessor, cells):
    return preprocessor.decode(preprocessor.content(cells, None))


def test_a_row_is_missing_when_every_cell_is():
    preprocessor = make()
    for word in ("", None, "NA", "N/A", "null", "None", "-", "NaN", math.nan, "  "):
        assert preprocessor.content(row(word, word, "", None), None) is None
        assert preprocessor.content(row(word, word, "", "L"), None) is not None
    assert preprocessor.content({}, None) is None


def test_numbers_are_standardised_over_the_train_cells_that_are_there():
    preprocessor = fitted()
    table = np.array([[1, 1000], [2.5, np.nan], [np.nan, -300], [4, 12], [1, np.nan]])
    mean, std = np.nanmean(table, 0), np.nanstd(table, 0)
    expected = np.nan_to_num((table - mean) / std, nan=0.0)
    for cells, standard, numbers in zip(ROWS, expected, table, strict=True):
        main = decode(preprocessor, cells)[""]
        assert main.dtype == np.float32
        np.testing.assert_allclose(main, [*standard, *np.isnan(numbers)], rtol=1e-6, atol=1e-7)


def test_a_constant_or_empty_column_does_not_divide_by_nothing():
    preprocessor = fitted([row(age="0.1", income="") for _ in range(7)])
    assert decode(preprocessor, row(age="0.1", income="5"))[""].tolist() == [0, 5, 0, 0]
    assert decode(preprocessor, row(age="1.1", income=""))[""].tolist() == [1, 0, 0, 1]


def test_the_mean_of_large_numbers_keeps_its_digits():
    values = 1e9 + np.arange(1000) % 7
    preprocessor = fitted([row(age=value) for value in values])
    np.testing.assert_allclose(preprocessor.state().tensors["std"][0], np.std(np.arange(1000) % 7), rtol=1e-9)


def test_categories_are_numbered_by_count_then_value():
    preprocessor = fitted()
    assert preprocessor.state().values == {"categories": [["red", "blue", "green"], ["M", "L", "XL"]]}
    assert preprocessor.facts() == {
        "numeric": ["age", "income"],
        "categorical": ["color", "size"],
        "categories": [5, 5],
    }
    assert decode(preprocessor, row(color="blue", size="XL"))["categories"].tolist() == [3, 4]
    assert decode(preprocessor, row(color="", size="never seen"))["categories"].tolist() == [0, 1]
    assert decode(preprocessor, row(color="Red", size="M"))["categories"].tolist() == [1, 2]


def test_a_number_beyond_float32_once_standardised_is_corrupt():
    preprocessor = fitted([row(age="1e-30"), row(age="2e-30")])
    with pytest.raises(UnusableError, match="column 'age': too far"):
        decode(preprocessor, row(age="1e30"))


def test_the_state_is_whole(tmp_path):
    preprocessor = fitted()
    preprocessor.state().write(tmp_path / "table")
    config = {name: tuple(value) for name, value in preprocessor.config().items()}
    again = Preprocessor(**config)
    again.load_state(State.read(tmp_path / "table"))
    assert again.facts() == preprocessor.facts()
    for cells in ROWS:
        for name, expected in decode(preprocessor, cells).items():
            assert decode(again, cells)[name].tobytes() == expected.tobytes()


def test_columns_of_one_kind_alone(tmp_path):
    for numeric, categorical in ((("age",), ()), ((), ("color",))):
        preprocessor = Preprocessor((*numeric, *categorical), numeric=numeric, categorical=categorical)
        preprocessor.fit([preprocessor.content(cells, None) for cells in ROWS[:2]])
        found = decode(preprocessor, row())
        forms = preprocessor.fields()
        assert {name: values.shape for name, values in found.items()} == {
            "": (2 * len(numeric),),
            "categories": (len(categorical),),
        }
        assert forms[""].dims == (2 * len(numeric),)
        preprocessor.state().write(tmp_path / "table")
        assert State.read(tmp_path / "table").digest() == preprocessor.state().digest()


def test_a_column_cannot_be_both():
    with pytest.raises(MmcliError, match="'age' is both numeric and categorical"):
        Preprocessor(("age", "age"), numeric=("age",), categorical=("age",))


def test_identity_appends_one_hot_categories():
    preprocessor = fitted()
    cells = [row(color="red", size="XL"), row(color="", size="huge"), row(color="green", size="M")]
    items = [decode(preprocessor, one) for one in cells]
    fields = {name: assemble(form, [item[name] for item in items]) for name, form in preprocessor.fields().items()}
    spec = ModalitySpec("table", "table", None, "", preprocessor.fields(), "none", preprocessor.facts())
    column = Column(fields, np.ones(3, bool), np.zeros((3, 16), np.uint8))
    found = Identity().extract(spec, column, Runtime()).values
    assert found.dtype == np.float32
    assert Identity().output(spec).dims == found.shape[1:] == (12,)
    np.testing.assert_array_equal(found[:, :4], np.stack([item[""] for item in items]))
    # unknown, red, blue, green; unknown, M, L, XL
    assert found[:, 4:].tolist() == [[0, 1, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 1, 0, 1, 0, 0]]
