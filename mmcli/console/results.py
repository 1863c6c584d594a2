"""Prints the results of stages."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console as RichConsole
from rich.markup import escape

from mmcli.console import STATUS_STYLE, coloured, headline, json_line, make_table, reader_may_leave, standard_output
from mmcli.console.explanation import print_importance
from mmcli.console.uncertainty import print_abstaining, print_calibration, print_coverage
from mmcli.evaluation.curve import told_curve
from mmcli.evaluation.shapley import told_shapley

if TYPE_CHECKING:
    from mmcli.chain.driver import Summary
    from mmcli.context import Shell
    from mmcli.stages.evaluated import Report
    from mmcli.stages.report import Page


_FOLDS = 10  # with at most so many folds, the values of each are shown
_MATRIX = 20  # maximum number of classes in a confusion matrix or a table of scores
_CLASS_SCORES = ("precision", "recall", "f1")


def show_stage(summary: Summary, as_json: bool) -> None:
    """Print a stage's summary, or the artifact's rows if the output is a pipe or file."""
    if not as_json and _is_pipe_or_file():
        _write_rows(Path(summary.output))
    else:
        show_summary(summary, as_json)


def show_model(summary: Summary, as_json: bool) -> None:
    """Print the summary of a trained model."""
    if as_json:
        print(json_line(summary.to_json()))
        return
    details = summary.details
    out = standard_output()
    out.print(
        f"[bold]{escape(summary.output)}[/bold]: {details['task']} by {details['method']}, "
        f"{what_was_made(details['model'], details['parameters'], details['best_epoch'])}, {summary.seconds:.1f} s"
    )
    val = headline(details["task"], details["val"]) or details["val"]
    shown = "  ".join(f"{escape(name)} {value:.4f}" for name, value in val.items())
    out.print(f"val {shown}{_told_positive(details.get('positive'))}")
    if "calibration" in details:
        print_calibration(out, details["calibration"])
    if "cross_validation" in details:
        _print_folds(out, details["task"], details["cross_validation"])


def _print_folds(out: RichConsole, task: str, found: Mapping[str, Any]) -> None:
    """Print the metrics of a cross-validation, each model measured on its held-out fold."""
    means = {name: spread["mean"] for name, spread in found["metrics"].items()}
    numbers = [str(number) for number in range(1, found["folds"] + 1)] if found["folds"] <= _FOLDS else []
    title = f"{found['folds']}-fold cross-validation on {found['rows']} train rows"
    pooled = found.get("pooled", {"metrics": {}, "intervals": {}})
    table = make_table(title, "metric", "mean", "± std", *numbers, "all rows", "95 % interval")
    for name in headline(task, means):
        spread = found["metrics"][name]
        values = [f"{value:.4f}" for value in spread["values"]] if numbers else []
        whole = [f"{pooled['metrics'][name]:.4f}"] if name in pooled["metrics"] else [""]
        low, high = pooled["intervals"].get(name, (None, None))
        whole.append("" if low is None else f"{low:.4f} … {high:.4f}")
        table.add_row(escape(name), f"{spread['mean']:.4f}", f"{spread['std']:.4f}", *values, *whole)
    out.print(table)


def what_was_made(model: str | None, parameters: int, best_epoch: int | None) -> str:
    """Return the estimator, or the network's size and best epoch."""
    if model is not None:
        return escape(model)
    return f"{parameters:,} parameters" + ("" if best_epoch is None else f", best epoch {best_epoch}")


def show_report(report: Report, as_json: bool, every: bool = False, below: float | None = None) -> None:
    """Print an evaluation: metrics with intervals beside baselines, groups, subsets of modalities, confusions.

    Args:
        report: What evaluate found.
        as_json: Whether to print it as JSON.
        every: Whether to print all metrics, not only the main ones.
        below: The probability below which the model abstains, if asked for.
    """
    if as_json:
        print(json_line(report.metrics))
        return
    found = report.metrics
    out = standard_output()
    title = f"{found['task']}, {found['n']} rows of {found['split']}{_told_positive(found.get('positive'))}"
    baselines = dict(found["baselines"])
    if "best_single" in found:
        single = found["best_single"]["modality"]
        baselines[f"only {single}"] = found["subsets"][single]
    table = make_table(title, "metric", "value", "95 % interval", *map(escape, baselines))
    main = headline(found["task"], found["metrics"]) or found["metrics"]
    for name, value in (found["metrics"] if every else main).items():
        low, high = found["intervals"].get(name, (None, None))
        shown = "" if low is None else f"{low:.4f} … {high:.4f}"
        beside = (f"{each[name]:.4f}" if name in each else "" for each in baselines.values())
        table.add_row(escape(name), f"{value:.4f}", shown, *beside)
    out.print(table)
    if not every and len(main) < len(found["metrics"]):
        out.print(f"[dim]{len(found['metrics']) - len(main)} more by --all-metrics[/dim]")
    _print_groups(out, found)
    print_coverage(out, found.get("coverage", {}))
    print_abstaining(out, report.tables, below)
    if found["subsets"]:
        shown_metrics = list(headline(found["task"], found["metrics"]))
        table = make_table("with only these modalities, all others masked", "modalities", *map(escape, shown_metrics))
        chosen = "+".join(found.get("modalities", ["all"]))
        for name, values in {**found["subsets"], chosen: found["metrics"]}.items():
            table.add_row(
                escape(name), *(f"{values[metric]:.4f}" if metric in values else "" for metric in shown_metrics)
            )
        out.print(table)
    _print_shapley(out, found)
    print_importance(out, found.get("importance", {}))
    _print_classes(out, found)
    _print_curve(out, found)
    for name, confusion in report.tables.items():
        if name.startswith("confusion"):
            _print_confusion(out, name.replace("_", " of ", 1), confusion)
    if report.output:
        out.print(f"report in [bold]{escape(report.output)}[/bold]")


def _print_groups(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print the main metrics by the values of columns, and how far the best and the worst are apart."""
    groups = found.get("groups", {})
    for column, own in groups.get("columns", {}).items():
        metric = groups["metric"]
        gap = f", gap {own['gap']:.4f} ({own['worst']!r} to {own['best']!r})" if "gap" in own else ""
        shown = list(headline(found["task"], found["metrics"]))
        columns = [column, "rows", *shown, f"95 % interval of {metric}"]
        table = make_table(escape(f"by {column}{gap}"), *map(escape, columns))
        for value, each in own["values"].items():
            low, high = each.get("interval", (None, None))
            table.add_row(
                escape(value or "(empty)"), str(each["rows"]),
                *(f"{each['metrics'][name]:.4f}" if name in each["metrics"] else "" for name in shown),
                "" if low is None else f"{low:.4f} … {high:.4f}",
            )  # fmt: skip
        out.print(table)


def _print_shapley(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print what each modality gives, in numbers and in words."""
    shapley = found.get("shapley")
    if not shapley:
        return
    title = f"what each modality gives to {shapley['metric']}, from {shapley['none']:.4f} to {shapley['all']:.4f}"
    table = make_table(escape(title), "modality", "share (Shapley)", "alone", "beside all others")
    for name, value in sorted(shapley["values"].items(), key=lambda each: -abs(each[1])):
        table.add_row(escape(name), f"{value:+.4f}", f"{shapley['alone'][name]:+.4f}", f"{shapley['last'][name]:+.4f}")
    out.print(table)
    for sentence in told_shapley(shapley):
        out.print(escape(sentence))


def _print_curve(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print a learning curve, and in words what its last step gained."""
    curve = found.get("learning_curve")
    if not curve:
        return
    metric = curve["metric"]
    shown = list(headline(found["task"], found["metrics"]))
    title = f"trained on a share of the train rows, measured on {found['n']} rows of {found['split']}"
    table = make_table(title, "share", "train rows", *map(escape, shown), escape(f"95 % interval of {metric}"))
    for point in curve["points"]:
        values, (low, high) = point.get("metrics", {}), point.get("intervals", {}).get(metric, (None, None))
        table.add_row(
            f"{100 * point['share']:.0f} %", str(point["rows"]),
            *(f"{values[name]:.4f}" if name in values else "" for name in shown),
            "" if low is None else f"{low:.4f} … {high:.4f}",
        )  # fmt: skip
    out.print(table)
    sentence = told_curve(curve)
    if sentence is not None:
        out.print(escape(sentence))


def _told_positive(positive: str | Mapping[str, str] | None) -> str:
    """Return the positive class of each target, for a title."""
    if positive is None:
        return ""
    named = {"": positive} if isinstance(positive, str) else positive
    told = ", ".join(f"{target} {label!r}".strip() for target, label in named.items())
    return escape(f", positive class {told}")


def _print_classes(out: RichConsole, found: Mapping[str, Any]) -> None:
    """Print precision, recall and F1 of each class, or of the most frequent ones if there are many."""
    classes = found.get("classes", {})
    several = "n_by_target" in found
    for target, scores in classes.items() if several else [("", classes)]:
        if not scores:
            continue
        order = sorted(scores, key=lambda name: -scores[name]["rows"])[:_MATRIX]
        shown = [name for name in scores if name in order]
        more = f", the {_MATRIX} most frequent of {len(scores)} (metrics.json has all)" if len(scores) > _MATRIX else ""
        title = escape(f"each class{f' of {target}' if several else ''}{more}")
        table = make_table(title, "class", "precision", "recall", "f1", "rows")
        for name in shown:
            own = scores[name]
            table.add_row(escape(name), *(f"{own[score]:.4f}" for score in _CLASS_SCORES), str(own["rows"]))
        out.print(table)


def show_page(page: Page, shell: Shell) -> None:
    """Print where a page is, and its size."""
    if shell.json:
        print(json_line(page.to_json()))
    elif not shell.quiet:
        standard_output().print(f"page in [bold]{escape(page.output)}[/bold], {page.bytes / 1e6:.1f} MB")


def show_summary(summary: Summary, as_json: bool) -> None:
    """Print a stage's summary."""
    if as_json:
        print(json_line(summary.to_json()))
    else:
        _print_summary(summary)


def _print_summary(summary: Summary) -> None:
    out = standard_output()
    reused = f", {summary.reused} reused" if summary.reused else ""
    out.print(
        f"[bold]{escape(summary.output)}[/bold]: {summary.rows} rows in {summary.seconds:.1f} s "
        f"({summary.computed} items computed{reused})"
    )
    table = make_table("", "modality", *STATUS_STYLE)
    for name, counts in summary.counts.items():
        table.add_row(escape(name), *(coloured(status, counts[status]) for status in STATUS_STYLE))
    out.print(table)


def _print_confusion(out: RichConsole, name: str, confusion: Mapping[str, Any]) -> None:
    """Print the confusion matrix if it fits, else the most frequent confusions."""
    classes, counts = confusion["classes"], confusion["counts"]
    if len(classes) <= _MATRIX:
        columns = [str(number) for number in range(1, len(classes) + 1)]
        table = make_table(f"{escape(name)}: true classes in rows, predicted in columns", "", *columns)
        for number, (name, row) in enumerate(zip(classes, counts, strict=True), 1):
            table.add_row(f"{number} {escape(name)}", *(str(count) if count else "[dim]·[/]" for count in row))
        out.print(table)
        return
    wrong = [
        (count, classes[true], classes[predicted])
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if count and true != predicted
    ]
    table = make_table(f"most frequent in {escape(name)}", "true", "predicted", "rows")
    for count, true, predicted in sorted(wrong, reverse=True)[:10]:
        table.add_row(escape(true), escape(predicted), str(count))
    out.print(table)


def _is_pipe_or_file() -> bool:
    mode = os.fstat(sys.stdout.fileno()).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _write_rows(artifact: Path) -> None:
    """Write the manifest's lines, each starting with the artifact's path."""
    start = ('{"artifact": ' + json.dumps(str(artifact), ensure_ascii=False) + ", ").encode()
    with (artifact / "manifest.jsonl").open("rb") as manifest, reader_may_leave():
        for line in manifest:
            sys.stdout.buffer.write(start + line[1:])
        sys.stdout.buffer.flush()
