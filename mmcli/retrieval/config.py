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
        help="Also write inverted lists for search --faiss, which is faster in large indexes but may miss some rows.",
    )  # fmt: skip
    rows: RowsConfig = part(RowsConfig)


@dataclass(frozen=True)
class SearchConfig:
    """The options of search."""

    in_: str = option(
        group=_SEARCH,
        help="Index, table, or artifact made like the training data, to search in; - reads rows from standard input.",
    )
    query_image: Sequence[str] = option((), group=_SEARCH, help="Image file to use as a query. Repeatable.")
    top: int = option(10, least=1, group=_SEARCH, help="Number of rows to find for each query.")
    by: str | None = option(
        None, group=_SEARCH, default_text="modalities of other kinds than the query's",
        help="Modality of the rows to compare with the query.",
    )  # fmt: skip
    faiss: bool = option(
        False, group=_SEARCH, help="Use the inverted lists of an index, which is faster but may miss some rows."
    )
    rows: RowsConfig = part(RowsConfig)
