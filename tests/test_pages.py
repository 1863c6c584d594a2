"""The pages of the documentation are true: their commands run, and what they name exists."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from mmcli.cli.reference import page as page_of_options
from tests.readme import ROOT, blocks_of, make_place, run_main, shell
from tests.test_design import FLOORS

PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
FOLDERS = ("mmcli", "tests", "docs", "benchmarks", "sample_data", ".ci", ".github")
GROUPS = {"mmcli.extractors", "mmcli.encoders", "mmcli.fusion", "mmcli.tasks"}
"""Names of entry points, which need not be modules."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = make_place(tmp_path_factory.mktemp("pages"))
    run_main(folder)
    return folder


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def named_in(page: str) -> list[str]:
    """What stands in backticks outside of blocks of code."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL))


def is_path(name: str) -> bool:
    return name.partition("/")[0] in FOLDERS and re.fullmatch(r"[\w./-]+/[\w./-]*", name) is not None


def exists(path: str) -> bool:
    """Tell whether a path is there; a word in capitals stands for any name."""
    pattern = "/".join(re.sub(r"^[A-Z]{4,}", "[!_]*", part) for part in path.rstrip("/").split("/"))
    return any(ROOT.glob(pattern))


def found(name: str) -> object:
    """A module, or what is in one, by its dotted name."""
    module, _, last = name.rpartition(".")
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name and not name.startswith(f"{error.name}."):
            raise
    return getattr(found(module), last)


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_the_commands_of_a_page_work(place, page):
    for block in blocks_of(text_of(page)):
        done = shell(block, place)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_in_a_page_exists(page):
    assert [name for name in named_in(page) if is_path(name) and not exists(name)] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_in_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#\s]+)", text_of(page))
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_function_named_in_a_page_exists(page):
    names = {name for name in named_in(page) if re.fullmatch(r"mmcli(\.\w+)+", name)} - GROUPS
    missing = []
    for name in sorted(names):
        try:
            found(name)
        except (AttributeError, ModuleNotFoundError):
            missing.append(name)
    assert missing == []


def test_the_architecture_page_names_paths_and_functions():
    """The tests above would also pass on a page that names nothing."""
    names = named_in("docs/architecture.md")
    assert sum(is_path(name) for name in names) > 20
    assert sum(name.startswith("mmcli.") for name in names) > 50


def test_the_architecture_page_lists_the_layers():
    packages = text_of("docs/architecture.md").partition("## Packages")[2].partition("\n## ")[0]
    rows = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in packages.splitlines() if line.startswith("| `")]
    assert [set(row) for row in rows] == FLOORS[::-1]


def test_the_page_of_options_is_up_to_date():
    assert text_of("docs/options.md") == page_of_options(), "python -m mmcli.cli.reference > docs/options.md"
