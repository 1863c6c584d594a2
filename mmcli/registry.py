"""Maps names to implementations: a file's name is the entry's name, and files are imported on first use.

A registered file ``log_mel.py`` defines one class ``LogMel``; lists show the first line of its docstring. Listing names
imports nothing: summaries and class constants are read from the source.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any

from mmcli.class_source import ClassSource, find_class, folders_of, told_by
from mmcli.errors import MmcliError, UsageError, missing_package, unknown_name
from mmcli.options import coerce
from mmcli.plugins import KINDS, Entry, Origin, check_origin, entries_of, has_entries

_SHOWN = 80  # characters of a text in a message


@dataclass(frozen=True)
class Spec:
    """A name with its arguments, as typed: ``name:key=value,key=value`` or ``family:argument:key=value``."""

    name: str
    argument: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        pairs = ",".join(f"{key}={value}" for key, value in self.options.items())
        return ":".join(part for part in (self.name, self.argument, pairs) if part)


def parse_spec(text: str) -> Spec:
    """Parse a name with arguments; see ``Spec``.

    Raises:
        UsageError: The text does not follow the grammar.
    """
    name, _, rest = (part.strip() for part in text.partition(":"))
    if not name:
        raise UsageError(f"{_short(text)!r}: expected name:key=value,key=value")
    argument: str | None = None
    pairs = rest
    head, colon, tail = rest.rpartition(":")
    if colon and _is_pairs(tail):
        argument, pairs = head.strip() or None, tail
    elif rest and not _is_pairs(rest):
        argument, pairs = rest.strip() or None, ""
    options: dict[str, str] = {}
    for pair in filter(None, pairs.split(",")):
        left, equals, value = pair.partition("=")
        key = left.strip()
        if not equals or not key:
            raise UsageError(f"{_short(text)!r}: expected key=value, found {_short(pair)!r}")
        if key in options:
            raise UsageError(f"{_short(text)!r}: {_short(key)!r} is given twice")
        options[key] = value.strip()
    return Spec(name, argument, options)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _is_pairs(text: str) -> bool:
    key, equals, _ = text.split(",")[0].partition("=")
    return bool(equals) and key.strip().isidentifier()


def camel(name: str) -> str:
    """Return the class name for a registered file name: ``log_mel`` is ``LogMel``."""
    return "".join(part.capitalize() for part in name.split("_"))


class Registry:
    """The implementations in some packages and in plugins.

    Args:
        what: What an entry is called in messages, such as ``extractor for text``.
        packages: The dotted names of the packages whose files are the entries.
        apart: Files of these packages that are not entries.
        group: The plugin group with further entries, such as ``fusion``; "" for none.
        prefix: The prefix of their names in that group.
        beside: Packages whose names plugins must not use either, because the same option takes them.
    """

    def __init__(
        self,
        what: str,
        *packages: str,
        apart: frozenset[str] = frozenset(),
        group: str = "",
        prefix: str = "",
        beside: Sequence[str] = (),
    ) -> None:
        self.what = what
        self.packages = packages
        self.apart = apart
        self.group = group
        self.prefix = prefix
        self.beside = beside

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted([*self._own(), *self._brought()])

    def module_of(self, name: str) -> str:
        """Return the dotted name of an entry's module.

        Raises:
            UsageError: There is no such name.
        """
        return self._place(name)[0]

    def origin_of(self, name: str) -> Origin | None:
        """Return the plugin of a name; None if it is from mmcli itself or unknown."""
        entry = self._brought().get(name)
        return None if entry is None else entry.origin

    def name_of(self, kind: type) -> str:
        """Return the name under which a class is registered."""
        for name, module in self._own().items():
            if (module, camel(name)) == (kind.__module__, kind.__name__):
                return name
        for name, entry in self._brought().items():
            # A class that exists comes from a loaded module, so modules that are not loaded need no look.
            if kind is entry.made or kind is getattr(sys.modules.get(entry.module), entry.class_name, None):
                return name
        raise ValueError(f"{kind} is not registered as a {self.what}")

    def plugin_of(self, name: str) -> dict[str, dict[str, str]]:
        """Return the record of a name's plugin; empty if it is from mmcli itself."""
        origin = self.origin_of(name)
        return {} if origin is None else {"plugin": origin.to_json()}

    def code_of(self, name: str) -> list[dict[str, str]]:
        """Return what fingerprints record of a name's plugin; empty if it is from mmcli itself."""
        origin = self.origin_of(name)
        return [] if origin is None else [origin.identity()]

    def check_origin(self, name: str, recorded: Mapping[str, str] | None) -> None:
        """Check that a name comes from the recorded plugin; see ``plugins.check_origin``."""
        check_origin(self.what, name, recorded, self.origin_of(name))

    def _place(self, name: str) -> tuple[str, str]:
        """Return the dotted name of an entry's module, and the name of its class."""
        own, brought = self._own(), self._brought()
        if name in own:
            return own[name], camel(name)
        if name in brought:
            return brought[name].module, brought[name].class_name
        raise unknown_name(self.what, name, sorted([*own, *brought]))

    def _own(self) -> dict[str, str]:
        """Return the modules of mmcli's own entries by name."""
        return {
            path.stem: f"{package}.{path.stem}"
            for package in self.packages
            for folder in folders_of(package)
            for path in folder.glob("[!_]*.py")
            if path.stem not in self.apart
        }

    def _brought(self) -> dict[str, Entry]:
        if not self.group or not has_entries(self.group):
            return {}
        taken = {*self._own(), *self.apart, *(name for other in self.beside for name in Registry("", other)._own())}
        return entries_of(self.group, self.what, taken, self.prefix)

    def summary(self, name: str) -> str:
        """Return the first line of the docstring of the entry's file, of a plugin's class, without importing it."""
        source = self._source(name)
        first, second = source.file_summary, source.summary
        return (second or first) if self.origin_of(name) else (first or second)

    def constant(self, name: str, constant: str, default: Any = None) -> Any:
        """Return a constant of the entry's class, read from its source without importing it."""
        return self._source(name).constants.get(constant, default)

    def argument_is_place(self, name: str) -> bool:
        """Return whether the argument of a family is a path of files, so that only their content matters."""
        return name in self.names() and bool(self.constant(name, "argument_is_place", False))

    def load(self, name: str) -> type:
        """Import an entry and return its class.

        Raises:
            MmcliError: There is no such name, it needs a package that is not installed, or its plugin lacks the class.
        """
        module, class_name = self._place(name)
        entry = self._brought().get(name)
        if entry is not None:
            made = entry.load()
            if not isinstance(made, type):
                raise MmcliError(f"{entry.origin.name}: {module}:{class_name} is not a class")
            return made
        try:
            found: type = getattr(import_module(module), class_name)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("mmcli"):
                raise
            raise missing_package(f"{self.what} {name!r}", error.name or "") from error
        return found

    def build(self, spec: Spec, **given: Any) -> Any:
        """Make an instance from a name and options; ``given`` are further arguments that users cannot set.

        Raises:
            MmcliError: The name or an option does not exist, or a value does not fit its option.
        """
        kind = self.load(spec.name)
        values = _typed_options(f"{self.what} {spec.name!r}", kind, spec.options, hidden=set(given))
        if spec.argument is not None:
            values["argument"] = _accept_argument(self.what, spec, kind)
        return kind(**given, **values)

    def check(self, spec: Spec, given: set[str]) -> None:
        """Refuse a name or options that ``build`` would refuse, but for values that are out of range.

        Args:
            spec: As typed.
            given: Options that no user types.

        Raises:
            MmcliError: The name or an option does not exist, or a value does not fit its option.
        """
        kind = self.load(spec.name)
        _typed_options(f"{self.what} {spec.name!r}", kind, spec.options, hidden=given)
        if spec.argument is not None:
            _accept_argument(self.what, spec, kind)

    def _source(self, name: str) -> ClassSource:
        """Return what a class says of itself; only one of a package in whose files it isn't found is imported."""
        place, entry = self._place(name), self._brought().get(name)
        if entry is not None and entry.made is not None:
            return told_by(entry.made)
        return _found_in(*place) or told_by(self.load(name))


_found_in = cache(find_class)


def _accept_argument(what: str, spec: Spec, kind: type) -> str:
    if "argument" not in inspect.signature(kind).parameters:
        raise UsageError(
            f"{what} {spec.name!r} takes no argument {_short(str(spec.argument))!r}; write options as "
            f"{spec.name}:key=value"
        )
    assert spec.argument is not None
    return spec.argument


def options_of(kind: type) -> dict[str, inspect.Parameter]:
    """Return the options that users can set on an implementation: its keyword-only parameters with defaults."""
    found = inspect.signature(kind).parameters
    return {
        name: parameter
        for name, parameter in found.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
    }


def _typed_options(where: str, kind: type, texts: Mapping[str, str], hidden: set[str]) -> dict[str, Any]:
    options = {name: parameter for name, parameter in options_of(kind).items() if name not in hidden}
    hints = typing.get_type_hints(kind.__init__)  # type: ignore[misc]
    values: dict[str, Any] = {}
    for key, text in texts.items():
        if key not in options:
            raise unknown_name(f"option of {where}", key, options)
        values[key] = coerce(f"{where}: {key}", text, hints[key])
    return values


_EXTRACTORS = {kind: f"mmcli.modalities.{kind}" for kind in KINDS}
_ENCODERS = tuple(f"mmcli.encoders.{origin}" for origin in ("scratch", "torchvision", "torchaudio", "hub"))
EXTRACTORS = {
    kind: Registry(
        f"extractor for {kind}", package, apart=frozenset({"read"}), group="extractors", prefix=f"{kind}.",
        beside=_ENCODERS,
    )
    for kind, package in _EXTRACTORS.items()
}  # fmt: skip
ENCODERS = Registry("encoder", *_ENCODERS, group="encoders", beside=tuple(_EXTRACTORS.values()))
FUSIONS = Registry(
    "fusion method", *(f"mmcli.fusion.{family}" for family in ("static", "learnt", "late")), group="fusion"
)
TASKS = Registry("task", "mmcli.tasks", apart=frozenset({"abilities", "targets"}), group="tasks")
