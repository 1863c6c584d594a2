"""Options of fusion methods that no network can have."""

from __future__ import annotations

import pytest

from mmcli.chain.transforms.fuse import build_fusion
from mmcli.errors import MmcliError
from mmcli.registry import parse_spec


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("concat_mlp:dropout=-0.1", "dropout must be from 0 to 1"),
        ("concat_mlp:dropout=nan", "dropout must be from 0 to 1"),
        ("concat_mlp:hidden=0", "hidden must be at least 1"),
        ("gated:dim=100000000000000000", "dim must be at least 1 and at most 1048576"),
        ("gated:dim=" + "9" * 30, "expected a number"),
        ("bottleneck:dim=6,heads=4", "'bottleneck': dim must be a multiple of heads, not 6 of 4"),
        ("cross_attention:heads=0", "'cross_attention': dim must be a multiple of heads, not 32 of 0"),
        ("perceiver:layers=0", "'perceiver': layers must be from 1 to 64, not 0"),
        ("bottleneck:layers=1000000", "layers must be from 1 to 64, not 1000000"),
        ("perceiver:latents=0", "latents must be at least 1"),
        ("bottleneck:bottlenecks=0", "bottlenecks must be at least 1"),
        ("cross_attention:dropout=1.5", "dropout must be from 0 to 1, not 1.5"),
        ("mag:main=c", "unknown modality 'c' .available: a, b"),
        ("mag:beta=0", "'mag': beta must be above 0, not 0"),
        ("mag:beta=nan", "'mag': beta must be above 0, not nan"),
    ],
)
def test_they_are_refused(spec, said):
    with pytest.raises(MmcliError, match=said):
        build_fusion(parse_spec(spec), {"a": 3, "b": 2}, 0)
