"""The order of the sections of a page."""

from __future__ import annotations

from mmcli.reports.section import Section
from mmcli.reports.sections import (
    calibration,
    classes,
    comparison,
    confusion,
    curves,
    gates,
    groups,
    headline,
    learning_curve,
    ledger,
    matches,
    modalities,
    models,
    numbers,
    origin,
    row_map,
    samples,
    training,
    uncertainty,
)

SECTIONS: tuple[Section, ...] = (
    headline.SECTION,
    gates.SECTION,
    comparison.SECTION,
    models.SECTION,
    confusion.SECTION,
    numbers.SECTION,
    matches.SECTION,
    samples.SECTION,
    classes.SECTION,
    curves.SECTION,
    calibration.SECTION,
    uncertainty.SECTION,
    modalities.SECTION,
    groups.SECTION,
    row_map.SECTION,
    learning_curve.SECTION,
    training.SECTION,
    ledger.SECTION,
    origin.SECTION,
)
