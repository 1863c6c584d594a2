"""A report as Markdown, for a pull request: the result, gates, baselines, classes, modalities and groups as tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

_SPECIAL = re.compile(r"([\\`*{}\[\]#|~$]|(?<![^\W_])_|_(?![^\W_]))")

_MENTION = re.compile(r"(?<!\w)@")


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line; an @ mentions nobody."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@&#8203;", _SPECIAL.sub(r"\\\1", " ".join(escaped.split())))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; the first column is text, the others are aligned to the right."""
    lines = [heads, ["---", *("---:" for _ in heads[1:])]]
    told = [" | ".join(map(plain, heads)), " | ".join(lines[1])]
    told += [" | ".join(map(plain, row)) for row in rows]
    return "\n".join(f"| {line} |" for line in told)
