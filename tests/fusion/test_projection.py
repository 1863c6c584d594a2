"""Products whose rows do not depend on each other."""

from __future__ import annotations

import pytest
import torch

from mmcli.fusion.static._projection import project


@pytest.mark.parametrize("columns", [1, 3, 5, 7, 12, 16, 33, 64])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_row_has_the_same_bits_at_every_place(columns: int, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for width in (3, 60, 700):
            generator = torch.Generator().manual_seed(width)
            values = torch.randn(75, width, generator=generator)
            matrix = torch.randn(width, columns, generator=generator)
            found = project(values, matrix)
            torch.testing.assert_close(found, values @ matrix, rtol=1e-4, atol=1e-4)
            order = torch.randperm(75, generator=generator)
            assert torch.equal(project(values[order], matrix), found[order])
    finally:
        torch.set_num_threads(before)
