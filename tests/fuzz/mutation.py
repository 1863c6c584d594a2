"""Strategies that damage valid files: their bytes, their JSON values, and what lies inside their containers."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

_EXTREME = (0, 1, -1, 2, 7, 8, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**53,
            2**63 - 1, 2**63, 2**64 - 1, -(2**31), -(2**63), 10**30)  # fmt: skip
_WORDS = ("", " ", "a", "..", "/", "../../x", "\0", "\ud800", "é漢", "nan", "row", "0", "1", "-1", "float32", "object",
          "U8", "dense", "ragged", "x" * 5000, "{}", "a:b=c", "%s", "\n")  # fmt: skip
_LEAVES: tuple[Any, ...] = (
    None, True, False, *_EXTREME, 0.5, -0.0, 1e308, float("inf"), float("nan"), *_WORDS, [], {}, [0], {"a": 1}, [None],
    [[]], {"": ""}, [1, "a", None], [10**9, 10**9],
)  # fmt: skip


@st.composite
def damaged_bytes(draw: Any, content: bytes, other: bytes = b"") -> bytes:
    """Return the content after up to six cuts, flips, insertions, splices and extreme numbers."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        place = _place(draw, len(found))
        how = draw(st.integers(0, 9))
        if how <= 2 and found:
            found[place] ^= 1 << draw(st.integers(0, 7))
        elif how == 3 and found:
            found[place] = draw(st.sampled_from((0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0x0A, 0x20, 0x22, 0x2D, 0x39)))
        elif how in (4, 5):
            size = draw(st.sampled_from((1, 2, 4, 8)))
            value = draw(st.sampled_from(_EXTREME)) % 256**size
            found[place : place + size] = value.to_bytes(size, draw(st.sampled_from(("little", "big"))))
        elif how == 6:
            del found[place : place + draw(st.sampled_from((1, 2, 4, 16, 100, len(found))))]
        elif how == 7:
            found[place:place] = draw(st.binary(min_size=1, max_size=24))
        elif how == 8:
            span = found[place : place + draw(st.integers(1, 200))]
            there = _place(draw, len(found))
            found[there:there] = span
        else:
            found[place:] = other[_place(draw, len(other)) :] if other else found[: len(found) - place]
    return bytes(found)


def _place(draw: Any, length: int) -> int:
    """Return a place in the content, more often near its start, where headers are."""
    last = max(0, length - 1)
    return draw(st.integers(0, min(last, draw(st.sampled_from((31, 127, 511, last, last))))))


@st.composite
def damaged_value(draw: Any, value: Any) -> Any:
    """Return a JSON value after up to four of its parts were changed, renamed, removed, moved or doubled."""
    value = json.loads(json.dumps(value))
    for _ in range(draw(st.integers(1, 4))):
        parents = [(part, key) for part in _containers(value) for key in _keys(part)]
        if not parents:
            return _leaf(draw)
        part, key = parents[draw(st.integers(0, len(parents) - 1))]
        how = draw(st.integers(0, 9))
        if how <= 4:
            part[key] = _leaf(draw)
        elif how == 5:
            del part[key]
        elif how == 6:
            source, there = parents[draw(st.integers(0, len(parents) - 1))]
            part[key] = json.loads(json.dumps(source[there]))
        elif how == 7 and isinstance(part, dict):
            part[draw(st.sampled_from(_WORDS))] = part.pop(key)
        elif how == 8:
            part[key] = [part[key]] if draw(st.booleans()) else {"a": part[key]}
        elif isinstance(part[key], str):
            part[key] = _damaged_text(draw, part[key])
        elif isinstance(part, list):
            part.insert(key, part[key])
    return value


def _leaf(draw: Any) -> Any:
    return deepcopy(draw(st.sampled_from(_LEAVES)))


def _damaged_text(draw: Any, text: str) -> str:
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(st.sampled_from(_WORDS)) + text[place + draw(st.integers(0, 2)) :]


def _containers(value: Any) -> list[Any]:
    found, open_parts = [], [value]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict | list):
            found.append(part)
            open_parts.extend(part.values() if isinstance(part, dict) else part)
    return found


def _keys(part: Any) -> list[Any]:
    return list(part) if isinstance(part, dict) else list(range(len(part)))


def dumped(value: Any) -> bytes:
    """Return JSON as a careless program writes it, NaN and all."""
    return json.dumps(value).encode()


@st.composite
def damaged_json(draw: Any, content: bytes, mend: Callable[[Any], Any] = lambda value: value) -> bytes:
    """Return a JSON file with other values, or with other bytes; ``mend`` makes its hashes right again."""
    if draw(st.integers(0, 7)) == 0:
        return draw(damaged_bytes(content))
    value = draw(damaged_value(json.loads(content)))
    return dumped(mend(value) if draw(st.booleans()) else value)


@st.composite
def damaged_lines(draw: Any, content: bytes) -> bytes:
    """Return JSON lines with one line changed, doubled, moved or gone, or with other bytes."""
    how = draw(st.integers(0, 7))
    if how == 0:
        return draw(damaged_bytes(content))
    lines = content.splitlines()
    place = draw(st.integers(0, len(lines) - 1))
    if how == 1:
        lines.insert(draw(st.integers(0, len(lines))), lines[place])
    elif how == 2:
        del lines[place]
    elif how == 3:
        lines[place] = draw(st.sampled_from((b"", b" ", b"[]", b"1", b"null", b"[" * 5000, b'{"a":' * 5000, b"\xff")))
    else:
        lines[place] = dumped(draw(damaged_value(json.loads(lines[place]))))
    return b"\n".join(lines) + (b"\n" if draw(st.booleans()) else b"")


@st.composite
def damaged_safetensors(draw: Any, content: bytes) -> bytes:
    """Return a safetensors file with another header, or with other bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged_bytes(content))
    length = int.from_bytes(content[:8], "little")
    header = dumped(draw(damaged_value(json.loads(content[8 : 8 + length]))))
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


@st.composite
def damaged_zip(draw: Any, content: bytes) -> bytes:
    """Return an archive whose entries are damaged and whose checksums are right, or with other bytes."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged_bytes(content))
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(stream, "w") as after:
        names = before.namelist()
        chosen = draw(st.sampled_from(names))
        for name in names:
            body = before.read(name)
            after.writestr(name, draw(damaged_bytes(body)) if name == chosen else body)
    return stream.getvalue()


@st.composite
def damaged_png(draw: Any, content: bytes) -> bytes:
    """Return a PNG with a damaged chunk whose checksum is right, its pixels packed again where they are damaged."""
    if draw(st.integers(0, 3)) == 0:
        return draw(damaged_bytes(content))
    chunks, place = [], 8
    while place + 12 <= len(content):
        size = int.from_bytes(content[place : place + 4], "big")
        chunks.append((content[place + 4 : place + 8], content[place + 8 : place + 8 + size]))
        place += 12 + size
    chosen = draw(st.integers(0, len(chunks) - 1))
    kind, body = chunks[chosen]
    if kind == b"IDAT" and draw(st.booleans()):
        chunks[chosen] = kind, zlib.compress(draw(damaged_bytes(zlib.decompress(body))))
    else:
        chunks[chosen] = kind, draw(damaged_bytes(body)) if body else body
    if draw(st.integers(0, 3)) == 0:
        chunks.insert(draw(st.integers(0, len(chunks))), draw(st.sampled_from(chunks)))
    return content[:8] + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )


@st.composite
def damaged_ogg(draw: Any, content: bytes) -> bytes:
    """Return an Ogg file with damaged pages whose checksums are right, or with other bytes."""
    found = draw(damaged_bytes(content))
    if draw(st.booleans()):
        return found
    pages = found.split(b"OggS")
    return pages[0] + b"".join(_ogg_page(b"OggS" + page) for page in pages[1:])


def _ogg_page(page: bytes) -> bytes:
    if len(page) < 27:
        return page
    blank, total = page[:22] + bytes(4) + page[26:], 0
    for byte in blank:
        total ^= byte << 24
        for _ in range(8):
            total = (total << 1 ^ 0x04C11DB7 if total & 0x80000000 else total << 1) & 0xFFFFFFFF
    return page[:22] + struct.pack("<I", total) + page[26:]
