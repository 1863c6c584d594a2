"""Writes predictions as JSON Lines, CSV or Parquet that can be read back without loss."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from mmcli.errors import TooManyBadError, UsageError
from mmcli.store.columns import Row
from mmcli.store.rows import dump_row
from mmcli.store.whole_file import whole_file

SUFFIXES = (".jsonl", ".csv", ".parquet")
_OWN_COLUMNS = {"probabilities": "probability", "similarity": "similarity", "row": "row"}
_NESTED = ("modalities", "status", "reasons", "weights", "targets")


@dataclass(frozen=True)
class Written:
    """Predictions in a file."""

    predictions: int
    output: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


def written(output: Path | None, groups: Iterator[list[Row]], source: str) -> Iterator[list[Row]] | Written:
    """Write predictions to a file if one is given, else return them unchanged.

    Raises:
        UsageError: The file's suffix is not that of a supported format, or the file is the source of the rows.
    """
    if output is None:
        return groups
    check_suffix(output)
    if output.exists() and Path(source).exists() and output.samefile(source):
        raise UsageError(f"--output {output}: is the source of the rows; write to another file")
    return Written(write_predictions(output, groups), str(output))


def check_suffix(output: Path) -> None:
    """Check that a file's suffix is that of a supported format.

    Raises:
        UsageError: It is not.
    """
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{output}: unknown suffix; predictions are written as {', '.join(SUFFIXES)}")


def write_predictions(output: Path, groups: Iterator[list[Row]]) -> int:
    """Write predictions as JSON Lines, CSV or Parquet by the file's suffix, atomically; return their number.

    Raises:
        UsageError: The suffix is not one of these.
        TooManyBadError: Lines were invalid; the file is written nevertheless, with an error record for each.
    """
    check_suffix(output)
    write = _write_lines if output.suffix.lower() == ".jsonl" else _write_table
    answers = _Answers(groups)
    with whole_file(output) as beside:
        write(beside, output.suffix.lower(), answers)
    if answers.refused is not None:
        raise answers.refused
    return answers.count


class _Answers:
    """Counts answers as they pass, and holds the error about invalid lines until all answers are written."""

    def __init__(self, groups: Iterator[list[Row]]) -> None:
        self._groups = groups
        self.count = 0
        self.refused: TooManyBadError | None = None

    def __iter__(self) -> Iterator[Row]:
        try:
            for rows in self._groups:
                self.count += len(rows)
                yield from rows
        except TooManyBadError as error:
            self.refused = error


def _write_lines(path: Path, suffix: str, rows: Iterable[Row]) -> None:
    with path.open("wb") as file:
        file.writelines(map(dump_row, rows))


def _write_table(path: Path, suffix: str, answers: Iterable[Row]) -> None:
    rows = [_flat(row) for row in answers]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    if suffix == ".csv":
        _write_csv(path, columns, rows)
        return
    import pandas

    table = pandas.DataFrame(rows, columns=columns)
    for name in columns:
        cells = [row.get(name) for row in rows]
        if None in cells and all(cell is None or type(cell) is int for cell in cells):
            table[name] = pandas.array(cells, dtype="Int64")  # keeps 3 an integer in a column with empty cells
    table.to_parquet(path, index=False)


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table with LF line ends in which every cell with a line end or quote is quoted.

    The csv module quotes a lone carriage return only if lines end in one, but readers treat it as a line end.
    """
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\r\n")
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        for row in chain([dict(zip(columns, columns, strict=True))], rows):
            writer.writerow([row.get(column) for column in columns])
            file.write(line.getvalue().removesuffix("\r\n") + "\n")
            line.seek(0)
            line.truncate()


def _flat(row: Row) -> Row:
    """Return a prediction as one value per column: ``probability_x`` for the probability of x and so on.

    Modalities are joined by ``+``. Lists are joined by ``|``, or written as JSON if a label contains it. With several
    targets, columns are prefixed with the target's name.
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


def _joined(labels: Sequence[str]) -> str:
    plain = not any("|" in label or label.startswith("[") for label in labels)
    return "|".join(labels) if plain else json.dumps(labels, ensure_ascii=False)


def _flat_answer(answer: Mapping[str, Any]) -> Row:
    flat = {
        key: _joined(value) if isinstance(value, list) else value
        for key, value in answer.items()
        if key not in _OWN_COLUMNS
    }
    return flat | {
        f"{start}_{name}": value for key, start in _OWN_COLUMNS.items() for name, value in answer.get(key, {}).items()
    }
