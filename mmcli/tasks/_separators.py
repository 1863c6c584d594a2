"""What parts several values in one cell, where characters cannot be typed in an option."""

from __future__ import annotations

_WORDS = {"comma": ",", "space": None, "tab": "\t", "semicolon": ";", "bar": "|"}


def parted(text: str, separator: str) -> list[str]:
    """Return the parts of a cell, without those that are empty; ``separator`` is characters or one of these words."""
    parts = text.split(_WORDS.get(separator, separator))
    return [each.strip() for each in parts if each.strip()]
