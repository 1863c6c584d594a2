"""A Parquet file with media that is cut while its rows are read: damaged, and never fewer rows."""

from __future__ import annotations

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from mmcli.errors import MmcliError
from mmcli.store.sources.opening import open_table


@pytest.mark.parametrize("struct", [False, True])
@pytest.mark.parametrize("taken", [1, 700])
@pytest.mark.parametrize("size", [5000, 6_000_000, 15_500_000])
def test_says_so(tmp_path, struct, taken, size):
    random = np.random.default_rng(0)
    cells = [random.bytes(20_000) for _ in range(800)]
    media = [{"bytes": cell, "path": "x"} for cell in cells] if struct else cells
    path = tmp_path / "t.parquet"
    table = pyarrow.table({"id": [str(number) for number in range(800)], "media": media})
    pyarrow.parquet.write_table(table, path, row_group_size=50)
    rows = open_table(str(path)).rows
    found = [next(rows)[1]["id"] for _ in range(taken)]
    with path.open("r+b") as file:
        file.truncate(size)
    with pytest.raises(MmcliError, match="not a whole Parquet file"):
        found.extend(row["id"] for _, row in rows)
    assert found == [str(number) for number in range(len(found))]


def test_whole_it_has_all_rows(tmp_path):
    table = pyarrow.table({"media": [b"x" * number for number in range(530)]})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=100)
    assert len(list(open_table(str(tmp_path / "t.parquet")).rows)) == 530
