"""mmcli predict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mmcli.cli import options

NAME = "predict"


def command(
    model: options.ModelFolder,
    source: options.Rows,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="FILE.jsonl, .csv or .parquet; JSON lines on standard output without.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        Literal["weights"] | None,
        typer.Option(
            help="weights: how much the fusion weighed each feature of a row, 0 where it is absent.", show_default=False
        ),
    ] = None,
    modalities: options.Modalities = [],
    labels: Annotated[
        list[str],
        typer.Option(
            help="Of a retrieval model: the label whose name is nearest to a row, of these, parted by commas.",
            show_default=False,
        ),
    ] = [],
    template: options.Template = "{}",
    index: Annotated[
        Path | None,
        typer.Option(help="Of a retrieval model: folder for the rows' embeddings, to search in.", show_default=False),
    ] = None,
    faiss: Annotated[
        bool,
        typer.Option(
            "--faiss",
            help="With --index: also write lists by which --query finds rows in a large index faster, if not all.",
        ),
    ] = False,
    query: Annotated[
        list[str],
        typer.Option(
            help="Of a retrieval model: find the rows nearest to a text, or to MODALITY=VALUE. Repeatable.",
            show_default=False,
        ),
    ] = [],
    query_image: Annotated[
        list[str], typer.Option(help="The same with an image file. Repeatable.", show_default=False)
    ] = [],
    top: Annotated[int, typer.Option(min=1, help="Rows to find for each query.")] = 10,
    search: Annotated[
        str | None,
        typer.Option(
            help="The modality to find rows by; by default those of another kind than the query.", show_default=False
        ),
    ] = None,
    root: options.Root = None,
    encoding: options.Encoding = "utf-8",
    delimiter: options.Delimiter = None,
    quoting: options.Quoting = "auto",
    header: options.Header = [],
    sheet: options.Sheet = None,
    tensor: options.Arrays = [],
    limit: options.Limit = None,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    deterministic: options.Deterministic = False,
    fresh: options.Fresh = False,
    config: options.Config = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Predict rows: label, labels or value, probabilities, modalities used, and why others were not.

    Ids and order are those of the input. From - JSON lines are answered one by one, as they come.

    A retrieval model says how well a row's modalities agree, finds rows for queries (--query, --query-image) in any
    rows or in an index of them (--index), and names the nearest of given labels (--labels).
    """
    del config, debug
    from mmcli.console import Console, print_lines
    from mmcli.errors import UsageError
    from mmcli.inference.prediction_file import check_suffix, write_predictions
    from mmcli.stages.predict import predict

    reporter = Console(quiet)
    searches = bool(query or query_image)
    kinds = {"--index": index is not None, "--query": searches}
    _refuse_together({**kinds, "--labels": bool(labels)})
    _refuse_together({**kinds, "--modalities": bool(modalities)})
    _refuse_together({**kinds, "--explain": explain is not None})
    _refuse_together({"--index": index is not None, "--output": output is not None})
    if faiss and index is None and not searches:
        raise UsageError("--faiss: is for --index and for --query or --query-image; say one of them")
    if output is not None:
        check_suffix(output)
    given: dict[str, Any] = {
        "root": root, "encoding": encoding, "delimiter": delimiter, "quoting": quoting,
        "header": header, "sheet": sheet, "limit": limit, "jobs": jobs, "seed": seed, "device": device,
        "deterministic": deterministic, "reporter": reporter,
    }  # fmt: skip
    if index is not None:
        from mmcli.console.results import show_stage
        from mmcli.retrieval.index import build_index

        show_stage(build_index(model, source, index, faiss=faiss, fresh=fresh, **given), False)
        return
    if searches:
        from mmcli.retrieval.search import search as find

        groups = find(model, source, query=query, query_image=query_image, top=top, search=search, faiss=faiss, **given)
    else:
        groups = predict(
            model,
            source,
            modalities=modalities,
            explain=explain,
            labels=labels,
            template=template,
            tensor=tensor,
            **given,
        )
    if output is None:
        for rows in groups:
            print_lines(rows)
    else:
        reporter.note(f"{write_predictions(output, groups)} predictions in {output}")


def _refuse_together(used: Mapping[str, bool]) -> None:
    """Refuse options that exclude each other."""
    from mmcli.errors import UsageError

    names = [name for name, given in used.items() if given]
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} exclude each other")
