"""Tables as other programs keep them: compressed, workbooks, Arrow, media inside tables, tars, COCO's captions."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import uuid
import zipfile
from datetime import date, datetime, timedelta
from decimal import Decimal

import numpy as np
import openpyxl
import openpyxl.chart
import pandas
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from mmcli.errors import MmcliError, UnusableError
from mmcli.modalities.files import MediaFolder
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.verify import verify
from mmcli.store.artifact import Artifact
from mmcli.store.sources import table_cells
from mmcli.store.sources.dialect import TableText
from mmcli.store.sources.opening import open_table
from tests.heard import Heard

ROWS = [{"id": "a", "text": "one", "n": "1.5"}, {"id": "b", "text": "é, ü", "n": ""}]


def rows_of(source, **text):
    return [row for _, row in open_table(str(source), text=TableText(**text)).rows]


def picture(colour, form="PNG"):
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(stream, form)
    return stream.getvalue()


COLOURS = [(10 * n, 20, 200 - 10 * n) for n in range(12)]


PACKED = {
    ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress,
    ".zst": lambda content: bytes(pyarrow.compress(content, "zstd", asbytes=True)),
}  # fmt: skip


class TestCompressed:
    @pytest.mark.parametrize("suffix", PACKED)
    @pytest.mark.parametrize("form", [".csv", ".tsv", ".jsonl"])
    def test_is_read_as_it_would_be_unpacked(self, tmp_path, suffix, form):
        table = pandas.DataFrame(ROWS * 500)
        if form == ".jsonl":
            content = table.to_json(orient="records", lines=True, force_ascii=False)
        else:
            content = table.to_csv(index=False, sep="\t" if form == ".tsv" else ",")
        path = tmp_path / f"t{form}{suffix}"
        path.write_bytes(PACKED[suffix](content.encode()))
        assert rows_of(path) == ROWS * 500

    def test_names_the_line_of_an_error(self, tmp_path):
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n3\n"))
        with pytest.raises(MmcliError, match=r"t\.csv\.gz, line 3: 1 cells, expected 2"):
            rows_of(tmp_path / "t.csv.gz")

    @pytest.mark.parametrize("suffix", PACKED)
    def test_cut_off_or_damaged(self, tmp_path, suffix):
        random = np.random.default_rng(0)
        content = b"id,text\n" + b"".join(b"%d,%d\n" % (n, random.integers(1 << 40)) for n in range(5000))
        packed = bytearray(PACKED[suffix](content))
        (tmp_path / f"t.csv{suffix}").write_bytes(packed[: len(packed) // 2])
        with pytest.raises(MmcliError, match="damaged or truncated"):
            rows_of(tmp_path / f"t.csv{suffix}")
        packed[len(packed) // 2] ^= 0xFF
        (tmp_path / f"t.csv{suffix}").write_bytes(packed)
        with pytest.raises(MmcliError):
            rows_of(tmp_path / f"t.csv{suffix}")

    def test_a_bomb_fills_no_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr("mmcli.store.sources.compressed._FREE", 2**20)
        (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n" + b"\n" * 30_000_000))
        with pytest.raises(MmcliError, match="unpacks to more than 1000 times its size"):
            rows_of(tmp_path / "t.csv.gz")

    def test_other_forms_are_to_be_unpacked(self, tmp_path):
        (tmp_path / "t.parquet.gz").write_bytes(gzip.compress(b""))
        with pytest.raises(MmcliError, match="unpack it first"):
            rows_of(tmp_path / "t.parquet.gz")


def edit_member(path, name, old, new):
    """Replace what matches in one file of a zip archive."""
    with zipfile.ZipFile(path) as archive:
        contents = {member: archive.read(member) for member in archive.namelist()}
    (member,) = (each for each in contents if each.endswith(name))
    contents[member], count = re.subn(old, new, contents[member])
    assert count == 1
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in contents.items():
            archive.writestr(each, content)


class TestExcel:
    def test_the_first_sheet_or_the_one_named(self, tmp_path):
        first = pandas.DataFrame({
            "id": ["a", "b"], "n": [1.0, 2.5], "when": [datetime(2024, 2, 29), datetime(2024, 3, 1, 12, 30)],
            "yes": [True, False], "gap": ["x", None],
        })  # fmt: skip
        with pandas.ExcelWriter(tmp_path / "t.xlsx") as writer:
            first.to_excel(writer, sheet_name="one", index=False)
            pandas.DataFrame({"id": ["z"]}).to_excel(writer, sheet_name="two", index=False)
        assert rows_of(tmp_path / "t.xlsx") == [
            {"id": "a", "n": 1, "when": "2024-02-29", "yes": True, "gap": "x"},
            {"id": "b", "n": 2.5, "when": "2024-03-01T12:30:00", "yes": False, "gap": ""},
        ]
        assert rows_of(tmp_path / "t.xlsx", sheet="two") == [{"id": "z"}]
        with pytest.raises(MmcliError, match="unknown sheet 'three'"):
            rows_of(tmp_path / "t.xlsx", sheet="three")

    def test_invalid_files_are_refused(self, tmp_path):
        for content in (b"", b"not a workbook", b"PK\x03\x04broken"):
            (tmp_path / "t.xlsx").write_bytes(content)
            with pytest.raises(MmcliError, match=r"t\.xlsx: not a whole Excel workbook"):
                rows_of(tmp_path / "t.xlsx")

    def test_all_rows_are_read_whatever_size_the_sheet_declares(self, tmp_path):
        pandas.DataFrame({"id": [f"r{n}" for n in range(50)], "n": range(50)}).to_excel(
            tmp_path / "t.xlsx", index=False
        )
        edit_member(tmp_path / "t.xlsx", "sheet1.xml", rb'<dimension ref="[^"]*"', b'<dimension ref="A1:A3"')
        assert rows_of(tmp_path / "t.xlsx") == [{"id": f"r{n}", "n": n} for n in range(50)]

    def test_formulas_without_a_saved_value_are_warned_of(self, tmp_path):
        book = openpyxl.Workbook()
        for row in (["id", "n", "s"], ["a", 1, "x"], ["b", "=1+1", "y"], ["c", 3, "=A1"]):
            book.active.append(row)
        book.save(tmp_path / "t.xlsx")
        table = open_table(str(tmp_path / "t.xlsx"))
        assert [row["n"] for _, row in table.rows] == [1, "", 3]
        (warning,) = table.warnings
        assert "2 cells hold formulas without a saved value (B3, C4), taken for empty" in warning
        # as a program that calculates saves it: a value beside each formula, an empty text among them
        edit_member(tmp_path / "t.xlsx", "sheet1.xml", rb"<f>1\+1</f><v ?/?>(</v>)?", b"<f>1+1</f><v>2</v>")
        edit_member(
            tmp_path / "t.xlsx", "sheet1.xml", rb'r="C4"><f>A1</f><v ?/?>(</v>)?', b'r="C4" t="str"><f>A1</f><v></v>'
        )
        table = open_table(str(tmp_path / "t.xlsx"))
        assert [row["n"] for _, row in table.rows] == [1, 2, 3]
        assert table.warnings == []

    def test_a_sheet_that_is_a_chart_is_passed_over(self, tmp_path):
        book = openpyxl.Workbook()
        book.active.title = "cells"
        for row in (["id", "n"], ["a", 1]):
            book.active.append(row)
        chart = openpyxl.chart.BarChart()
        chart.add_data(openpyxl.chart.Reference(book.active, 2, 1, 2, 2), titles_from_data=True)
        book.create_chartsheet("drawn", 0).add_chart(chart)
        book["cells"].print_area = "A1:B2"  # a name that counts the sheets
        book.save(tmp_path / "t.xlsx")
        assert rows_of(tmp_path / "t.xlsx") == [{"id": "a", "n": 1}]
        with pytest.raises(MmcliError, match="'drawn' is a chart, which has no rows"):
            rows_of(tmp_path / "t.xlsx", sheet="drawn")

    def test_the_package_is_named_where_it_is_missing(self, tmp_path, monkeypatch):
        pandas.DataFrame(ROWS).to_excel(tmp_path / "t.xlsx", index=False)
        monkeypatch.setitem(__import__("sys").modules, "openpyxl", None)
        with pytest.raises(MmcliError, match=r"pip install 'mmcli\[excel\]'"):
            rows_of(tmp_path / "t.xlsx")


def write_arrow(path, table, form):
    if form == "parquet":
        pyarrow.parquet.write_table(table, path, row_group_size=5)
    elif form == "feather":
        pyarrow.feather.write_feather(table, path, chunksize=5, compression="uncompressed")
    else:
        kind = pyarrow.ipc.new_file if form == "file" else pyarrow.ipc.new_stream
        with pyarrow.OSFile(str(path), "wb") as sink, kind(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=5)
    return path


FORMS = {"parquet": "t.parquet", "feather": "t.feather", "file": "t.arrow", "stream": "t.arrow"}


def save_as_datasets(folder, ids, **state):
    """Write what ``save_to_disk`` of Hugging Face's datasets writes."""
    write_arrow(folder / "data-00000-of-00001.arrow", pyarrow.table({"id": ids}), "stream")
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}], **state})
    )
    (folder / "dataset_info.json").write_text("{}")


class TestArrow:
    @pytest.mark.parametrize("form", FORMS)
    def test_values_of_every_type_are_text_or_numbers(self, tmp_path, form):
        identity = uuid.UUID(int=5)
        table = pyarrow.table({
            "id": ["a", "b"], "whole": pyarrow.array([2**62, None]),
            "half": pyarrow.array([1.5, None], pyarrow.float16()), "day": [date(2024, 2, 29), None],
            "took": pyarrow.array([timedelta(seconds=90), None], pyarrow.duration("ms")),
            "price": pyarrow.array([Decimal("1.25"), None], pyarrow.decimal128(9, 2)),
            "kind": pyarrow.array(["x", "y"]).dictionary_encode(), "list": [[1, 2], None], "raw": [b"\x00\xff", None],
            "fixed": pyarrow.array([identity.bytes, None], pyarrow.binary(16)), "none": pyarrow.nulls(2),
            "view": pyarrow.array(["v", None], pyarrow.string_view() if form != "feather" else pyarrow.string()),
        })  # fmt: skip
        if form == "parquet":
            table = table.drop(["view"])
        first, second = rows_of(write_arrow(tmp_path / FORMS[form], table, form))
        raw = first.pop("raw")
        first.pop("view", None)
        assert raw == f"{FORMS[form]}::raw[0]"
        assert first == {
            "id": "a", "whole": 2**62, "half": 1.5, "day": "2024-02-29", "took": 90.0, "price": 1.25, "kind": "x",
            "list": [1, 2], "fixed": identity.bytes.hex(), "none": None,
        }  # fmt: skip
        assert {name for name, value in second.items() if value is not None} == {"id", "kind"}

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("kind", ["bytes", "struct"])
    @pytest.mark.parametrize("named", [True, False])
    def test_pictures_inside_are_those_of_files(self, tmp_path, form, kind, named):
        contents = [picture(colour, "JPEG" if n % 2 else "PNG") for n, colour in enumerate(COLOURS)]
        contents[7] = contents[7][:60]
        structs = [{"bytes": each, "path": f"{n}.png"} for n, each in enumerate(contents)]
        cells = structs if kind == "struct" else list(contents)
        cells[4] = None
        table = pyarrow.table({"id": [f"r{n}" for n in range(12)], "image": cells, "label": ["a", "b"] * 6})
        source = write_arrow(tmp_path / FORMS[form], table, form)
        (tmp_path / "files").mkdir()
        lines = ["id,image,label"]
        for number, content in enumerate(contents):
            (tmp_path / "files" / f"{number}").write_bytes(content)
            lines.append(f"r{number},{'' if number == 4 else number},{'ab'[number % 2]}")
        (tmp_path / "files" / "t.csv").write_text("\n".join(lines) + "\n")
        options = {"image_size": 8, "target": "label", "split_ratio": "1,0,0"}
        preprocess(str(source), tmp_path / "in", **options, **({"image": ["image"]} if named else {}))
        preprocess(str(tmp_path / "files" / "t.csv"), tmp_path / "out", image=["image"], **options)
        inside, outside = Artifact(tmp_path / "in"), Artifact(tmp_path / "out")
        assert (tmp_path / "in" / "tensors" / "00000.safetensors").read_bytes() == (
            tmp_path / "out" / "tensors" / "00000.safetensors"
        ).read_bytes()
        assert inside.header["counts"] == outside.header["counts"]
        assert inside.header["counts"]["image"] == {"ok": 10, "missing": 1, "corrupt": 1, "skipped": 0}
        assert inside.rows.rows(3, 4)[0]["image"].startswith(f"{FORMS[form]}::image[3]")
        assert list(verify(tmp_path / "in", media=True)) == []

    def test_a_struct_without_bytes_names_a_file(self, tmp_path):
        (tmp_path / "x.png").write_bytes(picture("red"))
        table = pyarrow.table({"image": [{"bytes": None, "path": "x.png"}, {"bytes": picture("blue"), "path": None}]})
        write_arrow(tmp_path / "t.parquet", table, "parquet")
        assert [row["image"] for row in rows_of(tmp_path / "t.parquet")] == ["x.png", "t.parquet::image[1].png"]

    def test_a_folder_that_datasets_saved(self, tmp_path):
        for number in range(2):
            table = pyarrow.table({"id": [f"{number}a", f"{number}b"]})
            write_arrow(tmp_path / f"data-0000{number}-of-00002.arrow", table, "stream")
        (tmp_path / "state.json").write_text("{}")
        (tmp_path / "dataset_info.json").write_text("{}")
        assert [row["id"] for row in rows_of(tmp_path)] == ["0a", "0b", "1a", "1b"]

    def test_a_saved_folder_has_only_the_files_that_it_names(self, tmp_path):
        save_as_datasets(tmp_path, ["a", "b"])
        write_arrow(tmp_path / "cache-0123.arrow", pyarrow.table({"id": ["left", "over"]}), "stream")
        assert [row["id"] for row in rows_of(tmp_path)] == ["a", "b"]

    def test_saved_splits_are_a_column(self, tmp_path):
        for name, ids in {"train": ["a", "b"], "test": ["c"]}.items():
            (tmp_path / name).mkdir()
            save_as_datasets(tmp_path / name, ids)
        (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
        assert rows_of(tmp_path) == [
            {"id": "a", "split": "train"}, {"id": "b", "split": "train"}, {"id": "c", "split": "test"}
        ]  # fmt: skip

    def test_rows_that_were_chosen_and_not_written_are_refused(self, tmp_path):
        save_as_datasets(tmp_path, ["a", "b"], _indices_files=[{"filename": "indices.arrow"}])
        with pytest.raises(MmcliError, match=r"flatten_indices\(\)"):
            rows_of(tmp_path)

    @pytest.mark.parametrize("form", ["file", "stream"])
    def test_a_file_truncated_during_a_run_costs_its_rows_alone(self, tmp_path, form):
        contents = [picture((n, n, n)) + bytes(4000) for n in range(100)]
        table = pyarrow.table({"image": contents})
        write_arrow(tmp_path / "t.arrow", table, form)
        media = MediaFolder(str(tmp_path))
        assert media.read("t.arrow::image[99].png") == contents[99]
        rows = iter(open_table(str(tmp_path / "t.arrow")).rows)
        next(rows)
        os.truncate(tmp_path / "t.arrow", 50_000)
        with pytest.raises(UnusableError) as found:
            media.read("t.arrow::image[98].png")
        assert found.value.status == "corrupt"
        with pytest.raises(MmcliError, match="not a whole Arrow file"):
            list(rows)

    @pytest.mark.parametrize("form", ["file", "stream"])
    def test_cells_are_read_in_any_order(self, tmp_path, form, monkeypatch):
        monkeypatch.setattr(table_cells, "_KEPT_BYTES", 1000)
        contents = [bytes([n]) * 300 for n in range(60)]
        write_arrow(tmp_path / "t.arrow", pyarrow.table({"raw": contents}), form)
        media = MediaFolder(str(tmp_path))
        for row in np.random.default_rng(0).integers(60, size=100).tolist():
            assert media.read(f"t.arrow::raw[{row}]") == contents[row]

    @pytest.mark.parametrize("form", FORMS)
    def test_bytes_in_lists_stay_out_of_the_rows(self, tmp_path, form):
        raw = pyarrow.binary()
        kinds = {"list": pyarrow.list_(raw), "structs": pyarrow.list_(pyarrow.struct({"bytes": raw}))}
        values = {"list": [b"x" * 852], "structs": [{"bytes": b"y" * 852}]}
        table = pyarrow.table({name: pyarrow.array([values[name]], kind) for name, kind in kinds.items()})
        (row,) = rows_of(write_arrow(tmp_path / FORMS[form], table, form))
        assert row == {"list": ["852 bytes"], "structs": [{"bytes": "852 bytes"}]}

    @pytest.mark.parametrize("form", FORMS)
    @pytest.mark.parametrize("kind", ["dictionary", "fixed"])
    def test_bytes_of_other_types_are_read_in_place(self, tmp_path, form, kind):
        contents = [picture("red") + bytes(100), picture("blue") + bytes(100)]
        size = max(map(len, contents))
        contents = [each.ljust(size, b"\0") for each in contents]
        values = pyarrow.array(contents, pyarrow.binary(size) if kind == "fixed" else pyarrow.binary())
        if kind == "dictionary":
            values = values.dictionary_encode()
        path = write_arrow(tmp_path / FORMS[form], pyarrow.table({"image": values}), form)
        names = [row["image"] for row in rows_of(path)]
        assert names == [f"{path.name}::image[0].png", f"{path.name}::image[1].png"]
        media = MediaFolder(str(tmp_path))
        assert [media.read(name) for name in names] == contents

    def test_times_that_python_cannot_hold_are_their_stored_number(self, tmp_path):
        far = 2**62
        table = pyarrow.table({
            "when": pyarrow.array([far, 0], pyarrow.timestamp("s")), "day": pyarrow.array([2**30, 0], pyarrow.date32()),
        })  # fmt: skip
        write_arrow(tmp_path / "t.arrow", table, "file")
        first, second = rows_of(tmp_path / "t.arrow")
        assert first == {"when": far, "day": 2**30}
        assert second == {"when": "1970-01-01T00:00:00", "day": "1970-01-01"}

    def test_bytes_of_no_known_kind_are_not_taken_for_words(self, tmp_path):
        random = np.random.default_rng(0)
        table = pyarrow.table({
            "id": [f"r{n}" for n in range(20)], "odd name": [random.bytes(50) for _ in range(20)],
            "n": random.normal(size=20), "label": ["a", "b"] * 10,
        })  # fmt: skip
        write_arrow(tmp_path / "t.parquet", table, "parquet")
        told = Heard()
        preprocess(str(tmp_path / "t.parquet"), tmp_path / "out", target="label", reporter=told)
        assert set(Artifact(tmp_path / "out").modalities) == {"table"}
        assert any("not used: odd name" in note and "bytes of no known kind" in note for note in told.notes), told.notes
        for option in ("text", "categorical"):
            with pytest.raises(MmcliError, match=f"--{option} odd name: the column holds bytes, not text"):
                preprocess(str(tmp_path / "t.parquet"), tmp_path / option, target="label", **{option: ["odd name"]})

    def test_pictures_are_inferred_though_the_first_is_damaged(self, tmp_path):
        contents = [b"\0" * 100, *[picture(colour) for colour in COLOURS]]
        write_arrow(tmp_path / "t.parquet", pyarrow.table({"x": contents, "label": ["a", *"ab" * 6]}), "parquet")
        preprocess(str(tmp_path / "t.parquet"), tmp_path / "out", target="label", split_ratio="1,0,0", image_size=8)
        made = Artifact(tmp_path / "out")
        assert made.modalities["x"].kind == "image"
        assert made.header["counts"]["x"] == {"ok": 12, "missing": 0, "corrupt": 1, "skipped": 0}

    def test_limits_and_the_root_hold(self, tmp_path):
        write_arrow(tmp_path / "t.parquet", pyarrow.table({"image": [picture("red")]}), "parquet")
        (tmp_path / "root").mkdir()
        for name, root, options, reason in (
            ("t.parquet::image[0].png", tmp_path, {"max_bytes": 10}, "larger than 10 bytes"),
            ("../t.parquet::image[0].png", tmp_path / "root", {"confine": True}, "outside the media root"),
            ("t.parquet::image[5].png", tmp_path, {}, r"no cell image\[5\]"),
            ("t.parquet::other[0].png", tmp_path, {}, r"no cell other\[0\]"),
            ("gone.parquet::image[0].png", tmp_path, {}, "file not found: gone.parquet"),
            ("t.parquet::@0+99999/x.png", tmp_path, {}, "of 99999 bytes are there"),
            ("t\0.parquet::image[0].png", tmp_path, {"confine": True}, "file not found"),
        ):
            with pytest.raises(UnusableError, match=reason):
                MediaFolder(str(root), **options).read(name)

    @pytest.mark.parametrize("name", ["t.arrow", "t.feather", "t.parquet"])
    def test_invalid_files_are_refused(self, tmp_path, name):
        for content in (b"", b"ARROW1\0\0broken", b"PAR1", b"\xff\xff\xff\xff" + bytes(50)):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(MmcliError, match=r"not a whole \w+ file"):
                rows_of(tmp_path / name)

    def test_a_model_reads_them_too(self, chain, tmp_path):
        with open(chain / "table.csv") as file:
            table = pandas.read_csv(file, dtype=str, keep_default_na=False)
        pictures = []
        for path in table["picture"]:
            whole = chain / path
            pictures.append(whole.read_bytes() if path and whole.is_file() else None)
        columns = {name: pyarrow.array(table[name].tolist()) for name in table if name != "picture"}
        write_arrow(tmp_path / "t.parquet", pyarrow.table({**columns, "picture": pictures}), "parquet")
        inside = [row for group in predict(chain / "model", str(tmp_path / "t.parquet")) for row in group]
        outside = [row for group in predict(chain / "model", str(chain / "table.csv")) for row in group]
        assert [row["probabilities"] for row in inside] == [row["probabilities"] for row in outside]


def add(tar, name, content, **more):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def write_shards(folder, count=12, shards=3):
    for shard in range(shards):
        with tarfile.open(folder / f"s-{shard:03d}.tar", "w") as tar:
            for number in range(shard, count, shards):
                key = f"dir/{number:04d}"
                add(tar, f"{key}.jpg", picture(COLOURS[number], "JPEG"))
                add(tar, f"{key}.txt", f"caption {number} é".encode())
                add(tar, f"{key}.cls", str(number % 2).encode())
                if number != 5:
                    add(tar, f"{key}.json", json.dumps({"n": number, "id": "own"}).encode())


class TestTars:
    @pytest.mark.parametrize("how", ["range", "folder"])
    def test_members_of_a_key_are_a_row(self, tmp_path, how):
        write_shards(tmp_path)
        source = f"{tmp_path}/s-{{000..002}}.tar" if how == "range" else str(tmp_path)
        rows = rows_of(source)
        assert [row["id"] for row in rows] == [f"dir/{n:04d}" for shard in range(3) for n in range(shard, 12, 3)]
        first = rows[0]
        assert (first["txt"], first["cls"], first["n"], first["json.id"]) == ("caption 0 é", "0", 0, "own")
        assert "n" not in next(row for row in rows if row["id"] == "dir/0005")
        media = MediaFolder(str(tmp_path))
        for row in rows:
            assert media.read(row["jpg"]) == picture(COLOURS[int(row["id"][-4:])], "JPEG")

    def test_the_chain_runs_on_them(self, tmp_path):
        write_shards(tmp_path)
        preprocess(f"{tmp_path}/s-{{000..002}}.tar", tmp_path / "out", split_ratio="1,0,0", image_size=8)
        made = Artifact(tmp_path / "out")
        assert made.modalities["jpg"].kind == "image"
        assert made.roles.target == "cls"
        assert made.header["counts"]["jpg"]["ok"] == 12
        assert list(verify(tmp_path / "out", media=True)) == []

    def test_hostile_members_are_passed_over(self, tmp_path):
        with tarfile.open(tmp_path / "t.tar", "w") as tar:
            add(tar, "a.txt", b"one")
            for name, kind in (("b.txt", tarfile.SYMTYPE), ("c.txt", tarfile.LNKTYPE), ("d.txt", tarfile.FIFOTYPE)):
                add(tar, name, b"", type=kind, linkname="/etc/passwd")
            add(tar, "../../e.txt", b"up")
            add(tar, "/f.txt", b"root")
            add(tar, ".hidden.txt", b"x")
            add(tar, "nosuffix", b"x")
        table = open_table(str(tmp_path / "t.tar"))
        assert [(row["id"], row["txt"]) for _, row in table.rows] == [("a", "one"), ("../../e", "up"), ("f", "root")]
        assert table.warnings == ["5 members of tars passed over: links and devices 3, names without key or suffix 2"]

    @pytest.mark.parametrize("first", ["a.json", "a.cls"])
    def test_a_key_of_an_object_and_a_member_of_its_name_are_both_kept(self, tmp_path, first):
        members = {"a.json": b'{"cls": "inside", "n": 1}', "a.cls": b"3"}
        with tarfile.open(tmp_path / "t.tar", "w") as tar:
            for name in sorted(members, key=lambda name: name != first):
                add(tar, name, members[name])
        assert rows_of(tmp_path / "t.tar") == [{"id": "a", "cls": "3", "json.cls": "inside", "n": 1}]

    def test_damaged_ones_are_named(self, tmp_path):
        write_shards(tmp_path, shards=1)
        content = (tmp_path / "s-000.tar").read_bytes()
        for damaged in (content[:1000], content[: len(content) // 2 + 100], b"x" * 2000):
            (tmp_path / "t.tar").write_bytes(damaged)
            with pytest.raises(MmcliError, match=r"t\.tar: (not a whole tar|cut off in)"):
                rows_of(tmp_path / "t.tar")
        with tarfile.open(tmp_path / "t.tar", "w") as tar:
            add(tar, "a.txt", b"one")
            add(tar, "a.txt", b"two")
        with pytest.raises(MmcliError, match=r"a\.txt: two members of this name"):
            rows_of(tmp_path / "t.tar")
        with pytest.raises(MmcliError, match=r"s-001\.tar: no such file"):
            rows_of(f"{tmp_path}/s-{{000..001}}.tar")
        with pytest.raises(MmcliError, match="stands for"):
            rows_of(f"{tmp_path}/s-{{0..999999999}}.tar")


class TestCoco:
    def test_a_row_for_each_caption(self, tmp_path):
        whole = {
            "info": {}, "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
            "annotations": [
                {"id": 1, "image_id": 7, "caption": "one"}, {"id": 2, "image_id": 8, "caption": "two"},
                {"id": 3, "image_id": 7, "caption": "three"},
            ],
        }  # fmt: skip
        (tmp_path / "captions.json").write_text(json.dumps(whole))
        table = open_table(str(tmp_path / "captions.json"))
        assert [row for _, row in table.rows] == [
            {"id": "1", "image": "a.jpg", "caption": "one", "image_id": "7"},
            {"id": "2", "image": "b.jpg", "caption": "two", "image_id": "8"},
            {"id": "3", "image": "a.jpg", "caption": "three", "image_id": "7"},
        ]
        assert "--group-by image_id" in table.notes[0]

    @pytest.mark.parametrize(
        ("whole", "message"),
        [
            ({"images": [], "annotations": [{"image_id": 1, "bbox": [1, 2, 3, 4]}]}, "of boxes or segments"),
            ({"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}, "not among the images"),
            ({"images": {}}, "not COCO's captions"),
        ],
    )
    def test_invalid_files_are_refused(self, tmp_path, whole, message):
        (tmp_path / "captions.json").write_text(json.dumps(whole))
        with pytest.raises(MmcliError, match=message):
            rows_of(tmp_path / "captions.json")

    def test_two_images_of_one_id(self, tmp_path):
        whole = {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}],
            "annotations": [{"image_id": 1, "caption": "x"}],
        }  # fmt: skip
        (tmp_path / "captions.json").write_text(json.dumps(whole))
        with pytest.raises(MmcliError, match=r"two images have the id 1, a\.jpg and b\.jpg"):
            rows_of(tmp_path / "captions.json")

    @pytest.mark.parametrize("first", ["type", "info", "images", "annotations"])
    @pytest.mark.parametrize("count", [1, 3])
    def test_json_lines_that_begin_like_it_are_rows(self, tmp_path, first, count):
        rows = [{first: "x", "images": f"{n}.png", "n": n} for n in range(count)]
        (tmp_path / "t.json").write_text("".join(json.dumps(row) + "\n" for row in rows))
        assert rows_of(tmp_path / "t.json") == rows

    def test_it_is_known_however_it_is_laid_out(self, tmp_path):
        whole = {
            "info": {"year": 2017}, "licenses": [], "annotations": [{"image_id": 1, "caption": "x"}],
            "images": [{"id": 1, "file_name": "a.jpg"}],
        }  # fmt: skip
        for indent in (None, 0, 2):
            (tmp_path / "t.json").write_text(json.dumps(whole, indent=indent))
            assert [row["caption"] for row in rows_of(tmp_path / "t.json")] == ["x"]


def test_tars_of_gigabytes_take_no_memory(tmp_path):
    """A sparse file in the place of a large one: members are passed by their sizes, never read."""
    with tarfile.open(tmp_path / "t.tar", "w") as tar:
        add(tar, "a.txt", b"one")
    with (tmp_path / "t.tar").open("r+b") as file:
        start = 1024
        for number in range(4):
            info = tarfile.TarInfo(f"b{number}.bin")
            info.size = 2**29
            file.seek(start)
            file.write(info.tobuf())
            start += 512 + info.size
        file.seek(start + 1023)
        file.write(b"\0")
    assert os.path.getsize(tmp_path / "t.tar") > 2**31
    assert [row["id"] for row in rows_of(tmp_path / "t.tar")] == ["a", "b0", "b1", "b2", "b3"]
