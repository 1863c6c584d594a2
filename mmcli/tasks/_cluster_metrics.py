"""Metrics of clusters and of their agreement with labels; N rows, L labels, C clusters, D draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_samples

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
NONE = -1
"""The number for rows in no cluster, and for rows without a label."""
_AT_MOST = 5000


def silhouette(places: Floats, clusters: Numbers) -> float | None:
    """Return the mean of ``silhouettes``; None if they are not defined."""
    found = silhouettes(places, clusters)
    return None if found is None else float(np.mean(found[1]))


def silhouettes(places: Floats, clusters: Numbers) -> tuple[Numbers, Floats] | None:
    """Return the rows in clusters and their silhouettes; None if there are fewer than two clusters, or one per row.

    Of more than 5,000 rows, a fixed sample of 5,000 is used.

    Source: Rousseeuw 1987, Silhouettes: a graphical aid to the interpretation and validation of cluster analysis.
    """
    there = np.flatnonzero(clusters != NONE)
    if len(there) > _AT_MOST:
        there = np.random.default_rng(0).choice(there, _AT_MOST, replace=False)
    places, clusters = places[there], clusters[there]
    if places.shape[1] == 0 or not 1 < len(np.unique(clusters)) < len(clusters):
        return None
    return there, silhouette_samples(places, clusters)


def contingency(labels: Numbers, clusters: Numbers, weights: NDArray[np.int64]) -> tuple[NDArray[np.int64], Numbers]:
    """Return row counts by label and cluster, (D, L + 1, C), and the numbers of the clusters, (C,), ascending.

    Args:
        labels: From 0, (N,); rows without a label are counted last.
        clusters: (N,); rows in no cluster have a column of their own.
        weights: How often each row occurs, (D, N).
    """
    found, place = np.unique(clusters, return_inverse=True)
    count = int(labels.max(initial=NONE)) + 1
    code = np.where(labels == NONE, count, labels) * len(found) + place
    size = (count + 1) * len(found)
    tables = [np.bincount(code, weights=own, minlength=size) for own in weights]
    return np.array(tables).round().astype(np.int64).reshape(len(weights), count + 1, len(found)), found


def cluster_draws(labels: Numbers, clusters: Numbers, weights: NDArray[np.int64]) -> dict[str, Floats]:
    """Return each draw's metrics except the silhouette, (D,); those of labels are NaN if no row has a label.

    Args:
        labels: (N,), ``NONE`` for rows without a label, which count only in ``clusters`` and ``noise``.
        clusters: (N,), ``NONE`` for noise, which counts as a cluster in the metrics of labels.
        weights: How often each row occurs, (D, N).

    Source: Rosenberg and Hirschberg 2007, V-Measure; Hubert and Arabie 1985, Comparing Partitions, equation 5;
    Manning et al. 2008, Introduction to Information Retrieval, section 16.3, purity and normalised mutual information.
    """
    tables, numbers = contingency(labels, clusters, weights)
    rows, noise = tables.sum(axis=(1, 2)), numbers == NONE
    sizes = tables.sum(axis=1)
    found: dict[str, Floats] = {
        "clusters": (sizes[:, ~noise] > 0).sum(axis=1).astype(np.float64),
        "noise": sizes[:, noise].sum(axis=1) / rows,
    }
    if (labels != NONE).any():
        found |= _agreement(tables[:, :-1].astype(np.float64))
    return found


def _agreement(tables: Floats) -> dict[str, Floats]:
    """Return the label metrics of tables (D, L, C)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        total = tables.sum(axis=(1, 2))
        share = tables / total[:, None, None]
        by_label, by_cluster = share.sum(axis=2), share.sum(axis=1)
        of_labels, of_clusters = _entropy(by_label), _entropy(by_cluster)
        mutual = (of_labels + of_clusters - _entropy(share.reshape(len(share), -1))).clip(min=0)
        homogeneity = np.where(of_labels > 0, mutual / of_labels, 1.0)
        completeness = np.where(of_clusters > 0, mutual / of_clusters, 1.0)
        mean = np.where(homogeneity + completeness > 0, homogeneity + completeness, 1.0)
        v_measure = 2 * homogeneity * completeness / mean
        found = {
            "nmi": np.where(of_labels + of_clusters > 0, 2 * mutual / (of_labels + of_clusters), 1.0),
            "ari": _adjusted_rand(tables),
            "purity": share.max(axis=1).sum(axis=1),
            "homogeneity": homogeneity,
            "completeness": completeness,
            "v_measure": v_measure,
        }
    return {name: np.where(total > 0, values, np.nan) for name, values in found.items()}


def _entropy(shares: Floats) -> Floats:
    """Return the entropy of each row of shares, (D,); exactly 0 for a single share of 1."""
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return np.asarray(-(shares * logs).sum(axis=1) + 0.0, np.float64)


def _adjusted_rand(tables: Floats) -> Floats:
    together = _pairs(tables).sum(axis=(1, 2))
    same_label, same_cluster = _pairs(tables.sum(axis=2)).sum(axis=1), _pairs(tables.sum(axis=1)).sum(axis=1)
    every = _pairs(tables.sum(axis=(1, 2)))
    expected = same_label * same_cluster / every
    most = (same_label + same_cluster) / 2
    return np.where(most == together, 1.0, (together - expected) / (most - expected))


def _pairs(counts: Floats) -> Floats:
    return counts * (counts - 1) / 2
