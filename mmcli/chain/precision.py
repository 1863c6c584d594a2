"""Chooses the precision of a frozen network: the fastest whose features stay close to float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mmcli.reporting import Reporter
from mmcli.runtime import Runtime, computes_bfloat16
from mmcli.store.columns import Array, Column, ModalitySpec, Tensor
from mmcli.store.samples import Samples
from mmcli.store.training_rows import train_columns

if TYPE_CHECKING:
    from mmcli.chain.transforms.extract_features import ExtractTransform
    from mmcli.modalities import Extractor

PROBED_ROWS = 32
LEAST_COSINE = 0.999


def settle_precision(
    transform: ExtractTransform, before: Mapping[str, Any], samples: Samples, runtime: Runtime, reporter: Reporter
) -> None:
    """Choose the precision of each network of a transform, keeping an earlier run's choice for the same network.

    Args:
        transform: Its ``precisions`` are set.
        before: The configuration of the earlier artifact with the same output; empty if there is none.
        samples: Their train rows are used as probes.
        runtime: Where networks run.
        reporter: Receives the choice and the measured similarity.
    """
    for name, use in transform.networks().items():
        earlier = before.get("uses", {}).get(name, {})
        now = transform.config()["uses"][name]
        if "precision" in earlier and {**earlier, "precision": None} == {**now, "precision": None}:
            transform.precisions[name] = earlier["precision"]
            continue
        if not computes_bfloat16(runtime.torch_device()):
            continue
        column = next(iter(train_columns(samples)(use.source)), None)
        if column is None:
            continue
        probed = column.take(np.arange(min(PROBED_ROWS, len(column))))
        cosine = lowest_cosine(use.extractor, samples.modalities[use.source], probed, runtime)
        close = cosine >= LEAST_COSINE
        transform.precisions[name] = "bfloat16" if close else "float32"
        reporter.note(
            f"{name}: computed in {transform.precisions[name]} (lowest cosine similarity of bfloat16 to float32 on "
            f"{len(probed)} rows: {cosine:.5f}; --precision sets it)"
        )


def lowest_cosine(extractor: Extractor, spec: ModalitySpec, column: Column, runtime: Runtime) -> float:
    """Return the lowest cosine similarity over rows between an extractor's features in bfloat16 and in float32."""
    exact, half = (
        _rows(extractor.extract(spec, column, replace(runtime, precision=precision)))
        for precision in ("float32", "bfloat16")
    )
    return min(_cosine(one, other) for one, other in zip(exact, half, strict=True))


def _rows(tensor: Tensor) -> list[Array]:
    return [np.asarray(tensor.item(row), np.float64).ravel() for row in range(len(tensor))]


def _cosine(one: Array, other: Array) -> float:
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / norms if norms > 0 else float(np.array_equal(one, other))
