"""Separators of several values in one cell, with names for characters that cannot be typed in an option."""

from __future__ import annotations

_WORDS = {"comma": ",", "space": None, "tab": "\t", "semicolon": ";", "bar": "|"}


def parted(text: str, separator: str) -> list[str]:
    """Split a cell into its nonempty parts; ``separator`` is characters or one of these names."""
    parts = text.split(_WORDS.get(separator, separator))
    return [each.strip() for each in parts if each.strip()]
