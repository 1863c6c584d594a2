"""The page of a report without a browser: what it says, that nothing in it is taken for markup, and its bytes."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pytest

from mmcli.errors import MmcliError
from mmcli.reports.charts.axes import number_text
from mmcli.reports.folder import ReportFolder
from mmcli.reports.markdown import plain, table
from mmcli.stages.evaluate import evaluate
from mmcli.stages.report import report as write_page
from tests.reports.conftest import CLASSES, COLUMN, NAMES, TEXTS

VOID = {"meta", "img", "br", "input", "link", "rect", "circle", "path"}
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "h4", "p", "div", "nav", "ul",
    "li", "main", "section", "span", "figure", "figcaption", "svg", "desc", "rect", "path", "circle", "text", "table",
    "caption", "thead", "tbody", "tr", "th", "td", "details", "summary", "dl", "dt", "dd", "button", "article", "bdi",
    "strong", "img", "audio", "ol", "code", "script", "footer",
}  # fmt: skip


class Page(HTMLParser):
    """The tags, attributes and texts of a page, as a browser would find them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.values, self.inside = [], [], [], {}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *each) for each in attrs]
        self.inside.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        self.texts.append(data)
        if self.inside and "data-value" in self.inside[-1][1]:
            self.values[self.inside[-1][1]["data-value"]] = data


@pytest.fixture(scope="module")
def page(report):
    return Page((report / "report.html").read_text(encoding="utf-8"))


def test_numbers_are_those_of_the_metrics(page, metrics):
    assert page.values == {f"metrics.{name}": number_text(value) for name, value in metrics["metrics"].items()}
    told = " ".join(page.texts)
    low, high = metrics["intervals"]["accuracy"]
    assert f"accuracy is {metrics['metrics']['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f})" in told
    for own in metrics["classes"].values():
        assert f"{own['f1']:.3f}" in page.texts


def test_samples_classes_texts_and_columns_are_texts(page):
    shown = {text.strip() for text in page.texts}
    assert {name for name in NAMES if any(text.startswith(name) for text in shown)} == set(NAMES)
    assert set(CLASSES) <= shown
    assert set(TEXTS) <= shown
    assert COLUMN in shown


def test_there_is_no_tag_and_no_attribute_but_the_pages_own(page):
    assert set(page.tags) <= ALLOWED
    assert page.tags.count("script") == 1 + page.tags.count("script[data]") + sum(
        tag == "script" and name == "type" for tag, name, _ in page.attributes
    )
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name == "style"]
    places = [value for _, name, value in page.attributes if name in ("src", "href", "data", "action", "poster")]
    assert {re.match(r"#|data:(image/webp|audio/mpeg|audio/wav);base64,", place) is not None for place in places} == {
        True
    }


def test_the_policy_allows_this_style_and_this_script_and_no_request(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1].replace("&#39;", "'")
    for tag, inside in (("style", r"<style>(.*?)</style>"), ("script", r"<script>(.*?)</script>")):
        (content,) = re.findall(inside, text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_json_in_the_page_reads_back(report):
    text = (report / "report.html").read_text(encoding="utf-8")
    (told,) = re.findall(r'<script type="application/json" id="map-points">(.*?)</script>', text, re.DOTALL)
    assert "<" not in told
    points, found = json.loads(told), json.loads((report / "map.json").read_text())
    assert points == {name: found[name] for name in ("rows", "true", "predicted", "ids")}


def test_the_same_command_gives_the_same_files(hostile, report, tmp_path, monkeypatch):
    evaluate(
        hostile / "model", str(hostile / "features"), tmp_path / "again", by=[COLUMN],
        fail_if=["accuracy<0", "ece>2"], jobs=1,
    )  # fmt: skip
    names = {path.relative_to(report) for path in report.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path / "again") for path in (tmp_path / "again").rglob("*") if path.is_file()} == names
    differ = [name for name in names if (report / name).read_bytes() != (tmp_path / "again" / name).read_bytes()]
    assert [str(name) for name in differ] in ([], ["run.json"])


def test_a_page_is_rendered_again_from_the_folder_alone(report, tmp_path):
    write_page(report, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes() == (report / "report.html").read_bytes()
    write_page(report, tmp_path / "page.md")
    assert (tmp_path / "page.md").read_bytes() == (report / "report.md").read_bytes()


def test_reports_stand_side_by_side_and_a_model_has_a_page(hostile, report, metrics, tmp_path):
    evaluate(hostile / "model", str(hostile / "features"), tmp_path / "val", split="val", map=["none"], max_examples=3)
    write_page([report, tmp_path / "val", hostile / "model"], tmp_path / "both.html")
    both = Page((tmp_path / "both.html").read_text(encoding="utf-8"))
    told = " ".join(both.texts)
    assert "cannot be compared directly" in told
    assert f"{metrics['metrics']['accuracy']:.3f}" in both.texts
    ids = [value for _, name, value in both.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert "2-fold cross-validation on" in told


def test_markdown_has_the_result_the_gates_and_each_class(report, metrics):
    text = (report / "report.md").read_text(encoding="utf-8")
    low, high = metrics["intervals"]["accuracy"]
    majority = metrics["baselines"]["majority"]["accuracy"]
    assert f"| accuracy | {metrics['metrics']['accuracy']:.3f} | {low:.3f} … {high:.3f} | {majority:.3f} |" in text
    assert "| ece&gt;2 |" in text
    for name, own in metrics["classes"].items():
        assert f"| {plain(name)} | {own['precision']:.3f} |" in text
    assert "<script" not in text
    assert "<img" not in text


def test_markdown_tables_keep_their_columns():
    lines = table(["a|b", "n"], [["x\ny", "1"], ["`_z_` *w* <b> @all", "2"]]).splitlines()
    assert lines == [
        "| a\\|b | n |",
        "| --- | ---: |",
        "| x y | 1 |",
        "| \\`\\_z\\_\\` \\*w\\* &lt;b&gt; @&#8203;all | 2 |",
    ]
    assert plain("image_to_text_recall@10") == "image_to_text_recall@10"


def test_plots_are_vector_and_pixel_files_without_a_date(report):
    plots = sorted(path.name for path in (report / "plots").iterdir())
    stems = {name.rpartition(".")[0] for name in plots}
    assert {"confusion", "roc", "precision_recall", "calibration", "shapley", "subsets", "map_pca", "map_tsne"} <= stems
    assert plots == sorted(f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "png"))
    for path in (report / "plots").glob("*.svg"):
        assert "<script" not in path.read_text(encoding="utf-8")
    for path in (report / "plots").glob("*.png"):
        assert b"Software" not in path.read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("features", "-o", "x.html"), "an artifact of extract-features, expected a report"),
        (("report", "-o", "x.pdf"), "expected a file that ends in .html or .md"),
        (("report", "model", "-o", "x.md"), "Markdown is of one folder"),
        (("nothing", "-o", "x.html"), "no such artifact"),
    ],
)
def test_mistakes_are_one_line(hostile, mmcli, tmp_path, options, words):
    folders = [hostile / each if each in ("features", "report", "model", "nothing") else each for each in options]
    done = mmcli("report", *folders)
    assert done.code in (1, 2)
    (error,) = done.err.splitlines()
    assert words in error
    assert not list(tmp_path.iterdir())


def test_an_unknown_map_is_an_error_before_anything_is_computed(hostile, mmcli):
    done = mmcli("evaluate", hostile / "model", hostile / "features", "-o", "r", "--map", "tnse")
    assert done.code == 2
    assert "unknown method in --map 'tnse'; did you mean 'tsne'" in done.err


@pytest.mark.parametrize("name", ["curves.json", "metrics.json", "examples.jsonl"])
def test_a_damaged_report_is_one_line(report, tmp_path, mmcli, name):
    shutil.copytree(report, tmp_path / "r")
    (tmp_path / "r" / name).write_text("{}\n")
    done = mmcli("report", "r", "-o", "x.html")
    assert done.code == 1
    assert f"r/{name}: has changed since it was written" in done.err
    (tmp_path / "r" / name).unlink()
    done = mmcli("report", "r", "-o", "x.html")
    assert done.code == 1
    assert f"r/{name}: is missing" in done.err
    assert not (tmp_path / "x.html").exists()


def test_only_media_of_the_report_are_read(report):
    with pytest.raises(MmcliError, match=r"no medium '\.\./table\.csv'"):
        ReportFolder(report).data_uri("../table.csv")


def test_each_of_several_targets_has_its_part(hostile, tmp_path):
    from mmcli.stages.train import train

    train(str(hostile / "features"), tmp_path / "model", target=["kind", "size"], epochs=1)
    done = evaluate(tmp_path / "model", str(hostile / "features"), tmp_path / "report", map=["pca"])
    page = Page((tmp_path / "report/report.html").read_text(encoding="utf-8"))
    told = " ".join(page.texts)
    for metric in ("kind.accuracy", "size.r2"):
        assert f"The model's {metric} is {number_text(done.metrics['metrics'][metric])}" in told
    headings = {value for tag, name, value in page.attributes if tag == "section" and name == "id"}
    assert {"headline", "confusion", "numbers", "samples", "curves", "row_map"} <= headings
    assert {"confusion_kind.svg", "scatter_size.svg"} <= {path.name for path in (tmp_path / "report/plots").iterdir()}
