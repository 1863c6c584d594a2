"""report: renders the page of reports, models or comparisons again, several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmcli.context import RunContext, takes
from mmcli.errors import MmcliError, UsageError
from mmcli.reports.folder import open_report
from mmcli.reports.page import fill, markdown_of, page_of, title_of
from mmcli.stages.config import ReportConfig
from mmcli.store.whole_file import whole_file

_MARKDOWN = (".md", ".markdown")
_PAGE = (".html", ".htm")


@dataclass(frozen=True)
class Page:
    """The page written.

    Args:
        output: The file.
        bytes: Its size.
        reports: The folders on it.
    """

    output: str
    bytes: int
    reports: Sequence[str]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@takes(ReportConfig)
def report(folders: str | Path | Sequence[str | Path], output: Path, config: ReportConfig, context: RunContext) -> Page:
    """Write the page of folders as HTML, or of one as Markdown, by the suffix of ``output``.

    Raises:
        UsageError: The suffix is neither ``.html`` nor ``.md``, or Markdown is asked of several folders.
        MmcliError: A folder is not a report, a model or a comparison, or there is nothing in it to show.
    """
    del context
    paths = [Path(each) for each in ([folders] if isinstance(folders, str | Path) else folders)]
    suffix = output.suffix.lower()
    if suffix not in (*_PAGE, *_MARKDOWN):
        raise UsageError(f"-o {output}: expected a file that ends in .html or .md")
    if suffix in _MARKDOWN and len(paths) > 1:
        raise UsageError(
            f"-o {output}: Markdown is of one folder, found {len(paths)}; .html shows several side by side"
        )
    opened = [open_report(path, f"r{number}-" if len(paths) > 1 else "") for number, path in enumerate(paths, 1)]
    filled = [(each, fill(each)) for each in opened]
    for each, sections in filled:
        if not sections:
            raise MmcliError(f"{each.path}: nothing to show; make it again with mmcli {each.stage}")
    title = config.title or (title_of(opened[0]) if len(opened) == 1 else f"{len(opened)} reports side by side")
    text = markdown_of(title, filled[0][1]) if suffix in _MARKDOWN else page_of(title, filled)
    with whole_file(output) as beside:
        beside.write_text(text, encoding="utf-8")
    return Page(str(output), output.stat().st_size, [str(path) for path in paths])
