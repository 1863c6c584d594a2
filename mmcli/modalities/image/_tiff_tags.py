"""The tags of a TIFF's first page, in 32-bit and 64-bit files of either byte order."""

from __future__ import annotations

import struct

_FRACTION = 5
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, _FRACTION: 8, 6: 1, 7: 1, 13: 4, 16: 8, 18: 8}
_LETTERS = {3: "H", 4: "I", _FRACTION: "I", 13: "I", 16: "Q", 18: "Q"}
_MOST_TAGS = 4096
_MOST_BYTES = 2**24

Tags = dict[int, tuple[int, ...] | bytes]


def is_big_endian(content: bytes) -> bool:
    """Return whether a TIFF is big-endian."""
    return content.startswith(b"MM")


def first_page(content: bytes) -> Tags:
    """Return the tags: integers as a tuple each, bytes and text as bytes.

    Fractions are pairs of integers.

    Raises:
        ValueError: These are not TIFF tags.
        struct.error: They end early.
    """
    order = ">" if is_big_endian(content) else "<"
    big = struct.unpack_from(order + "H", content, 2) == (43,)
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), content, 8 if big else 4)
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), content, start)
    if count > _MOST_TAGS:
        raise ValueError(f"{count} tags")
    entry, inline = order + ("HHQ" if big else "HHI"), 8 if big else 4
    place, step = start + (8 if big else 2), struct.calcsize(entry) + inline
    tags: Tags = {}
    for _ in range(count):
        tag, kind, number = struct.unpack_from(entry, content, place)
        size = _BYTES.get(kind, 0) * number
        at = place + step - inline
        if size > inline:
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), content, at)
        if 0 < size <= _MOST_BYTES and at + size <= len(content):
            letter = _LETTERS.get(kind)
            number *= 2 if kind == _FRACTION else 1
            tags[tag] = (
                struct.unpack_from(f"{order}{number}{letter}", content, at) if letter else content[at : at + size]
            )
        place += step
    return tags


def numbers_of(tags: Tags, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the integers of a tag."""
    value = tags.get(tag, default)
    return tuple(value)


def number_of(tags: Tags, tag: int, default: int | None = None) -> int:
    """Return the first number of a tag.

    Raises:
        KeyError: The tag is absent and there is no default.
    """
    value = tags.get(tag)
    if value:
        return value[0]
    if default is None:
        raise KeyError(tag)
    return default
