"""Options, declared once as fields of a frozen dataclass from which everything that takes or lists them is derived.

Such a dataclass is a config. Its fields are declared by ``option``, or by ``part`` for a nested config, whose options
are then listed among its own. The command line, YAML files, calls from Python, JSON Schema and the tables in the
documentation all read ``options_of``.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from mmcli.errors import UsageError, unknown_name

Config = TypeVar("Config")
_MOST_DIGITS = 18
_SHOWN = 80  # characters of a value in a message
_DECLARED, _WITHOUT = "declared", "without"
_METAVARS: Mapping[Any, str] = {bool: "", int: "N", float: "X"}


@dataclass(frozen=True)
class Declared:
    """The properties of an option besides its type and default; see ``option``."""

    help: str
    group: str
    metavar: str | None = None
    least: float | None = None
    most: float | None = None
    default_text: str | None = None
    short: str | None = None
    rare: bool = False


def option(
    default: Any = MISSING,
    *,
    help: str,
    group: str,
    metavar: str | None = None,
    least: float | None = None,
    most: float | None = None,
    default_text: str | None = None,
    short: str | None = None,
    rare: bool = False,
) -> Any:
    """Declare an option as a field of a config.

    Args:
        default: Its default; without one it is required.
        help: One or two sentences of help.
        group: The heading under which the help lists it.
        metavar: What to type for its value, such as ``[NAME=]COLUMN``; needed for strings and paths.
        least: The minimum of a number.
        most: The maximum of a number.
        default_text: What the default means, in words.
        short: A one-letter flag, such as ``-o``.
        rare: Whether to list it only in ``--help-all``.
    """
    metadata = {_DECLARED: Declared(help, group, metavar, least, most, default_text, short, rare)}
    return dataclasses.field(default=default, metadata=metadata)


def part(kind: type[Config], without: Collection[str] = ()) -> Config:
    """Declare a nested config; options named in ``without`` are not offered and keep their defaults."""
    made: Config = dataclasses.field(default_factory=kind, metadata={_WITHOUT: frozenset(without)})
    return made


@dataclass(frozen=True)
class Option:
    """An option of a config.

    Args:
        name: The name of its field, such as ``batch_size``.
        hint: Its type.
        default: Its default; ``MISSING`` if it is required.
        declared: Its other properties.
        path: The fields that lead to the nested config that declares it.
    """

    name: str
    hint: Any
    default: Any
    declared: Declared
    path: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The flag, such as ``--batch-size``."""
        return f"--{self.dashed}"

    @property
    def dashed(self) -> str:
        """Its name in files, such as ``batch-size``; a trailing underscore is dropped, so that ``in_`` is ``in``."""
        return self.name.rstrip("_").replace("_", "-")

    @property
    def plain(self) -> Any:
        """The type of one value, without None."""
        (kind, *_) = [each for each in _alternatives(self.hint) if each is not type(None)]
        return kind

    @property
    def many(self) -> bool:
        """Whether it is repeatable."""
        return any(typing.get_origin(each) is Sequence for each in _alternatives(self.hint))

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values, if they are listed."""
        return typing.get_args(self.plain) if typing.get_origin(self.plain) is typing.Literal else ()

    @property
    def metavar(self) -> str:
        """What to type for its value: as declared, its choices, ``N`` or ``X``; "" for a flag without a value."""
        if self.declared.metavar is not None:
            return self.declared.metavar
        return "|".join(self.choices) or _METAVARS.get(self.plain, "VALUE")

    def check(self, where: str, value: Any) -> Any:
        """Check a value from Python and return it, a list as a tuple.

        Raises:
            UsageError: It does not fit the option's type, choices or range; the message starts with ``where``.
        """
        if value is None and type(None) in _alternatives(self.hint):
            return None
        if self.many:
            return (value,) if isinstance(value, str | Path) else tuple(value or ())
        if self.choices and value not in self.choices:
            raise UsageError(f"{where} {_short(value)}: expected one of {', '.join(self.choices)}")
        if isinstance(value, int | float) and not isinstance(value, bool):
            self._check_number(where, value)
        return value

    def read(self, where: str, value: Any) -> Any:
        """Convert and check a value from a file: a string, a number, a boolean, or a list of these.

        Raises:
            UsageError: As in ``check``, or it is a boolean where a string is expected.
        """
        found = value if isinstance(value, list) else [value]
        told = [each for each in found if isinstance(each, bool)]
        if told and self.plain is not bool:
            raise UsageError(f"{where}: found {str(told[0]).lower()}, expected a string; {YAML_BOOLEANS}")
        if value is None or any(isinstance(each, dict | list | None) for each in found):
            raise UsageError(f"{where}: expected a value, found {value!r}")
        if self.many:
            return tuple(map(str, found))
        return self.check(f"{where}:", coerce(where, ",".join(map(str, found)), self.hint))

    def _check_number(self, where: str, value: float) -> None:
        least, most = self.declared.least, self.declared.most
        if not math.isfinite(value):
            raise UsageError(f"{where} {value}: expected a number")
        if (least is not None and value < least) or (most is not None and value > most):
            low = None if least is None else f"at least {least:g}"
            high = None if most is None else f"at most {most:g}"
            raise UsageError(f"{where} {value:g}: expected {' and '.join(filter(None, (low, high)))}")


YAML_BOOLEANS = "YAML reads yes, no, on and off as true or false: put the word in quotes"


def options_of(config: type[Any]) -> Mapping[str, Option]:
    """Return the options of a config and of its nested configs, by name."""
    kind: Any = config
    return _options_of(kind)


@cache
def _options_of(config: Any) -> Mapping[str, Option]:
    hints, found = typing.get_type_hints(config), dict[str, Option]()
    for each in dataclasses.fields(config):
        if _DECLARED in each.metadata:
            found[each.name] = Option(each.name, hints[each.name], each.default, each.metadata[_DECLARED])
        elif _WITHOUT in each.metadata:
            for name, inner in options_of(hints[each.name]).items():
                if name not in each.metadata[_WITHOUT]:
                    assert name not in found, f"{config.__name__}: two options are named {name}"
                    found[name] = dataclasses.replace(inner, path=(each.name, *inner.path))
    return found


def make(config: type[Config], values: Mapping[str, Any]) -> Config:
    """Return a config with these values and defaults for all others.

    Raises:
        UsageError: There is no such option, or a value does not fit.
    """
    known = options_of(config)
    checked = {}
    for name, value in values.items():
        if name not in known:
            raise unknown_name("option", name, known)
        checked[name] = known[name].check(known[name].flag, value)
    return _made(config, checked)


def values_of(config: Any) -> dict[str, Any]:
    """Return the value of every option of a config, by name."""
    found = {}
    for name, each in options_of(type(config)).items():
        holder = config
        for step in each.path:
            holder = getattr(holder, step)
        found[name] = getattr(holder, name)
    return found


def changed(config: Config, **values: Any) -> Config:
    """Return a config with other values of some options.

    Raises:
        UsageError: As in ``make``.
    """
    return make(type(config), {**values_of(config), **values})


def _made(config: type[Config], values: Mapping[str, Any]) -> Config:
    hints, given = typing.get_type_hints(config), {}
    for each in dataclasses.fields(config):  # type: ignore[arg-type]  # a config is a dataclass
        if _WITHOUT in each.metadata:
            inner = options_of(hints[each.name])
            taken = {n: v for n, v in values.items() if n in inner and n not in each.metadata[_WITHOUT]}
            given[each.name] = _made(hints[each.name], taken)
        elif each.name in values:
            given[each.name] = values[each.name]
    return config(**given)


def coerce(where: str, text: str, hint: Any) -> Any:
    """Convert an option's text to its declared type.

    Ranges such as ``1-2`` become ``tuple[int, int]``; ``none`` becomes None if that is allowed.

    Raises:
        UsageError: The text does not fit.
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if type(None) in arguments and text.lower() in ("none", ""):
            return None
        return coerce(where, text, next(each for each in arguments if each is not type(None)))
    if origin is typing.Literal:
        if text not in arguments:
            raise UsageError(f"{where}={_short(text)}: expected one of {', '.join(map(str, arguments))}")
        return text
    if origin is tuple:
        return _range(where, text)
    if hint is bool:
        if text.lower() not in ("true", "false", "yes", "no", "1", "0"):
            raise UsageError(f"{where}={_short(text)}: expected true or false")
        return text.lower() in ("true", "yes", "1")
    try:
        if hint is int and len(text) > _MOST_DIGITS:
            raise ValueError
        return hint(text)
    except ValueError:
        raise UsageError(
            f"{where}={_short(text)}: expected {'a number' if hint in (int, float) else hint.__name__}"
        ) from None


def _range(where: str, text: str) -> tuple[int, int]:
    low, dash, high = text.partition("-")
    parts = (low, high) if dash else (low,)
    plain = all(each.isascii() and each.isdigit() and len(each) <= _MOST_DIGITS for each in parts)
    if plain and (not dash or int(low) <= int(high)):
        return (int(low), int(high or low))
    raise UsageError(f"{where}={_short(text)}: expected a range such as 1-2")


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def schema_of(config: type, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the JSON Schema of an object with a config's options, except those in ``without``."""
    properties = {each.dashed: _schema(each) for name, each in options_of(config).items() if name not in without}
    return {"type": "object", "additionalProperties": False, "properties": properties}


_JSON_TYPES: Mapping[Any, str] = {bool: "boolean", int: "integer", float: "number"}


def _schema(each: Option) -> dict[str, Any]:
    one: dict[str, Any] = {"type": _JSON_TYPES.get(each.plain, "string")}
    if each.choices:
        one = {"enum": list(each.choices)}
    if each.declared.least is not None:
        one["minimum"] = each.declared.least
    if each.declared.most is not None:
        one["maximum"] = each.declared.most
    said: dict[str, Any] = {"description": each.declared.help}
    if each.declared.metavar is not None:
        said["title"] = f"{each.dashed}: {each.declared.metavar}"
    if each.many:
        return {**said, "oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    if isinstance(each.default, str | int | float):
        said["default"] = each.default
    return {**said, **one}
