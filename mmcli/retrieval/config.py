"""The options of index and search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmcli.inference.config import RowsConfig
from mmcli.options import option, part

_SEARCH = "Search"


@dataclass(frozen=True)
class IndexConfig:
    """The options of index."""

    faiss: bool = option(
        False, group=_SEARCH,
        help="Also build a faiss index (IVF), for search --faiss: faster on millions of rows, but approximate.",
    )  # fmt: skip
    rows: RowsConfig = part(RowsConfig)


@dataclass(frozen=True)
class SearchConfig:
    """The options of search."""

    in_: str = option(
        group=_SEARCH,
        metavar="SOURCE",
        help="What to search: an index, a table, an artifact made by the same stages as the training data, or - for "
        "rows on standard input.",
    )
    query_image: Sequence[str] = option(
        (), group=_SEARCH, metavar="FILE", help="Image file to use as a query. Repeatable."
    )
    top: int = option(10, least=1, group=_SEARCH, help="Number of rows to find for each query.")
    by: str | None = option(
        None, group=_SEARCH, metavar="MODALITY", default_text="modalities of a different kind from the query's",
        help="Compare the query with this modality of the rows.",
    )  # fmt: skip
    faiss: bool = option(
        False, group=_SEARCH,
        help="Use the faiss index that index --faiss built: faster on millions of rows, but approximate.",
    )  # fmt: skip
    rows: RowsConfig = part(RowsConfig)
