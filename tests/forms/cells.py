"""Forms that the cells of a table may take: numbers and categories."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tests.forms.form import Form

Right = Callable[[Mapping[str, np.ndarray]], None]


def numbers(column: str, cells: Mapping[str, tuple[Any, float | None, str]]) -> list[Form]:
    """Forms of one numeric column: name, cell, the number it is or None where it holds none, and what that means.

    The row has a second number, 1 in every row, so that an empty cell does not make the whole table missing.
    """
    there = [number for _, number, _ in cells.values() if number is not None]
    mean, std = statistics.fmean(there), statistics.pstdev(there)
    options = {"numeric": (column, "one")}

    def standard(number: float | None) -> Right:
        def right(values: Mapping[str, np.ndarray]) -> None:
            expected = [0 if number is None else (number - mean) / (std or 1), 0, number is None, 0]
            np.testing.assert_allclose(values[""], expected, rtol=1e-5, atol=1e-6)

        return right

    return [
        Form(name, lambda cell=cell: {column: cell, "one": 1}, right=standard(number), means=means, options=options)
        for name, (cell, number, means) in cells.items()
    ]


def no_number(name: str, cell: Any, reason: str) -> Form:
    return Form(
        name, lambda: {"n": cell, "one": 1}, status="corrupt", reason=f"column 'n': {reason}",
        options={"numeric": ("n", "one")},
    )  # fmt: skip


def category(name: str, row: Mapping[str, Any], number: int, means: str = "") -> Form:
    def right(values: Mapping[str, np.ndarray]) -> None:
        assert values["categories"].tolist() == [number, 2]

    return Form(name, lambda: {"c": "", "other": "x", **row}, right=right, means=means, options=CATEGORIES)


CATEGORIES = {"categorical": ("c", "other")}
INFINITE = "is infinite, or too large for float32"

FORMS = [
    *numbers("n", {
        "a number": (7, 7, ""),
        "a number as text": ("-2.5", -2.5, ""),
        "surrounding white space": ("  8\t", 8, "ignored"),
        "an exponent": ("1e3", 1000, ""),
        "a sign, and no digit on one side of the point": ("+.5", 0.5, ""),
        "true in a numeric column": (True, 1, "1"),
        "thousands separator: 1,234": ("1,234", 1234, "1234; a comma is never a decimal point"),
        "thousands separator: 1,234,567.5": ("1,234,567.5", 1234567.5, "1234567.5"),
        "thousands separator: 1 234, also with a no-break space": ("1\u00a0234", 1234, "1234"),
        "a code in a column given as numeric: 01234": ("01234", 1234, "1234"),
        "empty": ("", None, "no value, and its missing flag is set"),
        "null": (None, None, "no value, and its missing flag is set"),
        "NaN": (float("nan"), None, "no value, and its missing flag is set"),
        "nan as text": ("nan", None, "no value, and its missing flag is set"),
        "NA": ("NA", None, "no value, and its missing flag is set"),
        "#N/A, as spreadsheets write": ("#N/A", None, "no value, and its missing flag is set"),
        "a question mark": ("?", None, "no value, and its missing flag is set"),
        "a minus sign": ("-", None, "no value, and its missing flag is set"),
    }),
    *numbers("large", {
        "2^53": (2**53, 2**53, "the nearest float"),
        "2^53 + 1": (2**53 + 1, 2**53, "the nearest float"),
        "2^70 as text": (str(2**70), 2**70, "the nearest float"),
    }),
    *numbers("same", {
        "the same number in every row": (5, 5, "0, not NaN"),
        "the same number again": ("5.0", 5, "0, not NaN"),
    }),
    *numbers("narrow", {
        "the largest of nearly equal numbers": (1e9 + 1, 1e9 + 1, "kept distinct"),
        "the smallest of nearly equal numbers": (1e9 - 1, 1e9 - 1, "kept distinct"),
    }),
    no_number("inf", "inf", f"'inf' {INFINITE}"),
    no_number("-Infinity", "-Infinity", f"'-Infinity' {INFINITE}"),
    no_number("Infinity, which JSON does not define", float("inf"), f"'inf' {INFINITE}"),
    no_number("1e400", "1e400", f"'1e400' {INFINITE}"),
    no_number("an integer of 400 digits", 10**400, f"'1{'0' * 36}...' {INFINITE}"),
    no_number("decimal comma: 1,5", "1,5", "'1,5' is not a number (write a decimal point for the comma)"),
    no_number("1.234,5", "1.234,5", "'1.234,5' is not a number (write a decimal point for the comma)"),
    no_number("0,123", "0,123", "'0,123' is not a number (write a decimal point for the comma)"),
    no_number("misplaced thousands separators", "12,34,567", "'12,34,567' is not a number"),
    no_number("percent", "12%", "'12%' is not a number (write it without %)"),
    no_number("currency sign", "$1,200.50", "'$1,200.50' is not a number (write it without $)"),
    no_number("currency name", "12.50 EUR", "'12.50 EUR' is not a number (write it without EUR)"),
    no_number("word", "twelve", "'twelve' is not a number"),
    no_number("true as text", "true", "'true' is not a number"),
    no_number("date", "2024-02-29", "'2024-02-29' is not a number"),
    no_number("underscore", "1_000", "'1_000' is not a number"),
    no_number("digits of another script", "\u0661\u0662", "'\u0661\u0662' is not a number"),
    no_number("list", [1], "'[1]' is not a number"),
    Form(
        "all cells of the row empty", lambda: {"n": "", "one": None}, status="missing", reason="empty cell",
        options={"numeric": ("n", "one")},
    ),
    category("a category", {"c": "red"}, 3, "ids are ordered by count, then by name"),
    category("the same category again", {"c": "red"}, 3),
    category("another category", {"c": "Red"}, 5, "a different one: case matters"),
    category("a number as category", {"c": 3}, 2),
    category("the same number as text", {"c": "3"}, 2, "the same category"),
    category("true as category", {"c": True}, 6, "the category True"),
    category("01234 as category", {"c": "01234"}, 4, "a different category from 1234"),
    category("an empty category", {"c": ""}, 0, "missing, id 0"),
    category("a category that no train row has", {"c": "blue", "split": "val"}, 1, "unknown, id 1"),
    Form(
        "a category with a lone surrogate", lambda: {"c": "\ud800", "other": "x"}, status="corrupt",
        reason="column 'c': holds half a surrogate pair, which no text has", options=CATEGORIES,
    ),
    Form(
        "a list as category", lambda: {"c": ["a"], "other": "x"}, status="corrupt",
        reason="column 'c': holds a list, expected one value", options=CATEGORIES,
    ),
]  # fmt: skip
