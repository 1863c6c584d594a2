import pytest

from tests.forms.catalogue import GROUPS, PAGE, TABLES, page, run_all

CASES = [(title, form) for title, (_, forms) in GROUPS.items() for form in forms]
TABLE_CASES = [(title, form) for title, forms in TABLES.items() for form in forms]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    return run_all(tmp_path_factory.mktemp("forms"))


@pytest.mark.parametrize(("title", "form"), CASES, ids=[f"{title}-{form.name}" for title, form in CASES])
def test_an_input_has_the_right_answer(outcome, title, form):
    result = outcome[0][title][form.name]
    assert (result.status, result.reason) == (form.status, form.reason)
    assert (form.right is not None) == (form.status == "ok")
    if form.right is not None:
        form.right(result.values)


@pytest.mark.parametrize(("title", "form"), TABLE_CASES, ids=[f"{title}-{form.name}" for title, form in TABLE_CASES])
def test_a_table_is_read_correctly_or_refused(outcome, title, form):
    result = outcome[1][title][form.name]
    assert result == (form.message if form.rows is None else list(form.rows))


def test_names_are_unique():
    for title in {**GROUPS, **TABLES}:
        names = [form.name for where, form in [*CASES, *TABLE_CASES] if where == title]
        assert len(names) == len(set(names))


def test_the_page_is_up_to_date(outcome):
    assert PAGE.read_text() == page(*outcome), "run python -m tests.forms"
