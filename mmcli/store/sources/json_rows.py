"""Tables of JSON objects: one per line, or one list of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from mmcli.errors import MmcliError
from mmcli.store.columns import Row
from mmcli.store.rows import parse_first, parse_row
from mmcli.store.sources.text_lines import LONGEST


def read_json(lines: Iterator[str], name: str, skipped: int = 0) -> Iterator[tuple[str, Row]]:
    """Return the rows of JSON Lines, or of a list of objects.

    Args:
        lines: The lines of the file.
        name: The table's name in messages.
        skipped: Number of lines above these.

    Raises:
        MmcliError: A line or an item is not a JSON object; the message gives its number.
    """
    begun: Row | None = None
    count = 0
    for number, line in enumerate(lines, 1 + skipped):
        if line.isspace():
            continue
        where = f"{name}, line {number}"
        if begun is None and line.lstrip().startswith("["):
            yield from _read_list(itertools.chain([line], lines), name)
            return
        if begun is None and line.strip() == "{":
            raise MmcliError(
                f"{where}: an object that spans several lines; expected one object per line, or a list of them "
                "(jq -c . puts each on its own line)"
            )
        row = parse_row(line, where)
        begun = begun or row
        count += 1
        yield where, row
    if count == 1 and begun and all(isinstance(value, dict | list) for value in begun.values()):
        raise MmcliError(
            f"{name}: one object of columns, expected one object per row (pandas: "
            "to_json(orient='records', lines=True))"
        )


def _read_list(lines: Iterator[str], name: str) -> Iterator[tuple[str, Row]]:
    """Read ``[{…}, {…}]``, with only one object and its lines in memory at a time."""
    text = next(lines).lstrip()[1:]
    for number in itertools.count(1):
        where = f"{name}, item {number}"
        text = _filled(text, lines, where)
        if text[0] == "]" and number == 1:
            break
        row, text = _first(text, lines, where)
        yield where, row
        text = _filled(text, lines, where)
        if text[0] == "]":
            break
        if text[0] != ",":
            raise MmcliError(f"{where}: followed by {text[:10].strip()!r}, expected , or ]")
        text = text[1:]
    if text[1:].strip() or any(line.strip() for line in lines):
        raise MmcliError(f"{name}: more text after the list")


def _filled(text: str, lines: Iterator[str], where: str) -> str:
    """Strip leading white space, reading more lines until something else is found."""
    while not (rest := text.lstrip()):
        line = next(lines, None)
        if line is None:
            raise MmcliError(f"{where}: the list is not closed; is the file truncated?")
        text = line
    return rest


def _first(text: str, lines: Iterator[str], where: str) -> tuple[Row, str]:
    """Return the object at the start of the text and what follows it, reading lines until the object is complete."""
    while True:
        try:
            return parse_first(text, where)
        except MmcliError:
            # Double the text before the next try, so that the total work stays linear.
            parts, size = [text], 0
            while size <= len(text) and (line := next(lines, "")):
                parts.append(line)
                size += len(line)
            if not size or len(text) + size > LONGEST:
                raise
            text = "".join(parts)
