"""The functions that print the result of each command, by their name in the catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mmcli.console import Console, json_line, names, print_lines, records, results
from mmcli.console import check as check_view
from mmcli.console import comparison as comparison_view
from mmcli.console import explanation as explanation_view
from mmcli.console import models as models_view
from mmcli.context import HasRows, Shell
from mmcli.inference.prediction_file import Written
from mmcli.reports.explanations import Explained
from mmcli.stages.cards import Card
from mmcli.stages.evaluated import ModelsReport
from mmcli.stages.pipeline import Done
from mmcli.stages.report import Page


def show_stage(result: Any, config: Any, shell: Shell) -> None:
    """Print a stage's summary, or the artifact's rows if the output is a pipe or file."""
    results.show_stage(result, shell.json)


def show_model(result: Any, config: Any, shell: Shell) -> None:
    """Print the summary of a trained model."""
    results.show_model(result, shell.json)


def show_report(result: Any, config: Any, shell: Shell) -> None:
    """Print an evaluation of one model, or of several."""
    if isinstance(result, ModelsReport):
        models_view.show_models(result, shell.json, every=config.all_metrics)
    else:
        below = config.uncertainty.abstain_below
        results.show_report(result, shell.json, every=config.all_metrics, below=below)


def show_answers(result: Written | Explained | Iterator[list[Any]], config: Any, shell: Shell) -> None:
    """Print answers as they come, or where they were written to."""
    if isinstance(result, Explained):
        explanation_view.show_explained(result)
        return
    if isinstance(result, Written):
        Console(shell.quiet).note(f"{result.predictions} predictions in {result.output}")
        return
    for rows in result:
        print_lines(rows)


def show_comparison(result: Any, config: Any, shell: Shell) -> None:
    """Print a comparison."""
    comparison_view.show_comparison(result, shell.json)


def show_check(result: Any, config: Any, shell: Shell) -> None:
    """Print the report of check."""
    check_view.show_check(result, shell.json)


def show_page(result: Page, config: Any, shell: Shell) -> None:
    """Print where a page is."""
    results.show_page(result, shell)


def show_list(result: Any, config: Any, shell: Shell) -> None:
    """Print registered names, or the cards of encoders."""
    if result and isinstance(result[0], Card):
        names.show_cards(result, shell.json)
    else:
        names.show_names(result, shell.json)


def show_rows(result: HasRows, config: Any, shell: Shell) -> None:
    """Print rows as a table, or as JSON Lines."""
    records.show_rows(result, shell.json)


def show_schema(result: Any, config: Any, shell: Shell) -> None:
    """Print a JSON Schema."""
    print(json.dumps(result, indent=1, ensure_ascii=False))


def show_artifact(result: Any, config: Any, shell: Shell) -> None:
    """Print the records of an artifact."""
    records.show_artifact(result, shell.json)


def show_differences(result: Any, config: Any, shell: Shell) -> None:
    """Print the differences that verify found."""
    records.show_differences(result, shell.json)


def show_leftovers(result: Any, config: Any, shell: Shell) -> None:
    """Print what clean found and removed."""
    records.show_leftovers(result.found, result.removed, shell.json)


def show_run(result: Iterator[Done], config: Any, shell: Shell) -> None:
    """Print the result of each stage of a pipeline when it is done."""
    for done in result:
        if shell.quiet and not shell.json:
            continue
        if isinstance(done.result, Written):
            told = f"{done.result.predictions} predictions in {done.result.output}"
            print(json_line(done.result.to_json()) if shell.json else told)
        elif done.spec.show == "show_stage":
            results.show_summary(done.result, shell.json)
        else:
            globals()[done.spec.show](done.result, done.config, shell)
