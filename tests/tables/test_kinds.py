"""Kinds of columns as real tables have them."""

from __future__ import annotations

import pytest

from mmcli.tables.kinds import infer_column, infer_kind, infer_kinds, numbers_in_disguise

REVIEWS = [
    f"I bought this {thing} last week and it is {how}"
    for thing in ("lamp", "book", "phone", "desk")
    for how in ("fine", "bad", "so so")
]
TITLES = ["Lamp", "Blue book", "A phone", "Desk of oak", "Chair", "Red lamp", "Mirror", "Old clock", "Vase", "Rug"]
CHINESE = [
    "这个产品非常好用",
    "质量太差了",
    "物流很快包装完好",
    "不推荐购买",
    "性价比很高值得买",
    "客服态度不好",
    "颜色和图片一样",
    "用了一周就坏了",
]
UUIDS = [f"{n:08x}-{n * 7919 % 65536:04x}-4c1d-9a{n % 256:02x}-0123456789ab" for n in range(40)]


@pytest.mark.parametrize(
    ("expected", "cells"),
    [
        ("text", REVIEWS),
        ("text", REVIEWS * 2),
        ("text", TITLES),
        ("text", [*REVIEWS, "", None, "  "]),
        ("text", CHINESE),
        ("text", [f"See {n}.jpg for the picture of the {n}th item" for n in range(20)]),
        ("text", ["x" * 80, "y" * 90] * 20),
        ("categorical", ["red", "green", "blue"] * 20),
        ("categorical", ["yes", "no"] * 3),
        ("categorical", ["New York", "Los Angeles", "San Francisco", ""] * 10),
        ("categorical", [True, False, True, True]),
        ("categorical", [f"code {n % 90}" for n in range(1000)]),
        ("categorical", ["A1", "A2", "B1"] * 10),
        ("numeric", [1, 2, 3.5, -4]),
        ("numeric", ["1", "-2.5", "+3", ".5", "6.", "1e-3", "2E5"]),
        ("numeric", ["1,234", "12,345.67", "999", "1,000,000"]),
        ("numeric", ["0", "1"] * 10),
        ("numeric", ["1.5", "", None, "2.5", "3"]),
        ("numeric", [str(n) for n in range(19)] + ["unknown"]),
        ("numeric", [" 1 ", "2 "]),
        ("numeric", ["1.5", "NA", "2.5", "NA", "NA", "7"]),
        ("numeric", [1.5, float("nan"), 2.5, float("nan"), 3.0]),
        ("numeric", ["1 234", "12 345.67", "1 000 000", "2 500"]),
        ("image", [f"images/{n}.png" for n in range(5)]),
        ("image", ["a.JPG", "b.jpeg", "c.webp", "d.tif"]),
        ("image", ["https://example.org/a.jpg", "s3://bucket/b.PNG", "", "c.gif"]),
        ("image", ["a.png", "b.png", "no picture"]),
        ("image", ["/data/my photos/a b.png"]),
        ("audio", [f"clips/{n}.wav" for n in range(5)]),
        ("audio", ["a.mp3", "b.flac", "c.ogg", "d.M4A"]),
        ("video", ["a.mp4", "b.mkv", "c.webm"]),
        ("tensor", ["a.npy", "b.npz", "c.safetensors", "d.pt"]),
        ("text", ["notes one.txt", "notes two.txt", "notes three.txt", "notes four.txt"]),
        ("categorical", ["01234", "98101", "98101", "00501", "60601"]),
        (None, ["01234", "98101", "00501", "60601"]),
        ("numeric", ["0", "0.5", "-0.25", "10"]),
        ("categorical", [2**60 + n // 2 for n in range(40)]),
        (None, [str(2**60 + n) for n in range(40)]),
        ("numeric", [float(2**60 + n) for n in range(40)]),
        (None, [f"2024-{n % 12 + 1:02}-{n % 28 + 1:02}" for n in range(60)]),
        (None, ["01.02.2024 ", "31/12/99", "1/2/2024"]),
        (None, [[1, 2], None, [3]]),
        (None, [{"a": 1}] * 9),
        ("image", [*(f"{n}.png" for n in range(9)), "NA", ""]),
        (None, UUIDS),
        (None, [f"user_{n}" for n in range(200)]),
        (None, []),
        (None, ["", None, "   "]),
        (None, [None] * 50),
        ("categorical", [*["" for _ in range(95)], "red", "red", "blue", "red", "blue"]),
        ("text", [*["" for _ in range(95)], *REVIEWS[:5]]),
        ("image", [*[None for _ in range(95)], "a.png", "b.png"]),
    ],
)  # fmt: skip
def test_kind_of_a_column(expected, cells):
    assert infer_kind(cells) == expected


def test_kinds_of_a_table():
    rows = [
        {"id": f"s{n}", "review": REVIEWS[n % 12] + f" {n}", "photo": f"{n}.jpg", "price": f"{n},000",
         "colour": "rb"[n % 2], "sku": f"K{n}", "empty": "", "label": n % 3}
        for n in range(60)
    ]  # fmt: skip
    assert infer_kinds(rows, {"id", "label"}) == {
        "text": ["review"],
        "image": ["photo"],
        "numeric": ["price"],
        "categorical": ["colour"],
        "": ["sku", "empty"],
    }
    assert infer_kinds([], set()) == {}


@pytest.mark.parametrize("name", ["zip", "ZIP Code", "postal_code", "user_id", "userId", "ID", "code"])
def test_digits_are_no_quantity_in_a_column_named_so(name):
    assert infer_kind(["98101", "98101", "60601", "10001"], name) == "categorical"
    assert infer_kind([1, 2, 3, 4], name) is None
    assert infer_kind(["1.5", "2.5", "2.5"], name) == "numeric"
    assert infer_kind([1, 2, 2, 3], name + "s paid") == "numeric"


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["12%", "9 %", "", "40%"], ("12%", "write it without %")),
        (["$1,200.50", "$3"], ("$1,200.50", "write it without $")),
        (["3", "4 EUR", "5"], ("4 EUR", "write it without EUR")),
        (["1,5", "2", "1.234,5"], ("1,5", "write a decimal point for the comma")),
        (["1,234", "2.5"], None),
        (["12%", "many", "few"], None),
        ([0.5, None], None),
        (["red", "blue"], None),
    ],
)
def test_numbers_with_a_mark_are_known(cells, expected):
    assert numbers_in_disguise(cells) == expected


def test_columns_that_only_later_rows_have():
    rows = [{"id": "a"}, {"id": "b", "photo": "b.png"}, {"id": "c", "photo": "c.png", "words": "two words"}]
    assert infer_kinds(rows, {"id"}) == {"image": ["photo"], "categorical": ["words"]}


@pytest.mark.parametrize(
    ("columns", "names", "expected"),
    [
        (["a", "ID"], ["id"], "ID"),
        (["label", "target"], ["target", "label"], "target"),
        (["Label", "label"], ["label"], "Label"),
        (["identity"], ["id"], None),
        ([], ["id"], None),
    ],
)
def test_columns_found_by_name(columns, names, expected):
    assert infer_column(columns, names) == expected
