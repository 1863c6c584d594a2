import math
import random

import numpy as np
import pytest

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.table import Preprocessor
from mmcli.modalities.table._cells import read_numbers
from mmcli.modalities.table._moments import Moments
from mmcli.modalities.table.identity import Identity
from mmcli.runtime import Runtime
from mmcli.store.cells import cell_number
from mmcli.store.columns import Column, ModalitySpec, assemble
from mmcli.store.state import State
from mmcli.store.string_rows import string_rows

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
    assert preprocessor.state().values["categories"] == [["red", "blue", "green"], ["M", "L", "XL"]]
    assert preprocessor.facts() == {
        "numeric": ["age", "income"],
        "categorical": ["color", "size"],
        "categories": [5, 5],
    }
    assert decode(preprocessor, row(color="blue", size="XL"))["categories"].tolist() == [3, 4]
    assert decode(preprocessor, row(color="", size="never seen"))["categories"].tolist() == [0, 1]
    assert decode(preprocessor, row(color="Red", size="M"))["categories"].tolist() == [1, 2]


def test_a_number_beyond_float32_once_standardised_costs_its_cell():
    preprocessor = fitted([row(age="1e-30"), row(age="2e-30")])
    (content,), (odd,) = preprocessor.read([row(age="1e30")])
    assert (odd.column, odd.value) == ("age", "1e30")
    assert "too far from the values of the train rows" in odd.reason
    assert preprocessor.decode(content)[""].tolist() == [0, 0, 1, 0]


CELLS = [
    "", "1", "-2.5", " 3 ", "4e2", "+5", ".5", "5.", "1e400", "-1e39", "1,234", "1 234.5", "12,5", "12%", "$3", "NA",
    "n/a", "-", ".", "?", "\\N", "#DIV/0!", "inf", "-Infinity", "nan", "1_000", "0x10", "١٢", "1 2", "--5", "e5", "1e",
    "½", "\t7\n", None, 1, -2.5, True, math.nan, math.inf, 10**400, 10**20, [1], {"a": 1}, "\ud800", "\ufeff8",
]  # fmt: skip


def alone(cell):
    try:
        return cell_number(cell, "x"), None
    except UnusableError as problem:
        return None, problem.reason


@pytest.mark.parametrize("seed", range(40))
def test_cells_read_together_say_what_each_says_alone(seed):
    """Held against the parser of one cell, over columns of plain cells and of odd ones."""
    random = np.random.default_rng(seed)
    share = [0.0, 0.05, 1.0][seed % 3]
    drawn = [CELLS[number] for number in random.integers(len(CELLS), size=60)]
    cells = [cell if random.random() < share else f"{random.normal():.4f}" for cell in drawn]
    if seed % 4 == 3:
        cells = [cell if not isinstance(cell, str) else float(len(cell)) for cell in cells]
    values, odd = read_numbers(cells, "x")
    expected = [alone(cell) for cell in cells]
    assert odd == {place: reason for place, (_, reason) in enumerate(expected) if reason is not None}
    np.testing.assert_array_equal(values, [math.nan if number is None else number for number, _ in expected])


@pytest.mark.parametrize("seed", range(3))
def test_columns_of_strings_say_what_rows_say(seed):
    draw = random.Random(seed)
    signs, ends = ["", "", "-", "+", " "], ["", "", "", "e5", "E-300", "e400", ".", "e", "%", " ", ",5", "-"]
    many = 3000
    cells = []
    for _ in range(many):
        digits = "".join(draw.choice("0123456789") for _ in range(draw.choice([0, 1, 3, 8, 17, 25])))
        point = draw.randint(0, len(digits))
        cells.append(draw.choice(signs) + digits[:point] + draw.choice([".", ""]) + digits[point:] + draw.choice(ends))
    plain = [f"{draw.gauss(0, 1) * 10.0 ** draw.randint(-30, 30)!r}" for _ in range(many)]
    holes = [draw.choice([cell, ""]) for cell in plain]
    words = [draw.choice(["red", "Ä", " blue ", "", "#N/A"]) for _ in range(many)]
    preprocessor = Preprocessor(("a", "b", "c", "d", "w"), numeric=("a", "b", "c", "d"), categorical=("w",))
    names = ["a", "b", "c", "w"]  # and no column d
    table = list(zip(cells, plain, holes, words, strict=True))
    by_rows = preprocessor.read([dict(zip(names, row, strict=True)) for row in table])
    assert preprocessor.read(string_rows(names, table)) == by_rows
    contents, odd = by_rows
    assert 100 < len(odd) < many, "some cells are odd, and others are not"
    numbers = np.array([np.frombuffer(content[:32]) for content in contents if content is not None])
    assert len(numbers) == many
    np.testing.assert_array_equal(numbers[:, 1], [float(cell) for cell in plain])


def test_an_unexpected_cell_affects_only_itself():
    preprocessor = fitted()
    rows = [row(age="."), row(income="unknown", color="#REF!"), row(age="x", income="inf", color="", size="")]
    contents, odd = preprocessor.read(rows)
    assert [(each.row, each.column, each.value) for each in odd] == [
        (0, "age", "."), (1, "income", "unknown"), (1, "color", "#REF!"), (2, "age", "x"), (2, "income", "inf")
    ]  # fmt: skip
    assert odd[0].reason == "column 'age': '.' is not a number"
    assert contents[2] is None
    main = preprocessor.decode(contents[0])[""]
    assert main[[0, 2, 3]].tolist() == [0, 1, 0]
    assert main[1] == decode(preprocessor, row())[""][1]
    assert (
        decode(preprocessor, rows[1])["categories"].tolist()
        == decode(preprocessor, row(color=""))["categories"].tolist()
    )
    with pytest.raises(UnusableError, match="column 'age': 'x' is not a number"):
        preprocessor.content(rows[2], None)


@pytest.mark.parametrize("cut", [1, 7, 64, 1000])
def test_moments_are_those_of_numpy_however_rows_are_cut(cut):
    random = np.random.default_rng(cut)
    values = random.normal(1e6, [1e-3, 1, 1e5], (1000, 3))
    values[random.random(values.shape) < 0.2] = np.nan
    values = np.column_stack([values, np.full(1000, 0.1), np.full(1000, np.nan)])
    moments = Moments(5)
    for start in range(0, 1000, cut):
        moments.add(values[start : start + cut])
    np.testing.assert_allclose(moments.mean[:4], np.nanmean(values[:, :4], axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.deviation()[:3], np.nanstd(values[:, :3], axis=0), rtol=1e-6)
    assert moments.deviation()[3:].tolist() == [1, 1]
    assert moments.mean[4] == 0


@pytest.mark.parametrize(
    ("train", "same", "other"),
    [
        (["1.0", "2.0", "3.0"], [("1.0", "1"), ("2.0", 2), ("3.0", "3e0"), ("1.0", 1.0)], ["01", "4", "x", "1.5"]),
        ([1, 2, 3], [(1, "1.0"), (2, "2"), (3, 3.0)], ["03", "one"]),
        (["01", "1", "2"], [], ["1.0", "001"]),
        (["1.5", "2.50"], [("1.5", "1.50"), ("2.50", 2.5)], ["1,5"]),
        (["true", "False"], [("true", "TRUE"), ("true", True), ("False", "false")], ["t", "yes", "1"]),
        (["true", "maybe"], [], ["TRUE", "True"]),
        (["café"], [("café", "cafe\u0301"), ("café", " café ")], ["cafe"]),
        (["12345678901234567", "12345678901234568"], [], ["12345678901234567.0"]),
    ],
)
def test_a_category_is_one_however_it_is_written(train, same, other):
    preprocessor = Preprocessor(("c",), numeric=(), categorical=("c",))
    preprocessor.fit([preprocessor.content({"c": value}, None) for value in train])
    again = Preprocessor(("c",), numeric=(), categorical=("c",))
    again.load_state(preprocessor.state())

    def number(value):
        return int(decode(again, {"c": value})["categories"][0])

    assert len({number(value) for value in train}) == len(train)
    assert min(number(value) for value in train) >= 2
    for one, two in same:
        assert number(one) == number(two), (one, two)
    assert {number(value) for value in other} == {1}


def test_a_state_from_before_spellings_keeps_its_ways():
    preprocessor = Preprocessor(("c",), numeric=(), categorical=("c",))
    preprocessor.load_state(State({"categories": [["1.0", "2.0"]]}, {"mean": np.zeros(0), "std": np.ones(0)}))
    assert decode(preprocessor, {"c": "1.0"})["categories"].tolist() == [2]
    assert decode(preprocessor, {"c": "1"})["categories"].tolist() == [1]


def test_columns_with_mostly_unseen_values_are_reported():
    preprocessor = fitted([row(age=str(n), color="ab"[n % 2]) for n in range(20)])
    preprocessor.watch()
    rows = [row(age=str(n % 20 if n < 5 else 1e6 + n), color="c" if n > 3 else "a", size="L") for n in range(10)]
    preprocessor.decode_rows([content for content in preprocessor.read(rows)[0] if content is not None])
    told = preprocessor.strange()
    assert told == [
        "column 'color': 6 of 10 values were in no train row (such as 'c'); check the column's spelling and units"
    ]
    rows = [row(age=str(1e6 + n), color="c", size="L") for n in range(10)]
    preprocessor.decode_rows([content for content in preprocessor.read(rows)[0] if content is not None])
    assert any(
        text.startswith("column 'age': 15 of 20 values lie more than 8 standard deviations")
        for text in preprocessor.strange()
    )


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
