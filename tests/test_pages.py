"""The pages below docs are true: their commands run on what the README's main command has made."""

from __future__ import annotations

import pytest

from mmcli.cli.reference import page as page_of_options
from tests.readme import ROOT, blocks_of, make_place, run_main, shell


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = make_place(tmp_path_factory.mktemp("pages"))
    run_main(folder)
    return folder


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_the_commands_of_a_page_work(place, page):
    for block in blocks_of((ROOT / "docs" / page).read_text(encoding="utf-8")):
        done = shell(block, place)
        assert done.returncode == 0, done.stderr


def test_the_page_of_options_is_fresh():
    assert (ROOT / "docs" / "options.md").read_text() == page_of_options(), (
        "python -m mmcli.cli.reference > docs/options.md"
    )
