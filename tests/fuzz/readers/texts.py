"""Files of word vectors, cells of text, and cells of numbers and categories."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mmcli.modalities.files import MediaFolder
from mmcli.modalities.table.read import Preprocessor as Table
from mmcli.modalities.tensor.read import Preprocessor as Vector
from mmcli.modalities.text.read import Preprocessor as Text
from mmcli.modalities.vector_file import open_vectors
from mmcli.tables.kinds import infer_kind
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes, damaged_value, dumped

WORDS = ("red", "sea", "漢字", "a b", "zero")
CELLS = {"text": "Good wine, 漢字!", "number": "1,234.5", "other": -3.5, "colour": "red"}
_STRANGE = (
    "١٢",
    "1e400",
    "-1e39",
    "1 234",
    "1.234.567",
    "0x10",
    "1_000",
    "٫",
    "\u200b",
    "\u2028",
    "inf",
    "-Infinity",
    "1e-999",
    "9" * 400,
    "NaN",
    "1,23,4",
    "--1",
    "1.",
    ".5",
    "+",
    "e",
    "\ufdfa" * 300,
    "a\u0301" * 200,
)


def make(folder: Path) -> Reader:
    """Vectors with and without a header and packed, and a row of cells."""
    lines = [
        " ".join([word, *(f"{number / 7:.4f}" for number in range(place, place + 4))])
        for place, word in enumerate(WORDS)
    ]
    body = ("\n".join(lines) + "\n").encode()
    files = {"glove": body, "word2vec": b"5 4\n" + body, "packed": gzip.compress(body, mtime=0)}
    media = MediaFolder(str(folder))
    table = Table(("number", "other", "colour"), numeric=("number", "other"), categorical=("colour",))
    table.fit([b'[1.0,2.0,"red"]', b'[3.0,null,"blue"]'])
    parts: tuple[Any, ...] = (
        Text(("text",)),
        Text(("text",), lower=True, remove_stop_words=True, max_tokens=4),
        table,
        Vector(("number", "other"), numeric=True),
    )

    def read(case: Case) -> None:
        if case.name == "cells":
            row = json.loads(case.content)
            infer_kind(list(row.values()))
            for part in parts:
                with refused():
                    content = part.content(row, media)
                    if content is not None:
                        part.decode(content)
            return
        path = folder / case.name
        path.unlink(missing_ok=True)
        path.write_bytes(case.content)
        vectors = open_vectors(str(path))
        for word in (*WORDS, "nowhere"):
            with refused():
                vectors.vector(word)
        vectors.digest()

    return Reader(_cases(files), read)


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(["cells", "cells", *files]))
    if name != "cells":
        damaged = draw(damaged_bytes(files["glove"] if name == "packed" and draw(st.booleans()) else files[name]))
        return Case(name, damaged)
    row = dict(CELLS)
    row[draw(st.sampled_from(sorted(row)))] = draw(st.sampled_from(_STRANGE) | st.text(max_size=30) | st.floats())
    value = draw(damaged_value(row))
    return Case("cells", dumped(value if isinstance(value, dict) else {"text": value}))
