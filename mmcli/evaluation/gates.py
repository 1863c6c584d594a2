"""Gates: bounds on a report's figures, for continuous integration."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from mmcli.errors import UsageError, unknown_name

_HOLDS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_GATE = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|<|>)\s*(?P<bound>[^\s<>=]+)\s*")
_FIGURES = (
    "metrics", "baselines", "subsets", "groups", "intervals", "classes", "shapley", "best_single", "coverage",
    "importance", "models", "differences", "learning_curve",
)  # fmt: skip


@dataclass(frozen=True)
class Gate:
    """A condition on one figure under which the gate fails.

    Args:
        text: As typed.
        name: Of the figure: a metric, or the way to another figure of ``metrics.json``, with points between keys.
        sign: ``<``, ``<=``, ``>`` or ``>=``.
        bound: What it is compared with.
    """

    text: str
    name: str
    sign: str
    bound: float


@dataclass(frozen=True)
class Judged:
    """What became of a gate: its figure, NaN where there is none, and whether it failed."""

    gate: Gate
    value: float
    failed: bool

    @property
    def message(self) -> str:
        """What was found, in a few words."""
        found = "is not defined for these rows" if math.isnan(self.value) else f"is {self.value:.4f}"
        return f"--fail-if {self.gate.text!r}: {self.gate.name} {found}"


def parse_gate(text: str) -> Gate:
    """Read a condition such as ``accuracy<0.8`` or ``subsets.image.accuracy < 0.5``.

    Raises:
        UsageError: It is none.
    """
    found = _GATE.fullmatch(text)
    try:
        bound = float(found["bound"]) if found else math.nan
    except ValueError:
        bound = math.nan
    if found is None or math.isnan(bound):
        raise UsageError(f"--fail-if {text!r}: expected NAME<NUMBER, with <, <=, > or >=, such as 'accuracy<0.8'")
    return Gate(text, found["name"], found["sign"], bound)


def judge(gates: Sequence[Gate], report: Mapping[str, Any], possible: Collection[str] = ()) -> list[Judged]:
    """Return what becomes of gates; a figure that these rows leave undefined fails its gate.

    Args:
        gates: The conditions.
        report: What ``metrics.json`` holds, or ``comparison.json`` of several models.
        possible: Further metrics that other rows could have.

    Raises:
        UsageError: There is no figure of that name.
    """
    figures = dict(_figures(report))
    judged = []
    for gate in gates:
        if gate.name not in figures and gate.name not in {*_undefined(report), *possible}:
            first = gate.name.partition(".")[0]
            metrics = report.get("metrics", [*figures])
            near = [name for name in figures if name.startswith(f"{first}.")] if first in _FIGURES else metrics
            raise unknown_name(f"figure in --fail-if {gate.text!r}:", gate.name, near)
        value = figures.get(gate.name, math.nan)
        judged.append(Judged(gate, value, math.isnan(value) or _HOLDS[gate.sign](value, gate.bound)))
    return judged


def junit(judged: Sequence[Judged], name: str) -> bytes:
    """Return JUnit's XML of gates, a test case each, as continuous integration shows it.

    Args:
        judged: What became of them.
        name: Of the suite.
    """
    failures = sum(each.failed for each in judged)
    suite = ElementTree.Element("testsuite", name=name, tests=str(len(judged)), failures=str(failures), errors="0")
    for each in judged:
        case = ElementTree.SubElement(suite, "testcase", classname=name, name=each.gate.text, time="0")
        if each.failed:
            ElementTree.SubElement(case, "failure", message=each.message)
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"


def _figures(report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Return every number by its name: metrics by their own, others by the keys that lead to them."""
    yield from _numbers(report.get("metrics", {}), "")
    for key in _FIGURES:
        yield from _numbers(report.get(key, {}), f"{key}.")
    yield from ((key, float(value)) for key, value in report.items() if isinstance(value, int | float))


def _numbers(found: Any, before: str) -> Iterator[tuple[str, float]]:
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from _numbers(value, f"{before}{key}.")
    elif isinstance(found, list):
        for number, value in enumerate(found):
            yield from _numbers(value, f"{before}{number}.")
    elif isinstance(found, int | float) and not isinstance(found, bool):
        yield before[:-1], float(found)


def _undefined(report: Mapping[str, Any]) -> set[str]:
    """Return metrics that these rows leave undefined, as baselines, which may have them, tell."""
    named: set[str] = set().union(*report.get("baselines", {}).values())
    return named.difference(report.get("metrics", {}))
