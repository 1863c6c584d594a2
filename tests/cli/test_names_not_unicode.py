"""Names of files that are not UTF-8, and half characters in cells: shown with escapes, never the end of a command."""

from __future__ import annotations

import json
import os

import pytest

from mmcli.stages.verify import verify


@pytest.fixture
def odd_table(tmp_path):
    """A table whose name is not UTF-8; its paths are halves of a surrogate pair."""
    rows = [{"id": str(n), "picture": f"\ud800{n}.png", "words": f"word {n}", "label": "ab"[n % 2]} for n in range(40)]
    name = os.fsdecode(b"odd\xff.jsonl")
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def test_an_artifact_of_it_is_made_read_and_sound(mmcli, odd_table, tmp_path):
    arguments = ("-o", "samples", "--image", "picture", "--text", "words", "--target", "label")
    assert mmcli("preprocess", odd_table, *arguments).code == 0
    header = json.loads((tmp_path / "samples" / "artifact.json").read_text())
    assert any(odd_table in str(value) for value in [*header.values(), *header.get("parameters", {}).values()])
    assert verify(tmp_path / "samples") == []
    again = mmcli("preprocess", odd_table, *arguments)
    assert again.code == 0
    assert mmcli("ledger", "samples").code == 0
    listed = mmcli("ledger", "samples", "--json")
    assert [row["path"] for row in listed.rows][:2] == ["\ud8000.png", "\ud8001.png"]
    shown = mmcli("inspect", "samples")
    assert shown.code == 0
    assert r"odd\udcff.jsonl" in shown.out
    assert json.loads(mmcli("inspect", "samples", "--json").out)["rows"] == 40
