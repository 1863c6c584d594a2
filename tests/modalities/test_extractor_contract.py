"""What every registered extractor must do, whatever it computes."""

from __future__ import annotations

import pytest

from mmcli.registry import EXTRACTORS, Spec
from mmcli.testing import check_extractor

NEEDS = {"word_vectors": {"path": "vectors.txt"}}
"""Options without which an extractor has nothing to work with: a file of the test's own."""
ARGUMENTS = {"frames": "hog"}
"""Extractors that are named with an argument."""
SIDES = {"video": 32}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind, registry in EXTRACTORS.items() for name in registry.names()]
)
def test_an_extractor_keeps_its_contract(kind, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vectors.txt").write_text("red 1 0 0.5\nsea 0 1 0.25\ngrass -1 0 0\n")
    check_extractor(kind, Spec(name, ARGUMENTS.get(name), NEEDS.get(name, {})), SIDES.get(kind, 64))
