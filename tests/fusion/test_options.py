"""Options of fusion methods that no network can have."""

from __future__ import annotations

import pytest

from mmcli.errors import MmcliError
from mmcli.registry import parse_spec
from mmcli.stages.transforms.fuse import build_fusion


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("concat_mlp:dropout=-0.1", "dropout must be from 0 to 1"),
        ("concat_mlp:dropout=nan", "dropout must be from 0 to 1"),
        ("concat_mlp:hidden=0", "hidden must be at least 1"),
        ("gated:dim=100000000000000000", "dim must be at least 1 and at most 1048576"),
        ("gated:dim=" + "9" * 30, "expected a number"),
    ],
)
def test_they_are_refused(spec, said):
    with pytest.raises(MmcliError, match=said):
        build_fusion(parse_spec(spec), {"a": 3, "b": 2}, 0)
