"""Pages opened in Chromium: nothing fails, nothing is requested, everything is there and can be used."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PROGRAM = next(filter(None, map(shutil.which, PROGRAMS)), None)
PACKAGES = ("playwright", "axe_playwright_python")
LACKING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
WHY = "no Chromium on this machine (Debian: apt-get install chromium)" if PROGRAM is None else f"no {LACKING}"
pytestmark = pytest.mark.skipif(PROGRAM is None or bool(LACKING), reason=WHY)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="module")
def opened(browser, report):
    """The page of the hostile report, with what went wrong and what was asked for while it was opened and used."""
    page = browser.new_page()
    wrong, asked = [], []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((report / "report.html").as_uri())
    yield page
    page.close()
    assert wrong == []
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in asked if url.startswith("file:")]) == 1


def test_every_section_is_there(opened):
    found = opened.eval_on_selector_all("main section", "all => all.map(each => each.id)")
    assert found == [
        "headline", "gates", "confusion", "samples", "classes", "curves", "calibration", "uncertainty", "modalities",
        "groups",
        "row_map", "training", "ledger", "origin",
    ]  # fmt: skip
    assert opened.eval_on_selector_all("nav a", "all => all.map(each => each.hash.slice(1))") == found


def test_names_are_shown_as_they_are(opened, report):
    import json

    ids = {json.loads(line)["id"] for line in (report / "examples.jsonl").read_text().splitlines()}
    shown = opened.eval_on_selector_all("article h4 bdi", "all => all.map(each => each.textContent)")
    assert set(shown) == ids
    assert opened.evaluate("document.querySelectorAll('h4 script, h4 b, td img, th img, bdi > *').length") == 0


def test_a_cell_shows_its_samples_by_click_and_by_keyboard(opened, report):
    import json

    rows = [json.loads(line) for line in (report / "predictions.jsonl").read_text().splitlines()]
    first = opened.locator("table.matrix button").first
    label = first.get_attribute("aria-label")
    first.click()
    panel = opened.locator("#confusion-samples")
    assert panel.is_visible()
    assert panel.locator("h3").text_content() == label
    true, predicted = (
        opened.locator(f"table.matrix {place}").text_content()
        for place in ("tbody tr:first-child th", "thead th:nth-child(2)")
    )
    wanted = [row["id"] for row in rows if (row["target"], row["label"]) == (true, predicted)]
    assert panel.locator("h4 bdi").all_text_contents() == wanted
    assert len(wanted) == int(first.text_content())
    opened.keyboard.press("ArrowDown")
    opened.keyboard.press("ArrowRight")
    focused = opened.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused.startswith("true ")
    assert focused != label
    opened.keyboard.press("Enter")
    assert panel.locator("h3").text_content() == focused
    opened.keyboard.press("Enter")
    assert not panel.is_visible()


def test_points_of_the_map_show_their_samples(opened):
    opened.locator(".map").first.focus()
    opened.keyboard.press("ArrowRight")
    panel = opened.locator("#row_map .panel")
    one = panel.locator("h4").text_content()
    assert panel.locator("img, audio").count() >= 1
    opened.keyboard.press("ArrowRight")
    assert panel.locator("h4").text_content() != one
    assert panel.locator("h3").text_content().startswith(panel.locator("h4").text_content())


def test_media_are_decoded(opened):
    opened.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    opened.evaluate("Promise.all([...document.images].map(each => (each.loading = 'eager', each.decode())))")
    assert opened.evaluate("[...document.images].every(each => each.naturalWidth > 0)")
    length = opened.evaluate(
        "new Promise((done, fail) => { const a = document.querySelector('audio').cloneNode(); a.preload = 'auto';"
        "a.onloadedmetadata = () => done(a.duration); a.onerror = () => fail('no sound'); a.load(); })"
    )
    assert length == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened, scheme):
    from axe_playwright_python.sync_playwright import Axe

    opened.emulate_media(color_scheme=scheme)
    found = Axe().run(opened).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in serious] == []


def test_nothing_is_wider_than_a_phone(opened):
    opened.set_viewport_size({"width": 400, "height": 800})
    assert opened.evaluate("document.documentElement.scrollWidth") == 400


def test_reports_side_by_side_open_without_a_fault(browser, hostile, report, tmp_path):
    from mmcli.stages.report import report as write_page

    write_page([report, report, hostile / "model"], tmp_path / "both.html")
    page, wrong = browser.new_page(), []
    page.on("console", lambda message: wrong.append(message.text))
    page.goto((tmp_path / "both.html").as_uri())
    page.locator("#r2-report > summary").click()
    page.locator("#r2-confusion table.matrix button").first.click()
    assert page.locator("#r2-confusion-samples h4").count() > 0
    assert page.locator("#r1-confusion-samples h4").count() == 0
    assert wrong == []
    page.close()
