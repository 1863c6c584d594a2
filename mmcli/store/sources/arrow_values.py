"""Values of Arrow's types as those that JSON has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_LONGEST_NUMBER = 64  # bytes of fixed length up to this are a number of something: a UUID, a hash


def is_media(kind: Any) -> bool:
    """Tell whether the cells of a column are bytes, or bytes with a path."""
    import pyarrow

    types = pyarrow.types
    if isinstance(kind, pyarrow.BaseExtensionType):
        return is_media(kind.storage_type)
    if types.is_struct(kind):
        return any(field.name == "bytes" and is_media(field.type) for field in kind)
    if types.is_dictionary(kind):
        return is_media(kind.value_type)
    if types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > _LONGEST_NUMBER)
    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def holds_media(kind: Any) -> bool:
    """Tell whether there are bytes anywhere in a column's cells."""
    if is_media(kind):
        return True
    inner = [kind.field(number).type for number in range(kind.num_fields)]
    return any(map(holds_media, inner))


def plain_values(values: Any) -> Sequence[Any]:
    """Return a column's cells as values that JSON has.

    Raises:
        UnicodeDecodeError: A text is not UTF-8.
    """
    try:
        cells = values.to_pylist()
    except UnicodeDecodeError:
        raise
    except (OverflowError, ValueError):
        cells = [_value(scalar) for scalar in values]
    by_width = values.type.byte_width if _is_fixed(values.type) else None
    if by_width is not None:
        return [None if cell is None else cell.hex() for cell in cells]
    return [_plain(cell) for cell in cells]


def _is_fixed(kind: Any) -> bool:
    import pyarrow

    return bool(pyarrow.types.is_fixed_size_binary(kind))


def _value(scalar: Any) -> Any:
    """Return a cell's value; a time that Python cannot hold is its stored number."""
    import pyarrow

    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        raise
    except (OverflowError, ValueError):
        if isinstance(scalar, pyarrow.DictionaryScalar | pyarrow.ExtensionScalar):
            return _value(scalar.value)
        if isinstance(scalar, pyarrow.StructScalar):
            return {name: _value(scalar[name]) for name in scalar}
        if isinstance(scalar, pyarrow.ListScalar):
            return [_value(item) for item in scalar.values]
        return scalar.value


def _plain(value: Any) -> Any:
    """Turn a value into one that JSON has; one that has no such form becomes its text, bytes how many they are."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() and "." not in str(value) else float(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    return float(value) if type(value).__name__ == "float16" else str(value)
