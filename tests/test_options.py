"""Options declared once: what every way of giving them makes of the same declaration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jsonschema
import pytest

from mmcli.context import RunContext, takes
from mmcli.errors import UsageError
from mmcli.fusion import WeighsModalities
from mmcli.inference.config import PredictConfig
from mmcli.options import changed, make, option, options_of, part, schema_of, values_of
from mmcli.registry import FUSIONS
from mmcli.stages.catalogue import CATALOGUE, GROUPS, TABLE


@dataclass(frozen=True)
class Inner:
    size: int = option(3, help="How large it is.", group="Inner", least=1, most=9)
    words: Sequence[str] = option((), help="Some words.", group="Inner")


@dataclass(frozen=True)
class Outer:
    inner: Inner = part(Inner)
    other: Inner = part(Inner, without=("size", "words"))
    rate: float = option(0.5, help="A rate.", group="Outer", least=0)
    how: Literal["fast", "well"] = option("fast", help="How it is done.", group="Outer")
    place: Path | None = option(None, help="A place.", group="Outer", default_text="none", metavar="FOLDER")
    in_: str = option("x", help="A word of Python.", group="Outer", metavar="WORD")


class TestDeclared:
    def test_options_of_parts_stand_among_its_own(self):
        found = options_of(Outer)
        assert list(found) == ["size", "words", "rate", "how", "place", "in_"]
        assert found["size"].path == ("inner",)
        assert [each.flag for each in found.values()][-2:] == ["--place", "--in"]
        assert found["how"].choices == ("fast", "well")
        assert [name for name, each in found.items() if each.many] == ["words"]

    def test_values_go_where_they_are_declared(self):
        made = make(Outer, {"size": 4, "words": ["a", "b"], "how": "well", "place": Path("p")})
        assert made == Outer(Inner(4, ("a", "b")), how="well", place=Path("p"))
        assert make(Outer, {}) == Outer()
        assert make(Outer, {"words": "one"}).inner.words == ("one",)
        assert values_of(made) == {
            "size": 4, "words": ("a", "b"), "rate": 0.5, "how": "well", "place": Path("p"), "in_": "x",
        }  # fmt: skip
        assert changed(made, size=5) == Outer(Inner(5, ("a", "b")), how="well", place=Path("p"))

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"sise": 4}, "unknown option 'sise'; did you mean 'size'"),
            ({"size": 0}, "--size 0: expected at least 1 and at most 9"),
            ({"size": 10}, "--size 10: expected at least 1 and at most 9"),
            ({"rate": -0.1}, "--rate -0.1: expected at least 0"),
            ({"rate": float("nan")}, "--rate nan: expected a number"),
            ({"how": "slow"}, "--how slow: expected one of fast, well"),
        ],
    )
    def test_invalid_values_are_refused(self, values, said):
        with pytest.raises(UsageError) as error:
            make(Outer, values)
        assert str(error.value).startswith(said)

    @pytest.mark.parametrize(
        ("name", "value", "found"),
        [
            ("size", 4, 4), ("size", "4", 4), ("words", "a", ("a",)), ("words", ["a", 1], ("a", "1")),
            ("rate", 1, 1.0), ("rate", "1e-3", 1e-3), ("how", "well", "well"), ("place", "a/b", Path("a/b")),
            ("place", "none", None),
        ],
    )  # fmt: skip
    def test_files_hold_words_and_numbers(self, name, value, found):
        assert options_of(Outer)[name].read("a.yaml, line 1: x", value) == found

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("size", "big", "a.yaml, line 1: x=big: expected a number"),
            ("size", 10, "a.yaml, line 1: x: 10: expected at least 1 and at most 9"),
            ("how", False, "a.yaml, line 1: x: found false, expected a string; YAML reads"),
            ("words", [True], "a.yaml, line 1: x: found true, expected a string; YAML reads"),
            ("how", None, "a.yaml, line 1: x: expected a value, found None"),
            ("rate", {"a": 1}, "a.yaml, line 1: x: expected a value, found {'a': 1}"),
        ],
    )
    def test_and_nothing_else(self, name, value, said):
        with pytest.raises(UsageError) as error:
            options_of(Outer)[name].read("a.yaml, line 1: x", value)
        assert str(error.value).startswith(said)

    def test_a_stage_takes_a_config_or_keywords(self):
        @takes(Outer)
        def stage(source, config, context):
            return source, config, context.jobs

        assert stage("s", Outer(), RunContext()) == ("s", Outer(), None)
        assert stage("s", rate=1.0, jobs=2) == ("s", Outer(rate=1.0), 2)
        with pytest.raises(UsageError, match="unknown option 'ratte'"):
            stage("s", ratte=1.0)
        with pytest.raises(UsageError, match="--jobs 0: expected at least 1"):
            stage("s", jobs=0)


class TestMetavar:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [("size", "N"), ("words", "VALUE"), ("rate", "X"), ("how", "fast|well"), ("place", "FOLDER"), ("in_", "WORD")],
    )
    def test_it_says_what_to_type(self, name, shown):
        assert options_of(Outer)[name].metavar == shown

    def test_a_schema_shows_it_as_title(self):
        found = schema_of(Outer)["properties"]
        assert (found["place"]["title"], found["in"]["title"]) == ("place: FOLDER", "in: WORD")
        assert "title" not in found["rate"]


class TestSchema:
    def accepts(self, value):
        try:
            jsonschema.validate(value, schema_of(Outer))
        except jsonschema.ValidationError:
            return False
        return True

    @pytest.mark.parametrize(
        "value",
        [
            {}, {"size": 4}, {"size": 10}, {"size": "big"}, {"words": "a"}, {"words": ["a", "b"]}, {"words": [True]},
            {"rate": 0}, {"rate": -1}, {"how": "well"}, {"how": "slow"}, {"how": False}, {"sise": 4}, {"in": "y"},
        ],
        ids=str,
    )  # fmt: skip
    def test_it_takes_what_a_file_may_say(self, value):
        try:
            for key, each in value.items():
                {option.dashed: option for option in options_of(Outer).values()}[key].read("", each)
        except (KeyError, UsageError):
            assert not self.accepts(value)
        else:
            assert self.accepts(value)


class TestCatalogue:
    @pytest.mark.parametrize("spec", CATALOGUE.values(), ids=lambda spec: spec.name)
    def test_a_command_says_what_a_person_needs(self, spec):
        assert 20 <= len(spec.summary) <= 80
        assert spec.summary.endswith(".")
        assert spec.group in GROUPS
        assert spec.examples
        assert all(f"mmcli {spec.name}" in example for example in spec.examples)
        assert callable(spec.load())
        assert set(spec.reads) <= {TABLE, *CATALOGUE}
        for each in options_of(spec.config).values():
            help = each.declared.help
            assert (
                help[0].isupper()
                or help.split()[0].rstrip(":,") in (*each.choices, "auto", "network", "weights")
                or "=" in help.split(":")[0]
            ), help
            assert help.endswith("."), f"{each.flag}: {help}"
            assert each.metavar != "VALUE", f"{each.flag}: says nothing of what to type"

    def test_explain_names_the_methods_that_weigh(self):
        weighing = {name for name in FUSIONS.names() if issubclass(FUSIONS.load(name), WeighsModalities)}
        said = options_of(PredictConfig)["explain"].declared.help.partition("works with ")[2].partition(".")[0]
        assert set(said.replace(" and ", ", ").split(", ")) == weighing

    def test_the_schema_takes_the_pipeline_of_the_sample_data(self, mmcli):
        import yaml

        from tests.conftest import SAMPLE

        schema = json.loads(mmcli("schema").out)
        jsonschema.Draft7Validator.check_schema(schema)
        pipeline = yaml.safe_load((SAMPLE / "pipeline.yaml").read_text())
        jsonschema.validate(pipeline, schema)
        for wrong in (
            {"source": "a.csv"},
            {**pipeline, "stage": []},
            {**pipeline, "stages": [{"train": {"epoch": 3}}]},
        ):
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(wrong, schema)


class TestHelp:
    @pytest.mark.parametrize("spec", CATALOGUE.values(), ids=lambda spec: spec.name)
    def test_it_lists_the_common_options_and_all_of_them_if_asked(self, mmcli, spec):
        whole, short = mmcli(spec.name, "--help-all").out, mmcli(spec.name, "--help").out.partition("Examples:")[0]
        for each in options_of(spec.config).values():
            assert f"{each.flag} " in f"{whole} " or f"{each.flag}\n" in whole
            listed = any(line.split() and each.flag in line.split() for line in short.splitlines())
            assert listed is not each.declared.rare, each.flag
        assert short.splitlines()[0].startswith(f"Usage: mmcli {spec.name}")
        assert spec.examples[-1] in whole

    def test_usage_shows_required_and_optional_arguments(self, mmcli):
        told = {name: mmcli(name, "--help").out for name in ("list", "clean", "search")}
        first = {name: text.splitlines()[0] for name, text in told.items()}
        assert first == {
            "list": "Usage: mmcli list [WHAT] [OPTIONS]",
            "clean": "Usage: mmcli clean [FOLDER] [OPTIONS]",
            "search": "Usage: mmcli search MODEL [QUERIES]... --in SOURCE [OPTIONS]",
        }
        assert "[default: all]" in " ".join(told["list"].split())
        assert "[required]" in told["search"]

    def test_commands_stand_in_groups_and_no_summary_is_cut(self, mmcli):
        text = mmcli("--help").out
        assert [text.index(f"{group}:") for group in GROUPS] == sorted(text.index(f"{group}:") for group in GROUPS)
        words = " ".join(text.split())
        assert all(spec.summary in words for spec in CATALOGUE.values())

    def test_misspelt_names_get_a_suggestion(self, mmcli):
        wrong = mmcli("train", "x", "-o", "y", "--epoch", "3")
        assert (wrong.code, "--epochs" in wrong.err) == (2, True)
        wrong = mmcli("trian", "x")
        assert (wrong.code, "train" in wrong.err) == (2, True)
