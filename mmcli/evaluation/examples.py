"""A page of examples: predictions, true texts and pictures of a few rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FILE = "examples.html"


@dataclass(frozen=True)
class Example:
    """One row to show.

    Args:
        identity: Its id.
        predicted: The predicted text; None without features.
        true: The true texts, one or several.
        pictures: Pictures by modality, as data URIs.
    """

    identity: str
    predicted: str | None
    true: Sequence[str]
    pictures: Mapping[str, str] = field(default_factory=dict)


def write_examples(folder: Path, title: str, examples: Sequence[Example]) -> None:
    """Write ``examples.html``, a self-contained page; all texts in it are escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    here = FileSystemLoader(Path(__file__).parent)
    template = Environment(loader=here, autoescape=True, undefined=StrictUndefined).get_template(FILE)
    (folder / FILE).write_text(template.render(title=title, examples=examples), encoding="utf-8")
