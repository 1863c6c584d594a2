"""Mistakes and other samples with their pictures, texts, sounds, clips and values."""

from __future__ import annotations

from mmcli.reports.folder import ReportFolder
from mmcli.reports.section import Content, Section
from mmcli.reports.words import LISTS


def build(report: ReportFolder) -> Content | None:
    """Return the lists of samples, and the samples that are in none of them."""
    found = report.read("lists")
    if not found or not report.samples:
        return None
    lists = []
    for each in found["lists"]:
        rows = [row for row in each["rows"] if row in report.samples]
        title, told = LISTS.get(each["key"], (each["key"], ""))
        if each.get("metric"):
            told = f"{told} Ranked by {each['metric']}."
        if rows:
            lists.append({"title": title, "told": told, "target": each["target"], "rows": rows})
    listed = {row for each in lists for row in each["rows"]}
    others = [row for row in report.samples if row not in listed]
    return Content(
        {"lists": lists, "others": others, **{key: found[key] for key in ("samples", "of", "without_media")}}
    )


SECTION = Section("samples", "Samples", build)
