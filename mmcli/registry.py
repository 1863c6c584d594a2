"""Maps names to implementations: a file's name is the entry's name, and files are imported on first use.

A registered file ``log_mel.py`` defines one class ``LogMel``; lists show the first line of its docstring. Listing names
imports nothing: summaries and class constants are read from the source.
"""

from __future__ import annotations

import ast
import inspect
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmcli.errors import UsageError, missing_package, unknown_name
from mmcli.options import coerce
from mmcli.plugins import Origin, check_origin, entries_of

_SHOWN = 80  # characters of a text in a message
KINDS = ("text", "image", "audio", "video", "table", "tensor")


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


@dataclass(frozen=True)
class _Entry:
    """A registered class: its module, loaded or to be imported, and its plugin if it is not from mmcli itself."""

    module: str | types.ModuleType
    class_name: str
    origin: Origin | None = None

    @property
    def source(self) -> Path:
        """The file of the class, found without importing it."""
        if isinstance(self.module, types.ModuleType):
            return Path(str(self.module.__file__))
        package, _, name = self.module.rpartition(".")
        for folder in _folders(package) if package else ():
            for path in (folder / f"{name}.py", folder / name / "__init__.py"):
                if path.exists():
                    return path
        return Path(str(import_module(self.module).__file__))


class Registry:
    """The implementations in some packages and in plugins.

    Args:
        what: What an entry is called in messages, such as ``extractor for text``.
        packages: The dotted names of the packages whose files are the entries.
        apart: Files of these packages that are not entries.
        group: The plugin group with further entries, such as ``fusion``; "" for none.
        prefix: The prefix of their names in that group.
    """

    def __init__(
        self, what: str, *packages: str, apart: frozenset[str] = frozenset(), group: str = "", prefix: str = ""
    ) -> None:
        self.what = what
        self.packages = packages
        self.apart = apart
        self.group = group
        self.prefix = prefix

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._entries())

    def module_of(self, name: str) -> str:
        """Return the dotted name of an entry's module.

        Raises:
            UsageError: There is no such name.
        """
        module = self._entry(name).module
        return module if isinstance(module, str) else module.__name__

    def origin_of(self, name: str) -> Origin | None:
        """Return the plugin of a name; None if it is from mmcli itself or unknown."""
        entry = self._entries().get(name)
        return None if entry is None else entry.origin

    def name_of(self, kind: type) -> str:
        """Return the name under which a class is registered."""
        for name, entry in self._entries().items():
            module = entry.module if isinstance(entry.module, str) else entry.module.__name__
            if (module, entry.class_name) == (kind.__module__, kind.__name__):
                return name
        raise ValueError(f"{kind} is not registered as a {self.what}")

    def plugin_of(self, name: str) -> dict[str, dict[str, str]]:
        """Return the record of a name's plugin; empty if it is from mmcli itself."""
        origin = self.origin_of(name)
        return {} if origin is None else {"plugin": origin.to_json()}

    def check_origin(self, name: str, recorded: Mapping[str, str] | None) -> None:
        """Check that a name comes from the recorded plugin; see ``plugins.check_origin``."""
        check_origin(self.what, name, recorded, self.origin_of(name))

    def _entry(self, name: str) -> _Entry:
        known = self._entries()
        if name not in known:
            raise unknown_name(self.what, name, sorted(known))
        return known[name]

    def _entries(self) -> dict[str, _Entry]:
        own = {
            path.stem: _Entry(f"{package}.{path.stem}", camel(path.stem))
            for package in self.packages
            for folder in _folders(package)
            for path in folder.glob("[!_]*.py")
            if path.stem not in self.apart
        }
        brought = entries_of(self.group, self.what, own, self.prefix) if self.group else {}
        return own | {name: _Entry(entry.module, entry.class_name, entry.origin) for name, entry in brought.items()}

    def summary(self, name: str) -> str:
        """Return the first line of the docstring of the entry's file, without importing it."""
        return self._source(name)[0]

    def constant(self, name: str, constant: str, default: Any = None) -> Any:
        """Return a constant of the entry's class, read from its source without importing it."""
        return self._source(name)[1].get(constant, default)

    def argument_is_place(self, name: str) -> bool:
        """Return whether the argument of a family is a path of files, so that only their content matters."""
        return name in self.names() and bool(self.constant(name, "argument_is_place", False))

    def load(self, name: str) -> type:
        """Import an entry and return its class.

        Raises:
            MmcliError: There is no such name, or the entry needs a package that is not installed.
        """
        entry = self._entry(name)
        try:
            module = entry.module if isinstance(entry.module, types.ModuleType) else import_module(entry.module)
        except ModuleNotFoundError as error:
            if error.name and error.name.startswith("mmcli"):
                raise
            raise missing_package(f"{self.what} {name!r}", error.name or "") from error
        found: type = getattr(module, entry.class_name)
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

    def _source(self, name: str) -> tuple[str, dict[str, Any]]:
        entry = self._entry(name)
        return _read_source(entry.source, entry.class_name)


def _folders(package: str) -> list[Path]:
    """Return where a package's files lie; none of the packages around it is imported, as ``find_spec`` would."""
    top, *inner = package.split(".")
    spec = find_spec(top)
    places = () if spec is None else spec.submodule_search_locations or ()
    return [folder for place in places if (folder := Path(place, *inner)).is_dir()]


@cache
def _read_source(path: Path, class_name: str) -> tuple[str, dict[str, Any]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    constants: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            summary = summary or (ast.get_docstring(node) or "").partition("\n")[0]
            for line in node.body:
                target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
                value = getattr(line, "value", None)
                if isinstance(target, ast.Name) and value is not None:
                    try:
                        constants[target.id] = ast.literal_eval(value)
                    except ValueError:
                        continue
    return summary, constants


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


EXTRACTORS = {
    kind: Registry(
        f"extractor for {kind}", f"mmcli.modalities.{kind}", apart=frozenset({"read"}), group="extractors",
        prefix=f"{kind}.",
    )
    for kind in KINDS
}  # fmt: skip
_ORIGINS = ("scratch", "torchvision", "torchaudio", "hub")
ENCODERS = Registry("encoder", *(f"mmcli.encoders.{origin}" for origin in _ORIGINS), group="encoders")
FUSIONS = Registry(
    "fusion method", *(f"mmcli.fusion.{family}" for family in ("static", "learnt", "late")), group="fusion"
)
TASKS = Registry("task", "mmcli.tasks", apart=frozenset({"abilities", "targets"}), group="tasks")
