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
    ledger,
    matches,
    modalities,
    models,
    numbers,
    origin,
    row_map,
    samples,
    training,
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
    modalities.SECTION,
    groups.SECTION,
    row_map.SECTION,
    training.SECTION,
    ledger.SECTION,
    origin.SECTION,
)
