"""Reads the docstring and constants of a class from its source file, without importing it."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any

_MOST_HOPS = 4  # re-exports to follow until the file that defines a class


@dataclass(frozen=True)
class ClassSource:
    """The documented part of a class.

    Args:
        file_summary: First line of the docstring of its file.
        summary: First line of its own docstring.
        constants: Class attributes with literal values.
    """

    file_summary: str
    summary: str
    constants: Mapping[str, Any]


def folders_of(package: str) -> list[Path]:
    """Return the folders of a package. Unlike ``find_spec``, this imports no parent package."""
    top, *inner = package.split(".")
    spec = find_spec(top)
    places = () if spec is None else spec.submodule_search_locations or ()
    return [folder for place in places if (folder := Path(place, *inner)).is_dir()]


def find_class(module: str, class_name: str, hops: int = _MOST_HOPS) -> ClassSource | None:
    """Return the source of a class, following re-exports; None if it is not found."""
    path = _file_of(module)
    if path is None:
        return None
    tree = _parsed(path)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            return ClassSource(_first_line(tree), _first_line(node), _literals(node))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and hops:
            for alias in node.names:
                if class_name == (alias.asname or alias.name):
                    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
                    there = resolve_name("." * node.level + (node.module or ""), package)
                    return find_class(there, alias.name, hops - 1)
    return None


def told_by(kind: type) -> ClassSource:
    """Return the same of a class that is already loaded."""
    summary = (kind.__doc__ or "").strip().partition("\n")[0]
    literals = (bool, int, float, str, tuple, type(None))
    return ClassSource("", summary, {key: value for key, value in vars(kind).items() if isinstance(value, literals)})


def _file_of(module: str) -> Path | None:
    package, _, name = module.rpartition(".")
    if not package:
        spec = find_spec(name)
        path = Path(spec.origin) if spec is not None and spec.origin is not None else None
        return path if path is not None and path.suffix == ".py" else None
    for folder in folders_of(package):
        for path in (folder / f"{name}.py", folder / name / "__init__.py"):
            if path.exists():
                return path
    return None


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _first_line(node: ast.Module | ast.ClassDef) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _literals(node: ast.ClassDef) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in node.body:
        target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
        value = getattr(line, "value", None)
        if isinstance(target, ast.Name) and value is not None:
            try:
                found[target.id] = ast.literal_eval(value)
            except ValueError:
                continue
    return found
