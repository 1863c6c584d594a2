"""Tables as spreadsheets, Hugging Face's datasets and WebDataset write them."""

from __future__ import annotations

import io
import json
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import openpyxl.chart
import pyarrow

from tests.forms.tables import ONE, ROWS, TWO, read, refused

HEADER = list(ONE)
GRID = [HEADER, *([row[name] for name in HEADER] for row in ROWS)]


def workbook(change: Callable[[Any], None] = lambda book: None, dimension: str = "") -> Callable[[Path], str]:
    """A workbook of the two rows, changed; ``dimension`` is the size that its sheet then declares."""

    def write(folder: Path) -> str:
        book = openpyxl.Workbook()
        for row in GRID:
            book.active.append(row)
        change(book)
        path = folder / "a.xlsx"
        book.save(path)
        if dimension:
            with zipfile.ZipFile(path) as archive:
                parts = {name: archive.read(name) for name in archive.namelist()}
            sheet = "xl/worksheets/sheet1.xml"
            parts[sheet] = re.sub(
                rb'<dimension ref="[^"]*"', b'<dimension ref="' + dimension.encode() + b'"', parts[sheet]
            )
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in parts.items():
                    archive.writestr(name, content)
        return str(path)

    return write


def with_formula(book: Any) -> None:
    book.active["D1"], book.active["D2"], book.active["D3"] = "n", "=1+1", 3


def with_chart(book: Any) -> None:
    book.create_chartsheet("drawn", 0).add_chart(openpyxl.chart.BarChart())


def arrow(name: str, kind: Callable[..., Any]) -> Callable[[Path], str]:
    def write(folder: Path) -> str:
        table = pyarrow.Table.from_pylist(list(ROWS))
        with pyarrow.OSFile(str(folder / name), "wb") as sink, kind(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=1)
        return str(folder / name)

    return write


def saved(folder: Path, **state: Any) -> str:
    """A folder that ``save_to_disk`` wrote, with what ``map`` left beside the data."""
    folder = folder / "saved"
    folder.mkdir()
    arrow("data-00000-of-00001.arrow", pyarrow.ipc.new_stream)(folder)
    arrow("cache-0123.arrow", pyarrow.ipc.new_stream)(folder)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], **state}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text("{}")
    return str(folder)


def chosen(folder: Path) -> str:
    return saved(folder, _indices_files=[{"filename": "indices.arrow"}])


def tar(folder: Path) -> str:
    with tarfile.open(folder / "a.tar", "w") as made:
        for row in ROWS:
            for suffix, content in (("txt", row["text"]), ("json", json.dumps({"split": row["split"]}))):
                member = tarfile.TarInfo(f"{row['id']}.{suffix}")
                member.size = len(content)
                made.addfile(member, io.BytesIO(content.encode()))
    return str(folder / "a.tar")


def captions(folder: Path) -> str:
    whole = {
        "images": [{"id": n, "file_name": f"{n}.jpg"} for n in (7, 8)],
        "annotations": [{"id": 1, "image_id": 7, "caption": "one"}, {"id": 2, "image_id": 8, "caption": "two"}],
    }
    (folder / "a.json").write_text(json.dumps(whole))
    return str(folder / "a.json")


CAPTIONS = [
    {"id": f"{n}", "image": f"{6 + n}.jpg", "caption": text, "image_id": f"{6 + n}", "split": "train"}
    for n, text in ((1, "one"), (2, "two"))
]
FORMS = [
    read("a workbook", workbook()),
    read("a workbook whose sheet claims fewer rows", workbook(dimension="A1:C2"), means="all rows"),
    read("a workbook with a formula whose value is not saved", workbook(with_formula),
         ({**ONE, "n": ""}, {**TWO, "n": 3}), "an empty cell, with a warning that names it"),
    read("a workbook whose first sheet is a chart", workbook(with_chart), means="the first sheet with cells"),
    read("an Arrow file", arrow("a.arrow", pyarrow.ipc.new_file)),
    read("an Arrow stream", arrow("a.arrow", pyarrow.ipc.new_stream)),
    read("Feather", arrow("a.feather", pyarrow.ipc.new_file)),
    read("a folder of save_to_disk that also contains caches of map", saved, means="only its own data"),
    refused("a folder of save_to_disk with an unwritten selection", chosen,
            "{folder}/saved: its rows were selected or shuffled, but not written; call flatten_indices() on the "
            "dataset and save it again"),
    read("a WebDataset tar", tar, [{"id": row["id"], "txt": row["text"], "split": row["split"]} for row in ROWS],
         text=("txt",)),
    read("COCO captions", captions, CAPTIONS, text=("caption",), split_ratio="1,0,0"),
]  # fmt: skip
