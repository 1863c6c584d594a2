"""Prints registered names and the cards of encoders: a description for each, and indented details below it."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from rich.markup import escape

from mmcli.console import json_line, standard_output

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from mmcli.stages.cards import Card
    from mmcli.stages.names import Name

_WIDEST, _NARROWEST = 400, 60
_NEW_LINE = "\n"
_DETAILS = " " * 6


def show_names(names: Sequence[Name], as_json: bool) -> None:
    """Print registered names under a heading for each list and kind."""
    if as_json:
        print(json_line([name.__dict__ for name in names]))
        return
    out = standard_output()
    left = {what: max(len(name.name) for name in names if name.what == what) for what in {name.what for name in names}}
    groups = groupby(names, key=lambda name: (name.what, name.kind))
    for number, ((what, kind), listed) in enumerate(groups):
        _print_heading(out, f"{what}: {kind}" if kind else what, first=number == 0)
        for name in listed:
            options = [f"options: {name.options}"] if name.options else []
            _print_entry(out, name.name, name.summary, left[what], options)


def show_cards(cards: Sequence[Card], as_json: bool) -> None:
    """Print the cards of encoders under a heading for each kind."""
    if as_json:
        print(json_line([card.__dict__ for card in cards]))
        return
    out = standard_output()
    left = max(len(card.name) for card in cards)
    for number, (kinds, listed) in enumerate(groupby(cards, key=lambda card: card.kinds)):
        _print_heading(out, f"encoders: {kinds}", first=number == 0)
        for card in listed:
            _print_entry(out, card.name, card.summary, left, _details(card))


def _details(card: Card) -> list[str]:
    size = "" if card.parameters is None else f"; {card.parameters:,} parameters"
    features = f" → features: {card.features}" if card.features else ""
    weights = (
        f"{card.origin}; on disk: {card.offline}"
        if card.origin
        else "none (random at first; train --encoder trains them)"
    )
    return [
        f"input: {card.inputs}{features}{size}", f"weights: {weights}",
        *([f"licence: {card.licence}"] if card.licence else []), f"options: {card.options}",
    ]  # fmt: skip


def _print_heading(out: RichConsole, text: str, first: bool) -> None:
    out.print(f"{_NEW_LINE * (not first)}[bold]{escape(text)}[/bold]")


def _print_entry(out: RichConsole, name: str, summary: str, left: int, details: Sequence[str]) -> None:
    """Print a name, its description beside it and details below, wrapped to the terminal."""
    width = max(_NARROWEST, shutil.get_terminal_size((_WIDEST, 24)).columns)
    wrap = partial(textwrap.wrap, width=width, break_long_words=False, break_on_hyphens=False)
    lines = wrap(f"{name:<{left}}  {summary}", initial_indent="  ", subsequent_indent=" " * (left + 4))
    for text in details:
        lines += wrap(text, initial_indent=_DETAILS, subsequent_indent=f"{_DETAILS}  ")
    for line in lines:
        out.print(escape(line))
