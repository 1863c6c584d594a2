"""Finds existing files whose paths differ only in spelling, as other systems and programs write them."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from urllib.parse import unquote

DIFFERENCES: dict[str, Callable[[str], str]] = {
    "the space around it": str.strip,
    "backslashes": lambda path: path.replace("\\", "/"),
    "%20 and such": unquote,
}
"""Functions that undo a spelling, by the name used in messages."""
UNICODE, CASE = "Unicode form", "letter case"


class NearPaths:
    """Finds the file that a path means by listing the folders on the way; each folder is listed once."""

    def __init__(self) -> None:
        self._listed: dict[str, dict[str, list[str]]] = {}

    def find(self, root: str, path: str) -> tuple[str, str] | None:
        """Return an existing path and how the given one differs from it; None if there is none.

        Args:
            root: Folder that relative paths start from.
            path: As written in the cell.
        """
        told: list[str] = []
        for name, change in DIFFERENCES.items():
            if (changed := change(path)) != path:
                path = changed
                told.append(name)
                if os.path.isfile(os.path.join(root, path)):
                    return path, _joined(told)
        found, ways = self._walk(root, path)
        return None if found is None or not (told or ways) else (found, _joined([*told, *ways]))

    def _walk(self, root: str, path: str) -> tuple[str | None, list[str]]:
        """Return the path with each part as its folder spells it; None if a part is absent or ambiguous."""
        here, parts, ways = ("/" if path.startswith("/") else root), [], dict[str, None]()
        for part in path.split("/"):
            if part in ("", ".", "..") or os.path.lexists(os.path.join(here, part)):
                spelled = part
            else:
                like = self._names(here).get(_plain(part), [])
                if len(like) != 1:
                    return None, []
                spelled = like[0]
                same = unicodedata.normalize("NFC", spelled) == unicodedata.normalize("NFC", part)
                ways[UNICODE if same else CASE] = None
            parts.append(spelled)
            here = os.path.join(here, spelled)
        found = "/".join(parts)
        return (found, list(ways)) if os.path.isfile(here) else (None, [])

    def _names(self, folder: str) -> dict[str, list[str]]:
        """Return the names in a folder, grouped by their normalised, case-folded form."""
        if folder not in self._listed:
            names: dict[str, list[str]] = {}
            try:
                for name in sorted(os.listdir(folder or ".")):
                    names.setdefault(_plain(name), []).append(name)
            except OSError:
                names = {}
            self._listed[folder] = names
        return self._listed[folder]


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _joined(told: list[str]) -> str:
    return " and ".join(told)
