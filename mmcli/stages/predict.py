"""predict: a model's answer for each row, in the order and with the ids of the rows."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mmcli.errors import UsageError
from mmcli.registry import FUSIONS
from mmcli.reporting import Reporter, Silent
from mmcli.runtime import detect
from mmcli.stages.bad_inputs import describe
from mmcli.stages.inputs import open_inputs
from mmcli.stages.modality_choice import modalities_of
from mmcli.stages.model import TrainedModel
from mmcli.stages.zero_shot import PLACE, LabelModel, parse_labels
from mmcli.store.columns import LedgerEntry, Row
from mmcli.store.rows import dump_row

SUFFIXES = (".jsonl", ".csv", ".parquet")
_OWN_COLUMNS = {"probabilities": "probability", "similarity": "similarity", "row": "row"}
_NESTED = ("modalities", "status", "reasons", "weights", "targets")


def predict(
    model: Path,
    source: str,
    *,
    modalities: Sequence[str] = (),
    root: str | None = None,
    encoding: str = "utf-8",
    limit: int | None = None,
    seed: int = 0,
    jobs: int | None = None,
    device: str = "auto",
    deterministic: bool = False,
    explain: Literal["weights"] | None = None,
    labels: Sequence[str] = (),
    template: str = PLACE,
    reporter: Reporter | None = None,
) -> Iterator[list[Row]]:
    """Return predictions in groups, each as soon as its rows have come.

    With ``explain`` each says under ``weights`` how much the fusion weighed each feature, 0 where it is absent. With
    ``labels`` a model of the task retrieval says which of these names is nearest to a row, each said by ``template``.

    Raises:
        MmcliError: The model or the source is not as it must be.
        UsageError: The model's fusion has no weights.
    """
    reporter = reporter if reporter is not None else Silent()
    runtime = detect(jobs, device, "auto", None, seed, deterministic=deterministic)
    trained = LabelModel(model, parse_labels(labels), template, None, runtime) if labels else TrainedModel(model)
    if explain is not None and not trained.weighs:
        raise _weighs_nothing(trained.plan.method)
    keep = modalities_of(trained, modalities)
    for asked in open_inputs(trained, source, runtime, reporter, root=root, encoding=encoding, limit=limit):
        vectors = trained.vectors(asked.batch.columns, runtime)
        records = trained.task.records(*trained.outputs(vectors, keep or None))
        answers = [
            prediction(identity, record, problems, trained.sources, keep)
            for identity, record, problems in zip(asked.ids, records, asked.problems(trained.sources), strict=True)
        ]
        if explain is not None:
            for answer, weights in zip(answers, trained.weights(vectors, keep or None).tolist(), strict=True):
                answer["weights"] = dict(zip(trained.names, weights, strict=True))
        yield answers


def _weighs_nothing(method: str) -> UsageError:
    weighing = [name for name in FUSIONS.names() if hasattr(FUSIONS.load(name), "modality_weights")]
    return UsageError(f"--explain weights: fusion {method} has none; these methods have: {', '.join(weighing)}")


def prediction(
    identity: str,
    record: Mapping[str, Any],
    problems: Mapping[str, LedgerEntry],
    sources: list[str],
    keep: Collection[str] = (),
) -> Row:
    """Return one answer: what the task says of the row, the modalities used, and why others were not.

    Of the source modalities those to ``keep`` were looked at; () is all.
    """
    return {
        "id": identity,
        **record,
        "modalities": [name for name in sources if name not in problems and (not keep or name in keep)],
        "status": {name: problems[name].status if name in problems else "ok" for name in sources},
        "reasons": {name: describe(entry) for name, entry in problems.items()},
    }


def check_suffix(output: Path) -> None:
    """Refuse a file whose suffix names no form of predictions.

    Raises:
        UsageError: It does not.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output}: predictions are written as {', '.join(SUFFIXES)}")


def write_predictions(output: Path, groups: Iterator[list[Row]]) -> int:
    """Write predictions as JSON lines, CSV or Parquet by the file's suffix, whole or not at all; return how many.

    Raises:
        UsageError: The suffix is none of these.
    """
    check_suffix(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f".{output.name}.writing")
    count = 0
    try:
        if output.suffix.lower() == ".jsonl":
            with beside.open("wb") as file:
                for rows in groups:
                    file.writelines(map(dump_row, rows))
                    count += len(rows)
        else:
            count = _write_table(beside, output.suffix.lower(), groups)
        os.replace(beside, output)
    finally:
        beside.unlink(missing_ok=True)
    return count


def _write_table(path: Path, suffix: str, groups: Iterator[list[Row]]) -> int:
    import pandas

    rows = [_flat(row) for group in groups for row in group]
    table = pandas.DataFrame(rows)
    for name in table:
        cells = [row.get(str(name)) for row in rows]
        if None in cells and all(cell is None or type(cell) is int for cell in cells):
            table[name] = pandas.array(cells, dtype="Int64")  # so that 3 beside an empty cell stays 3
    if suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return len(rows)


def _flat(row: Row) -> Row:
    """One column a value: the probability of x in ``probability_x``, weights and others likewise, modalities by ``+``.

    Lists are joined by ``|``; of several targets each answer's columns begin with its name.
    """
    flat = _flat_answer({key: value for key, value in row.items() if key not in _NESTED})
    if "modalities" not in row:
        return flat
    for target, answer in row.get("targets", {}).items():
        flat |= {f"{target}_{key}": value for key, value in _flat_answer(answer).items()}
    flat["modalities"] = "+".join(row["modalities"])
    flat |= {f"status_{name}": status for name, status in row["status"].items()}
    flat |= {f"weight_{name}": value for name, value in row.get("weights", {}).items()}
    flat["reasons"] = json.dumps(row["reasons"], ensure_ascii=False) if row["reasons"] else ""
    return flat


def _flat_answer(answer: Mapping[str, Any]) -> Row:
    flat = {
        key: "|".join(value) if isinstance(value, list) else value
        for key, value in answer.items()
        if key not in _OWN_COLUMNS
    }
    return flat | {
        f"{start}_{name}": value for key, start in _OWN_COLUMNS.items() for name, value in answer.get(key, {}).items()
    }
