"""Checks JSON values against the form their reader relies on, once, when a file is opened."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmcli.errors import MmcliError

_LONGEST_NAME = 255
_LARGEST = 2**53


@dataclass(frozen=True)
class Is:
    """A value that passes a test; ``told`` names the expected value in messages."""

    told: str
    holds: Callable[[Any], bool]


@dataclass(frozen=True)
class Each:
    """A list, or an object with any keys, whose values all have one form."""

    of: type[list[Any]] | type[dict[str, Any]]
    form: Form
    key: Is | None = None


@dataclass(frozen=True)
class Record:
    """An object with required and ``optional`` keys, and with any others if it is ``open``."""

    required: Mapping[str, Form]
    optional: Mapping[str, Form] = field(default_factory=dict)
    open: bool = False


Form = Is | Each | Record


def whole_number(least: int = 0, most: int = _LARGEST) -> Is:
    """Return the form of an integer within bounds."""
    return Is(f"an integer of at least {least}", lambda value: type(value) is int and least <= value <= most)


def one_of(names: Collection[str]) -> Is:
    """Return the form of a string that is one of ``names``."""
    return Is(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names)


def or_null(form: Is) -> Is:
    """Return the form of a value that may be null."""
    return Is(f"{form.told} or null", lambda value: value is None or form.holds(value))


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and all(letter in "0123456789abcdef" for letter in value)


def _is_inside(value: Any) -> bool:
    """Return whether a string is a relative path that stays inside its folder."""
    parts = value.split("/") if isinstance(value, str) else [""]
    return all(part not in ("", ".", "..") and "\0" not in part and _fits(part) for part in parts)


def _fits(part: str) -> bool:
    return len(part.encode("utf-8", "replace")) <= _LONGEST_NAME - len(".safetensors")


ANYTHING = Is("anything", lambda value: True)
TEXT = Is("a string", lambda value: isinstance(value, str))
BOOL = Is("true or false", lambda value: isinstance(value, bool))
NUMBER = Is("a number", lambda value: type(value) in (int, float) and abs(value) < math.inf)
OBJECT = Is("an object", lambda value: isinstance(value, dict))
HASH = Is("a hash of 64 hexadecimal digits", _is_hash)
INSIDE = Is("a path inside the folder", _is_inside)


def check(value: Any, form: Form, file: str, place: str = "") -> None:
    """Check a value and everything in it.

    Args:
        value: The parsed JSON.
        form: The expected form.
        file: The file it came from, for the message.
        place: The position in the file, such as ``chain, 0, version``.

    Raises:
        MmcliError: It has another form; the message says what was found and where.
    """
    if isinstance(form, Is):
        if not form.holds(value):
            raise _damaged(file, place, f"is {_shown(value)}, expected {form.told}")
    elif isinstance(form, Each):
        if not isinstance(value, form.of):
            raise _damaged(file, place, f"is {_shown(value)}, expected {'a list' if form.of is list else 'an object'}")
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            if form.key is not None:
                check(key, form.key, file, f"a name in {place or 'it'}")
            check(item, form.form, file, _below(place, key))
    else:
        _check_record(value, form, file, place)


def _check_record(value: Any, form: Record, file: str, place: str) -> None:
    if not isinstance(value, dict):
        raise _damaged(file, place, f"is {_shown(value)}, expected an object")
    for name in form.required:
        if name not in value:
            raise MmcliError(f"{file}: damaged, {_below(place, name)} missing; make it again")
    for key, item in value.items():
        known = form.required.get(key) or form.optional.get(key)
        if known is not None:
            check(item, known, file, _below(place, key))
        elif not form.open:
            raise _damaged(file, place, f"has an unexpected key {_shown(key)}")


def _below(place: str, key: object) -> str:
    shown = _shown(key) if isinstance(key, str) and not key.isidentifier() else str(key)
    return f"{place}, {shown}" if place else shown


def _damaged(file: str, place: str, told: str) -> MmcliError:
    return MmcliError(f"{file}: damaged, {place or 'it'} {told}; make it again")


def _shown(value: Any) -> str:
    """Return a value for a message, cut to a few words."""
    if isinstance(value, dict | list):
        return f"a list of {len(value)}" if isinstance(value, list) else f"an object of {len(value)}"
    text = ascii(value) if isinstance(value, str) else str(value) if not _is_long(value) else "a very large number"
    return text if len(text) <= 40 else text[:37] + "..."


def _is_long(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > 1000
