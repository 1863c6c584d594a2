"""The options of index and search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.inference.config import RowsConfig
from mmcli.options import option, part

_SEARCH = "Search"


@dataclass(frozen=True)
class IndexConfig:
    """What index can be told."""

    faiss: bool = option(
        False, group=_SEARCH,
        help="Also write inverted lists, with which search --faiss is faster in a large index and may miss some rows.",
    )  # fmt: skip
    rows: RowsConfig = part(RowsConfig)


@dataclass(frozen=True)
class SearchConfig:
    """What search can be told."""

    in_: str = option(
        group=_SEARCH,
        help="Index, artifact of the model's chain, or table to search in; - reads rows from standard input.",
    )
    query_image: Sequence[str] = option((), group=_SEARCH, help="Image file to find rows for. Repeatable.")
    top: int = option(10, least=1, group=_SEARCH, help="Number of rows to find for each query.")
    by: str | None = option(
        None, group=_SEARCH, default_text="modalities of other kinds than the query's",
        help="Modality of the rows that is compared with the query.",
    )  # fmt: skip
    faiss: bool = option(False, group=_SEARCH, help="Use the inverted lists of an index: faster, may miss some rows.")
    rows: RowsConfig = part(RowsConfig)
