"""The page of examples: what is on it, and that nothing in it is taken for markup."""

from html.parser import HTMLParser

from mmcli.evaluation.examples import Example, write_examples


class Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.texts, self.images = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))

    def handle_data(self, data):
        self.texts.append(data.strip())


def page_of(tmp_path, *examples):
    write_examples(tmp_path, "captioning", examples)
    page = Page()
    page.feed((tmp_path / "examples.html").read_text(encoding="utf-8"))
    return page


def test_a_page_has_what_was_predicted_what_is_true_and_the_pictures(tmp_path):
    uri = "data:image/jpeg;base64,AAAA"
    page = page_of(tmp_path, Example("s1", "a red dog", ["ein Hund läuft", "a dog"], {"photo": uri}))
    assert {"s1", "a red dog", "ein Hund läuft", "a dog", "captioning"} <= set(page.texts)
    assert page.images == [{"src": uri, "alt": "photo"}]


def test_texts_are_no_markup(tmp_path):
    evil = "<script>alert('1')</script>"
    page = page_of(tmp_path, Example(evil, evil, [evil], {'" onerror="alert(1)': '" onerror="alert(1)'}))
    assert "script" not in page.tags
    assert page.texts.count(evil) == 3
    assert page.images == [{"src": '" onerror="alert(1)', "alt": '" onerror="alert(1)'}]


def test_the_page_marks_rows_without_any_modality(tmp_path):
    assert "nothing: no modality is there" in page_of(tmp_path, Example("s1", None, ["a dog"])).texts
