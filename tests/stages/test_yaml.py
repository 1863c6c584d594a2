"""YAML that is no file of options: refused in one line, whatever it would grow to."""

from __future__ import annotations

import pytest

from mmcli.errors import MmcliError
from mmcli.stages.pipeline import read_pipeline
from mmcli.yaml_file import read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 10)}]\n" for number in range(1, 12)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 60))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "values once aliases are expanded"),
        (MERGES, "values once aliases are expanded"),
        ("a: &a [*a]\n", "values once aliases are expanded"),
        ("a: " + "[" * 5000, "not YAML"),
        ("a: " + "- " * 5000, "not YAML"),
        ("when: 2001-13-45\n", "not YAML"),
        ("n: !!int a\n", "not YAML"),
        ("n: !!float a\n", "not YAML"),
        ("n: " + "9" * 5000 + "\n", "not YAML"),
        ("a: !!python/object/apply:os.system [ls]\n", "not YAML"),
        ("? [a]\n: b\n", "not YAML"),
        ("a: \x00\n", "not YAML"),
        ("", "expected a mapping of names to values"),
        ("a\n", "expected a mapping of names to values"),
        ("a: b\n" * 300_000, "larger than"),
        ("a: b\n---\na: b\n", "not YAML"),
    ],
    ids=range(16),
)
def test_it_is_one_line(tmp_path, content, said):
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(MmcliError, match=said) as error:
        read_yaml(tmp_path / "a.yaml")
    assert len(str(error.value)) < 600
    with pytest.raises(MmcliError):
        read_pipeline(tmp_path / "a.yaml")


def test_an_alias_stands_for_what_it_names(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2]\nb: *a\nc: {<<: {d: *a}}\n")
    assert read_yaml(tmp_path / "a.yaml").content == {"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}}


@pytest.mark.parametrize("name", ["1", "true", "2020-01-01", "1.5", "null"])
def test_a_name_that_yaml_takes_for_something_else_is_refused(tmp_path, name):
    (tmp_path / "a.yaml").write_text(f"{name}: x\n")
    with pytest.raises(MmcliError, match="is not a name"):
        read_yaml(tmp_path / "a.yaml")


def test_words_that_yaml_reads_as_booleans_are_explained(tmp_path, mmcli):
    (tmp_path / "table.csv").write_text("no,on,x,y\n" + "".join(f"n{n},day,{n % 7},{'ab'[n % 2]}\n" for n in range(40)))
    told = "YAML reads yes, no, on and off as true or false: put the word in quotes"
    text = "source: table.csv\nstages:\n  - preprocess:\n      id: {}\n      text: {}\n      target: y\n"
    for values, where in (
        (("no", "'on'"), "preprocess: id: found false"), (("'no'", "on"), "preprocess: text: found true"),
        (("'no'", "[x, on]"), "preprocess: text: found true"),
    ):  # fmt: skip
        (tmp_path / "pipeline.yaml").write_text(text.format(*values))
        done = mmcli("run", "pipeline.yaml")
        assert done.code == 2
        assert where in done.err
        assert told in done.err
    (tmp_path / "config.yaml").write_text("text: on\n")
    done = mmcli("preprocess", "table.csv", "-o", "out", "--config", "config.yaml")
    assert done.code == 2
    assert f"text: found true, expected a string; {told}" in done.err
    (tmp_path / "config.yaml").write_text("lower: on\ntext: 'on'\n")
    assert mmcli("preprocess", "table.csv", "-o", "out", "--config", "config.yaml", "--target", "y").code == 0
    (tmp_path / "config.yaml").write_text("no: x\n")
    assert told in mmcli("preprocess", "table.csv", "-o", "out", "--config", "config.yaml").err
