"""Forms of tables that other programs pack: types of Parquet, tars, COCO."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow

from tests.forms.tables import ONE, ROWS, TWO, file, parquet, read, refused, typed

CONTENT = b"\x00\x01" * 100
TOLD = "200 bytes"
FAR = 2**60
NAMED = ({**ONE, "x": "a.parquet::x[0]"}, {**TWO, "x": "a.parquet::x[1]"})


def times(kind: pyarrow.DataType, width: str = "int64", far: int = FAR) -> pyarrow.Array:
    return pyarrow.array([far, None], width).view(kind)


def with_space(folder: Path) -> str:
    return str(Path(parquet({"x": [CONTENT, CONTENT]})(folder)).rename(folder / "a b.parquet"))


PARQUET_FORMS = [
    read("bytes that are not media, in a file with a space in its name", with_space,
         [{**row, "x": f"a b.parquet::x[{number}]"} for number, row in enumerate(ROWS)], "reported, not used"),
    refused("bytes given as text", parquet({"x": [CONTENT, CONTENT]}),
            "{folder}/a.parquet: --text x: the column holds bytes, not text; cast it to text (pyarrow's string) where "
            "it is, or name it with --image, --audio, --video or --tensor", text=("x",)),
    read("a dictionary of bytes", parquet({"x": pyarrow.array([CONTENT, b"x"]).dictionary_encode()}), NAMED,
         "reported, not used"),
    read("fixed-length bytes, more than 64", parquet({"x": pyarrow.array([CONTENT, CONTENT], pyarrow.binary(200))}),
         NAMED, "reported, not used"),
    typed("fixed-length bytes, at most 64", pyarrow.array([b"\x00\xff", None], pyarrow.binary(2)), ["00ff", None],
          "hexadecimal"),
    typed("lists of bytes", pyarrow.array([[CONTENT], None]), [[TOLD], None], "replaced by their number, not used"),
    typed("lists of media, as datasets write them", pyarrow.array([[{"bytes": CONTENT, "path": "a.png"}], None]),
          [[{"bytes": TOLD, "path": "a.png"}], None], "replaced by their number of bytes, not used"),
    typed("bytes in a struct under another name", pyarrow.array([{"data": CONTENT}, None]), [{"data": TOLD}, None],
          "replaced by their number, not used"),
    typed("timestamps beyond Python's range", times(pyarrow.timestamp("us")), [FAR, None], "the stored number"),
    typed("timestamps with a time zone, beyond Python's range", times(pyarrow.timestamp("us", "Asia/Tokyo")),
          [FAR, None], "the stored number"),
    typed("dates beyond Python's range", times(pyarrow.date32(), "int32", 2**30), [2**30, None], "the stored number"),
    typed("durations beyond Python's range", times(pyarrow.duration("s")), [FAR, None], "the stored number"),
]  # fmt: skip


def tar(folder: Path, name: str, members: Mapping[str, Any]) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / name, "w") as target:
        for member, value in members.items():
            content = value.encode() if isinstance(value, str) else json.dumps(value).encode()
            info = tarfile.TarInfo(member)
            info.size = len(content)
            target.addfile(info, io.BytesIO(content))
    return str(folder / name)


def tars_of_splits(folder: Path) -> str:
    for split, text in (("train", "one"), ("val", "two")):
        tar(folder / "in" / split, "0.tar", {"0.txt": text})
    return str(folder / "in")


def same_key_twice(folder: Path) -> str:
    for number in range(2):
        tar(folder / "in", f"{number}.tar", {"a.txt": "one"})
    return str(folder / "in")


WHOLE: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "a.jpg"}],
    "annotations": [{"id": "a", "image_id": 7, "caption": "one"}, {"id": "b", "image_id": 7, "caption": "two"}],
}
CAPTIONS = [{"id": key, "image": "a.jpg", "caption": text, "image_id": "7", "split": split}
            for key, text, split in (("a", "one", "val"), ("b", "two", "train"))]  # fmt: skip
HALVES = {"text": ("caption",), "split_ratio": "0.5,0.5,0"}
FORMS = [
    read("a tar with JSON keys that equal a suffix",
         lambda folder: tar(folder, "a.tar", {"a.json": {"txt": "x", "split": "train"}, "a.txt": "one",
                                              "b.txt": "two", "b.json": {"txt": "y", "split": "val"}}),
         [{"id": "a", "txt": "one", "json.txt": "x", "split": "train"},
          {"id": "b", "txt": "two", "json.txt": "y", "split": "val"}],
         "both kept, one as json.txt", text=("txt",)),
    read("tars in train/ and val/", tars_of_splits,
         [{"id": "train/0", "txt": "one", "split": "train"}, {"id": "val/0", "txt": "two", "split": "val"}],
         "with these splits", text=("txt",)),
    refused("the same key in two tars", same_key_twice,
            "{folder}/in/0.tar, a and 1.tar, a: both have the id 'a'; ids must be unique (--id names another column)",
            text=("txt",)),
    read("COCO captions with another first key", file("a.json", json.dumps({"kind": [], **WHOLE})), CAPTIONS,
         "one row per caption", **HALVES),
    refused("COCO captions, two images with the same id",
            file("a.json", json.dumps({**WHOLE, "images": [*WHOLE["images"], {"id": 7, "file_name": "b.jpg"}]})),
            "{folder}/a.json: two images have the id 7, a.jpg and b.jpg; give each its own"),
    read("JSON Lines in .json with the first key type", file("a.json", "\n".join(
        json.dumps({"type": "x", **row}) for row in ROWS)), [{"type": "x", **row} for row in ROWS]),
]  # fmt: skip
