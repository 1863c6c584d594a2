"""Parquet files that are whole and hold what Python has no value for."""

from __future__ import annotations

import pyarrow
import pyarrow.parquet
import pytest

from mmcli.errors import MmcliError
from mmcli.store.sources.opening import open_table


def test_text_that_is_not_utf8(tmp_path):
    raw = pyarrow.array([b"a", b"\xff"])
    text = pyarrow.Array.from_buffers(pyarrow.string(), 2, raw.buffers())
    pyarrow.parquet.write_table(pyarrow.table({"text": text}), tmp_path / "a.parquet")
    with pytest.raises(MmcliError, match=r"a\.parquet: not a whole Parquet file .*utf-8"):
        list(open_table(str(tmp_path / "a.parquet")).rows)


def test_a_name_of_a_column_that_is_not_utf8(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"colour": ["red"]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(content.replace(b"colour", b"col\x80ur"))
    with pytest.raises(MmcliError, match=r"a\.parquet: not a whole Parquet file"):
        list(open_table(str(tmp_path / "a.parquet")).rows)
