"""Inverted lists of faiss for the embeddings of an index, which tell the rows that a query should look at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmcli.errors import MmcliError, missing_package
from mmcli.reporting import Reporter
from mmcli.store.artifact import AGAIN, Artifact, shard_path
from mmcli.store.columns import Array, ModalitySpec
from mmcli.store.tensors import Shard, rows_per_shard

VERSION = 1
"""Version of the lists: raise it when a change here makes different lists from the same embeddings."""
_FOLDER = "faiss"
_SEED = 0
_POINTS = 64
"""Minimum average number of embeddings per list, and the number that a centroid is trained on."""
_PROBED = 1 / 8
"""The fraction of lists to probe, but at least ``_LEAST_PROBED`` lists."""
_LEAST_PROBED = 16
_CANDIDATES = 4
"""The number of exact comparisons per requested row, but at least ``_LEAST_CANDIDATES`` in total."""
_LEAST_CANDIDATES = 50


@dataclass(frozen=True)
class _Stored:
    """The embeddings of one modality in the shards of an unfinished artifact."""

    folder: Path
    name: str
    spec: ModalitySpec
    shards: int
    size: int

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        """Yield for each shard the numbers of the rows that have the modality, (B,), and their embeddings, (B, D)."""
        for number in range(self.shards):
            column = Shard(shard_path(self.folder, number)).column(self.name, self.spec)
            here = np.flatnonzero(column.present)
            yield here + number * self.size, column.main.values[here]


def require_faiss() -> Any:
    """Return the package faiss.

    Raises:
        MmcliError: It is not installed.
    """
    try:
        import faiss
    except ModuleNotFoundError as error:
        raise missing_package("--faiss", "faiss") from error
    return faiss


def write_lists(folder: Path, modalities: Mapping[str, ModalitySpec], count: int, reporter: Reporter) -> None:
    """Write inverted lists of each modality's embeddings, quantized to 8 bits, into an unfinished index.

    N embeddings make 2√N lists, or fewer if these would be too short. Rows without the modality are in no list, and a
    modality that no row has gets no file. The same embeddings give the same bytes on any number of cores. The lists
    are built in memory.

    Args:
        folder: The artifact's folder, with all shards.
        modalities: The modalities of the artifact.
        count: Number of rows.
        reporter: Shows the progress.

    Raises:
        MmcliError: The package is not installed.

    Source: Jégou et al. 2011, Product Quantization for Nearest Neighbor Search, section IV (the lists).
    """
    faiss, size = require_faiss(), rows_per_shard(modalities)
    shards = -(-count // size)
    (folder / _FOLDER).mkdir()
    with reporter.progress("faiss", shards * len(modalities)) as progress, _one_thread():
        for name, spec in modalities.items():
            stored = _Stored(folder, name, spec, shards, size)
            total = sum(len(numbers) for numbers, _ in stored)
            if not total:
                continue
            lists = faiss.IndexIVFScalarQuantizer(
                faiss.IndexFlatIP(*spec.main.dims), *spec.main.dims, _count_lists(total),
                faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT,
            )  # fmt: skip
            lists.cp.seed = _SEED
            progress.advance(0, f"{name}: {lists.nlist} lists")
            lists.train(_drawn(stored, total, min(total, _POINTS * lists.nlist)))
            for numbers, embeddings in stored:
                lists.add_with_ids(embeddings, numbers)
                progress.advance()
            # faiss cannot open files whose name is not UTF-8, so it gets an open file.
            with (folder / _file(modalities, name)).open("wb") as file:
                faiss.write_index(lists, faiss.PyCallbackIOWriter(file.write))


def check_lists(index: Artifact) -> None:
    """Check that an index has inverted lists.

    Raises:
        MmcliError: It was made without them.
    """
    if "faiss" not in index.header.get("parameters", {}):
        raise MmcliError(f"--faiss: {index.path} has no inverted lists; make it again with mmcli index --faiss")


def likely_rows(index: Artifact, modality: str, asked: Array, top: int, count: int) -> Array:
    """Return the numbers of rows that likely include those closest to any of the queries, in ascending order.

    Args:
        index: The index artifact.
        modality: The modality of the rows to compare.
        asked: The queries' embeddings, (Q, D).
        top: Number of rows wanted for each query.
        count: Only the first ``count`` rows are considered.

    Raises:
        MmcliError: The faiss file has changed, or the package is not installed.
    """
    held = index.header["counts"][modality]["ok"]
    if not held:
        return np.zeros(0, np.int64)
    faiss = require_faiss()
    path = index.sound_file(_file(index.modalities, modality))
    with _one_thread():
        lists = _read(faiss, path)
        if (lists.ntotal, lists.d) != (held, *index.modalities[modality].main.dims):
            raise MmcliError(f"{path}: does not contain the {held} embeddings of {modality}; {AGAIN}")
        wanted = min(max(_CANDIDATES * top, _LEAST_CANDIDATES), held)
        share = max(_PROBED, _CANDIDATES * wanted / min(held, count))
        probed = min(lists.nlist, max(_LEAST_PROBED, round(share * lists.nlist)))
        options = faiss.SearchParametersIVF(nprobe=probed, sel=faiss.IDSelectorRange(0, count))
        found = np.unique(lists.search(asked.astype(np.float32), wanted, params=options)[1])
    return found[found >= 0]  # -1 means no row


def _read(faiss: Any, path: Path) -> Any:
    """Map the lists, using the file descriptor because the file's name may not be UTF-8."""
    with path.open("rb") as file:
        try:
            lists = faiss.read_index(f"/dev/fd/{file.fileno()}", faiss.IO_FLAG_MMAP)
        except RuntimeError:
            lists = None
    if not isinstance(lists, faiss.IndexIVFScalarQuantizer):
        raise MmcliError(f"{path}: not a faiss file with inverted lists; {AGAIN}")
    return lists


def _drawn(stored: _Stored, total: int, count: int) -> Array:
    """Return a random sample of ``count`` of the ``total`` embeddings, in their order."""
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng(_SEED).choice(total, count, replace=False)] = True
    parts, start = [], 0
    for numbers, embeddings in stored:
        parts.append(embeddings[chosen[start : start + len(numbers)]])
        start += len(numbers)
    return np.concatenate(parts)


def _count_lists(total: int) -> int:
    return max(1, min(int(2 * total**0.5), total // _POINTS))


def _file(modalities: Mapping[str, ModalitySpec], name: str) -> str:
    """Return the file name of a modality's lists, by its position because its name may not be a valid file name."""
    return f"{_FOLDER}/{sorted(modalities).index(name):05d}.faiss"


@contextmanager
def _one_thread() -> Iterator[None]:
    """Use one thread: with several, sums may differ in their last bits, and with them the list of a row."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield
