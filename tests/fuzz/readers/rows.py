"""Rows of an artifact as a pipe brings them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from mmcli.store.opening import samples_of_rows
from mmcli.store.rows import RowFile, dump_row
from tests.fuzz.guard import Case, Reader
from tests.fuzz.mutation import damaged_lines
from tests.golden.make_format1 import make as make_golden


def make(folder: Path) -> Reader:
    """The rows of the golden artifact."""
    make_golden(folder / "golden")
    rows = RowFile(folder / "golden" / "manifest.jsonl")
    content = b"".join(dump_row({"artifact": str(folder / "golden"), **row}) for row in rows)

    def read(case: Case) -> None:
        samples = samples_of_rows(case.content.splitlines(keepends=True))
        samples.ids()
        samples.splits()
        for start, stop in samples.ranges(2):
            samples.batch_with_reasons(start, stop)
            samples.rows.take(range(start, stop))

    return Reader(_cases(content), read)


@st.composite
def _cases(draw: Any, content: bytes) -> Case:
    return Case("pipe", draw(st.one_of(damaged_lines(content), st.binary(max_size=64))))
