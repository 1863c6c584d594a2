"""The contract test of estimators."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmcli.models.estimator_head import EstimatorHead
from mmcli.models.estimators import FAMILY, Role, roles_of
from mmcli.registry import Spec, parse_spec

_LINKS: dict[Role, tuple[str, ...]] = {
    "classes": ("softmax", "sigmoid"), "numbers": ("identity",), "clusters": ("cluster",),
}  # fmt: skip
_WIDTH, _ROWS, _OUTPUTS = 5, 60, 3


def check_estimator(text: str) -> None:
    """Check that an estimator keeps its contract in each of its roles.

    It is fitted to rows (N, 5) of float64; its outputs are finite and (N, K), probabilities if it predicts classes;
    they do not depend on the other rows of a batch; the same seed gives the same bytes; and an estimator loaded from
    its file gives the same outputs.

    Args:
        text: Its name and options, as in ``--model sklearn:NAME``, without ``sklearn:``.

    Raises:
        AssertionError: It violates the contract.
    """
    spec = parse_spec(f"{FAMILY}:{text}")
    for role in roles_of(spec):
        for link in _LINKS[role]:
            _check(spec, link)


def _check(spec: Spec, link: str) -> None:
    rows, encoded = _sample(link)
    made = _fitted(spec, link, rows, encoded)
    outputs = made(rows)
    wanted = (_ROWS, 1 + _WIDTH) if link == "cluster" else (_ROWS, made.out_dim)
    assert tuple(outputs.shape) == wanted, f"outputs {tuple(outputs.shape)}, expected {wanted}"
    assert outputs.isfinite().all(), "an output is not finite"
    if link == "softmax":
        assert torch.allclose(outputs.exp().sum(dim=1), torch.ones(_ROWS, dtype=torch.float64), atol=1e-6), (
            "the probabilities of a row's classes do not sum to 1"
        )
    alone = torch.cat([made(rows[row : row + 1]) for row in range(_ROWS)])
    assert torch.allclose(alone, outputs, rtol=1e-9, atol=1e-12), "a row's outputs depend on other rows of the batch"
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder) / "first", Path(folder) / "second"
        made.save(first)
        _fitted(spec, link, rows, encoded).save(second)
        assert first.read_bytes() == second.read_bytes(), "the same seed gives a different file"
        loaded = _new(spec, link)
        loaded.load(first)
        assert torch.equal(loaded(rows), outputs), "a loaded estimator gives different outputs"


def _sample(link: str) -> tuple[torch.Tensor, Any]:
    """Return rows in three groups, and targets: the groups, membership in each group, or a number."""
    random = np.random.default_rng(0)
    groups = np.arange(_ROWS) % 3
    rows = random.normal(size=(_ROWS, _WIDTH))
    rows[:, 0] += 4 * groups
    encoded = {"softmax": groups, "sigmoid": np.eye(3, dtype=np.uint8)[groups], "identity": rows[:, :1] ** 2}.get(link)
    return torch.from_numpy(rows), encoded


def _new(spec: Spec, link: str) -> EstimatorHead:
    given: dict[str, Any] = {"wanted": lambda encoded: encoded} if link == "identity" else {}
    return EstimatorHead(
        _WIDTH, 1 if link in ("identity", "cluster") else _OUTPUTS, spec=spec, link=link, seed=3, **given
    )


def _fitted(spec: Spec, link: str, rows: torch.Tensor, encoded: Any) -> EstimatorHead:
    made = _new(spec, link)
    made.fit(rows.numpy(), encoded)
    return made
