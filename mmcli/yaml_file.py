"""Reads YAML files of options, within limits and with line numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmcli.errors import MmcliError
from mmcli.options import YAML_BOOLEANS

_LARGEST_FILE = 2**20
_MOST_NODES = 10_000
_LONGEST_REASON = 300
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlFile:
    """The content of a YAML file.

    Args:
        path: The path of the file.
        content: The top-level mapping.
        lines: The line number of each name and item, by the names and indexes that lead to it.
    """

    path: Path
    content: dict[str, Any]
    lines: Mapping[Place, int] = field(default_factory=dict)

    def where(self, *place: str | int) -> str:
        """Return the path with the line of a place in the file, such as ``a.yaml, line 3``."""
        line = next((self.lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self.lines), None)
        return str(self.path) if line is None else f"{self.path}, line {line}"


def read_yaml(path: Path) -> YamlFile:
    """Read a YAML file that contains a mapping.

    Raises:
        MmcliError: It does not exist, is not YAML, or contains something else.
    """
    import yaml

    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_FILE + 1)
        if len(text) > _LARGEST_FILE:
            raise MmcliError(f"{path}: larger than {_LARGEST_FILE} bytes, too large for a file of options")
        loader = yaml.SafeLoader(text.decode())
        node = loader.get_single_node()
        if _expanded(node) > _MOST_NODES:
            raise MmcliError(f"{path}: more than {_MOST_NODES} values once aliases are expanded")
        content = None if node is None else loader.construct_document(node)
    except OSError as error:
        raise MmcliError(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise MmcliError(f"{path}: not YAML (nested too deeply)") from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as error:
        # An invalid value, such as the date 2001-13-45, may raise any of these.
        shown = " ".join(str(error).split())
        raise MmcliError(f"{path}: not YAML ({shown[:_LONGEST_REASON]})") from None
    if not isinstance(content, dict):
        raise MmcliError(f"{path}: expected a mapping of names to values, found {type(content).__name__}")
    found = YamlFile(path, content, dict(_lines(node, ())))
    for name in content:
        if isinstance(name, bool):
            raise MmcliError(f"{path}: {str(name).lower()!r} is not a name; {YAML_BOOLEANS}")
        if not isinstance(name, str):
            raise MmcliError(f"{path}: {str(name)[:60]!r} is not a name; put it in quotes if it is meant as one")
    return found


def _expanded(root: Any) -> int:
    """Count the values of a YAML document with all aliases expanded, stopping above the limit.

    Nested aliases can expand to billions of values, or contain themselves.
    """
    count, waiting = 0, [root]
    while waiting and count <= _MOST_NODES:
        value = getattr(waiting.pop(), "value", None)
        count += 1
        for part in value if isinstance(value, list) else ():
            waiting.extend(part if isinstance(part, tuple) else (part,))
    return count


def _lines(root: Any, place: Place) -> list[tuple[Place, int]]:
    """Return the line numbers of the names and items in a node whose expanded size is known to be small."""
    found: list[tuple[Place, int]] = []
    waiting: list[tuple[Any, Place]] = [(root, place)]
    while waiting:
        node, here = waiting.pop()
        value = getattr(node, "value", None)
        for number, part in enumerate(value if isinstance(value, list) else ()):
            key, inner = part if isinstance(part, tuple) else (None, part)
            name: str | int = number if key is None else str(key.value)
            found.append(((*here, name), (inner if key is None else key).start_mark.line + 1))
            waiting.append((inner, (*here, name)))
    return found
