"""Raw tables of every form, taken in as preprocess does, and their cells read as text and numbers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
from hypothesis import strategies as st

from mmcli.modalities.files import MediaFolder
from mmcli.modalities.table.read import Preprocessor as Table
from mmcli.modalities.text.read import Preprocessor as Text
from mmcli.reporting import Silent
from mmcli.store.sources.opening import open_table
from mmcli.tables.intake import take_in
from mmcli.tables.kinds import infer_kinds
from tests.configs import intake_config
from tests.fuzz.guard import Case, Reader, refused
from tests.fuzz.mutation import damaged_bytes, damaged_lines, damaged_value, dumped

ROWS = [
    {"id": f"r{number}", "split": split, "text": text, "price": price, "colour": colour, "label": "ab"[number % 2]}
    for number, (split, text, price, colour) in enumerate(
        [
            ("train", 'good, "old" wine', "1,234.5", "red"),
            ("train", "漢字\nline", "-3e5", ""),
            ("val", "", "NA", "blue"),
            ("test", "x" * 50, "", "red"),
            ("train", "é", "0", "green"),
        ]
    )
]
TYPED = [{"when": 10**9, "list": [1, 2], "nested": {"a": None}, "flag": True} for _ in ROWS]


def make(folder: Path) -> Reader:
    """The same few rows in every form."""
    files = {"t.csv": _csv(","), "s.csv": _csv(";"), "t.tsv": _csv("\t"), "t.jsonl": b"".join(map(_line, ROWS))}
    for name, compression in (("t.parquet", "snappy"), ("u.parquet", "none"), ("z.parquet", "zstd")):
        stream = io.BytesIO()
        rows = [{**row, **typed} for row, typed in zip(ROWS, TYPED, strict=True)] if name == "u.parquet" else ROWS
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), stream, compression=compression)
        files[name] = stream.getvalue()
    files |= _packed(files) | _with_media()
    media = MediaFolder(str(folder))
    text, numbers = Text(("text",)), Table(("price", "colour"), numeric=("price",), categorical=("colour",))

    def read(case: Case) -> None:
        path = folder / case.name
        path.write_bytes(case.content)
        with refused():
            list(open_table("-", case.content.splitlines(keepends=True)).rows)
        with refused():
            take_in(str(path), intake_config(split_ratio="0.8,0.1,0.1", stratify="label", group_by="colour"), Silent())
        taken = take_in(str(path), intake_config(), Silent())
        rows = list(taken.rows)
        infer_kinds(rows, set())
        for row in rows:
            for cell in row.values():
                if isinstance(cell, str) and "::" in cell:
                    with refused():
                        media.read(cell)
            for part in (text, numbers):
                with refused():
                    content = part.content(row, media)
                    if content is not None:
                        part.decode(content)

    for name, content in files.items():
        read(Case(name, content))  # Parquet's threads begin before memory is bounded

    return Reader(_cases(files), read)


def _packed(files: dict[str, bytes]) -> dict[str, bytes]:
    """The same rows compressed, in a workbook, in COCO's form."""
    import bz2
    import gzip
    import lzma

    import pandas

    book = io.BytesIO()
    pandas.DataFrame(ROWS).to_excel(book, index=False, engine="openpyxl")
    captions = {
        "images": [{"id": number, "file_name": f"{number}.png"} for number in range(3)],
        "annotations": [{"id": number, "image_id": number % 3, "caption": "é"} for number in range(5)],
    }
    return {
        "t.csv.gz": gzip.compress(files["t.csv"]), "t.jsonl.xz": lzma.compress(files["t.jsonl"]),
        "t.tsv.bz2": bz2.compress(files["t.tsv"]), "t.csv.zst": pyarrow.compress(files["t.csv"], "zstd", asbytes=True),
        "t.xlsx": book.getvalue(), "c.json": json.dumps(captions).encode(),
    }  # fmt: skip


def _with_media() -> dict[str, bytes]:
    """Rows with pictures inside: Parquet, Arrow of both forms, and a tar."""
    import tarfile

    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(stream, "PNG")
    picture = stream.getvalue()
    table = pyarrow.Table.from_pylist(
        [{**row, "image": {"bytes": picture, "path": "a.png"}, "raw": picture} for row in ROWS]
    )
    found = {}
    for name, kind in (("m.arrow", pyarrow.ipc.new_file), ("m.feather", pyarrow.ipc.new_stream)):
        stream = io.BytesIO()
        with kind(stream, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
        found[name] = stream.getvalue()
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream, row_group_size=2)
    found["m.parquet"] = stream.getvalue()
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for number, row in enumerate(ROWS):
            for suffix, content in (("png", picture), ("json", json.dumps(row).encode()), ("cls", b"1")):
                info = tarfile.TarInfo(f"d/{number}.{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    found["m.tar"] = stream.getvalue()
    return found


def _csv(delimiter: str) -> bytes:
    import csv

    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(ROWS[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(ROWS)
    return stream.getvalue().encode()


def _line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


@st.composite
def _cases(draw: Any, files: dict[str, bytes]) -> Case:
    name = draw(st.sampled_from(sorted(files)))
    if name == "t.jsonl" and draw(st.booleans()):
        return Case(name, b"\n".join(map(dumped, list(draw(damaged_value(ROWS))))) + b"\n")
    return Case(name, draw((damaged_lines if name == "t.jsonl" else damaged_bytes)(files[name])))
