"""Taking in raw tables: ids are unique, splits known, targets there, or a message that says which line is not so."""

from __future__ import annotations

import json
import math
from contextlib import contextmanager
from dataclasses import replace

import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.store.sources import opening
from mmcli.tables import intake as intake_module
from mmcli.tables.intake import take_in
from mmcli.tables.kinds import infer_kinds
from mmcli.tables.modality_flags import plan_modalities
from tests.configs import intake_config


class Listening:
    """A Reporter that remembers."""

    def __init__(self):
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text):
        self.notes.append(text)

    def warn(self, text):
        self.warnings.append(text)

    @contextmanager
    def progress(self, label, total):
        yield self


@pytest.fixture
def listening():
    return Listening()


@pytest.fixture
def intake(tmp_path, listening):
    """Write a table and take it in: CSV where it is text, JSON lines where it is rows."""

    def call(content, **options):
        name = "a.csv" if isinstance(content, str) else "a.jsonl"
        text = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
        (tmp_path / name).write_text(text, encoding="utf-8")
        return take_in(str(tmp_path / name), intake_config(**options), listening)

    return call


def table(count, split="train", label="x"):
    return [{"id": f"s{n}", "split": split, "text": f"t {n}", "label": label} for n in range(count)]


class TestRoles:
    @pytest.mark.parametrize("name", ["id", "ID", "Id"])
    def test_the_id_is_the_column_id(self, intake, name):
        found = intake([{name: f"s{n}", "text": "t", "split": ("train", "val")[n % 2]} for n in range(4)])
        assert found.roles.id == name
        assert [row[name] for row in found.rows] == ["s0", "s1", "s2", "s3"]

    def test_or_the_one_named(self, intake):
        rows = [{"id": "same", "key": f"k{n}", "split": "train"} for n in range(40)]
        assert intake(rows, id="key").roles.id == "key"

    def test_or_the_number_of_the_row(self, intake, listening):
        found = intake("text,split\na,train\nb,val\n")
        assert found.roles.id == "id"
        assert [row["id"] for row in found.rows] == ["0", "1"]
        assert any("no id column" in note for note in listening.notes)

    def test_a_column_that_is_not_there(self, intake):
        with pytest.raises(MmcliError, match=r"a\.csv: unknown column 'lable'; did you mean 'label'\?.*id, label"):
            intake("id,label\na,x\n", target="lable")

    @pytest.mark.parametrize("option", ["id", "split", "target", "stratify", "group_by"])
    def test_of_any_option(self, intake, option):
        with pytest.raises(MmcliError, match="unknown column 'none'"):
            intake("id,label\na,x\n", **{option: "none"})

    @pytest.mark.parametrize("name", ["target", "label", "Class", "category", "y"])
    def test_the_target_is_found_by_its_name(self, intake, listening, name):
        assert intake(f"id,{name},split\na,x,train\nb,y,val\n").roles.target == name
        assert any(name in note and "--target" in note for note in listening.notes)

    def test_no_target_is_inferred_from_other_columns(self, intake):
        assert intake("id,text,split\na,x,train\nb,y,val\n").roles.target is None

    def test_splits_of_the_column_split(self, intake):
        found = intake("id,Split\na,Training\nb, VAL\nc,testing\nd,dev\n")
        assert found.roles.split == "Split"
        assert [row["Split"] for row in found.rows] == ["train", "val", "test", "val"]
        assert found.splits == {"train": 1, "val": 2, "test": 1}

    def test_made_where_there_is_no_such_column(self, intake, listening):
        rows = [{"id": f"s{n}", "text": "t"} for n in range(300)]
        found = intake(rows)
        assert found.roles.split == "split"
        assert found.splits.total() == 300
        assert all(found.splits[split] > 10 for split in ("train", "val", "test"))
        assert any("0.8,0.1,0.1" in note for note in listening.notes)

    def test_a_ratio_makes_them_anew_and_leaves_the_column(self, intake):
        found = intake(table(300, split="test"), split_ratio="0.5,0.2,0.3")
        assert found.roles.split != "split"
        assert {row["split"] for row in found.rows} == {"test"}
        assert abs(found.splits["train"] - 150) < 45
        assert [row[found.roles.split] for row in found.rows].count("val") == found.splits["val"]

    def test_then_the_old_splits_are_no_input(self, intake, listening):
        """What a benchmark says of its rows is nothing to learn from."""
        rows = [{**row, "split": ("train", "test")[n % 2]} for n, row in enumerate(table(300))]
        found = intake(rows, split_ratio="0.8,0.1,0.1")
        assert set(plan_modalities({}, found, listening)) == {"text"}

    def test_a_ratio_and_a_column_exclude_each_other(self, intake):
        with pytest.raises(UsageError, match="cannot be combined"):
            intake(table(4), split="split", split_ratio="0.8,0.1,0.1")

    def test_an_unknown_split_is_named_by_its_line(self, intake):
        with pytest.raises(MmcliError, match=r"a\.csv, line 3, column 'split': unknown split 'trian'"):
            intake("id,split\na,train\nb,trian\n")

    def test_groups_are_whole(self, intake):
        rows = [{"id": f"s{n}", "who": f"p{n % 40}", "text": "t"} for n in range(400)]
        found = intake(rows, group_by="who")
        pairs = {(row["who"], row["split"]) for row in found.rows}
        assert len(pairs) == 40
        assert len({split for _, split in pairs}) == 3
        assert found.roles.group == "who"

    def test_strata_keep_their_shares(self, intake):
        rows = [{"id": f"s{n}", "label": "rare" if n % 20 == 0 else "common", "text": "t"} for n in range(400)]
        found = intake(rows, stratify="label", split_ratio="0.5,0.25,0.25")
        counts = {
            split: sum(row["label"] == "rare" and row[found.roles.split] == split for row in found.rows)
            for split in found.splits
        }
        assert abs(counts["train"] - 10) <= 1
        assert abs(counts["val"] - 5) <= 1
        assert abs(counts["test"] - 5) <= 1


class TestRows:
    def test_raw_columns_are_untouched_and_in_order(self, intake):
        rows = [
            {"text": " Spaced  é\u2028", "id": "a", "n": 1.50, "label": 0, "list": [1, None], "split": "train"},
            {"id": 7, "label": 1, "other": "new", "split": "val"},
            {"split": "test", "id": " c "},
        ]
        found = intake(rows)
        assert [list(row.items()) for row in found.rows] == [
            sorted(row.items(), key=lambda item: item[0] != "id") for row in rows
        ]
        assert found.columns == ["text", "id", "n", "label", "list", "split", "other"]
        assert found.head == rows

    def test_a_table_longer_than_the_sample(self, intake):
        found = intake(table(2500))
        assert len(found.rows) == 2500
        assert [row["id"] for row in found.rows] == [f"s{n}" for n in range(2500)]
        assert len(found.head) == 1000

    def test_limit(self, intake):
        found = intake(table(30), limit=20)
        assert [row["id"] for row in found.rows] == [f"s{n}" for n in range(20)]

    def test_rows_past_the_limit_are_not_checked(self, intake):
        assert len(intake([*table(30), {"row": 3}], limit=30).rows) == 30

    @pytest.mark.parametrize("content", ["id,text\n", "id,text\n\n\n"])
    def test_no_rows(self, intake, content):
        with pytest.raises(MmcliError, match=r"a\.csv: no rows;"):
            intake(content)

    @pytest.mark.parametrize("name", ["artifact", "row", "status"])
    def test_reserved_columns_are_refused(self, intake, name):
        with pytest.raises(MmcliError, match=rf"a\.csv, line 2: the column name '{name}' is reserved.*rename"):
            intake(f"id,{name},split\na,3,train\n")

    def test_but_taken_off_rows_that_a_stage_wrote(self, intake):
        rows = [{"artifact": "/x", **row, "row": n, "status": {"text": "ok"}} for n, row in enumerate(table(30))]
        assert next(iter(intake(rows).rows)).keys() == {"id", "split", "text", "label"}


class TestIds:
    def test_one_that_stands_twice_is_named_with_both_places(self, intake):
        with pytest.raises(MmcliError, match=r"a\.csv, line 3 and line 6: both have the id 'b';.*--id"):
            intake("id,split\na,train\nb,train\nc,train\nd,train\nb,train\ne,val\n")

    def test_a_number_and_its_text_are_one_id(self, intake):
        with pytest.raises(MmcliError, match=r"line 1 and line 3: both have the id '1'"):
            intake([{"id": 1, "split": "train"}, {"id": 2, "split": "train"}, {"id": "1", "split": "val"}])

    @pytest.mark.parametrize("cell", ["", "  ", None, math.nan])
    def test_an_empty_one(self, intake, cell):
        with pytest.raises(MmcliError, match=r"a\.jsonl, line 2: the id \(column 'id'\) is empty"):
            intake([{"id": "a", "split": "train"}, {"id": cell, "split": "train"}])

    def test_one_that_is_no_text(self, intake):
        with pytest.raises(MmcliError, match=r"a\.jsonl"):
            intake([{"id": "a", "text": "t"}, {"id": "\ud800", "text": "t"}])

    def test_late_in_a_long_table(self, intake):
        rows = [*table(1500), {**table(1)[0], "id": "s7"}]
        with pytest.raises(MmcliError, match=r"line 8 and line 1501: both have the id 's7'"):
            intake(rows)


class TestTargets:
    @pytest.mark.parametrize("split", ["train", "val"])
    @pytest.mark.parametrize("cell", ["", "  ", None, math.nan])
    def test_an_empty_one_is_an_error_that_names_line_and_sample(self, intake, split, cell):
        rows = [*table(3), {"id": "b", "split": split, "text": "t", "label": cell}]
        with pytest.raises(
            MmcliError, match=rf"a\.jsonl, line 4: sample 'b' is in {split} and its target \(column 'label'\) is empty"
        ):
            intake(rows)

    def test_so_is_one_that_is_not_there(self, intake):
        with pytest.raises(MmcliError, match=r"line 4: sample 'b'"):
            intake([*table(3), {"id": "b", "split": "train", "text": "t"}])

    @pytest.mark.parametrize("cell", ["", None, math.nan])
    def test_test_rows_may_have_empty_targets(self, intake, cell):
        rows = [*table(3), {"id": "v", "split": "val", "label": "x"}, {"id": "b", "split": "test", "label": cell}]
        assert intake(rows).splits == {"train": 3, "val": 1, "test": 1}

    @pytest.mark.parametrize("cell", [0, False, "0", 0.0])
    def test_zero_is_not_empty(self, intake, cell):
        assert intake(table(40, label=cell)).splits.total() == 40


class TestVal:
    def test_15_percent_of_train_become_val_if_there_is_none(self, intake, listening):
        found = intake([*table(1000), *({**row, "id": "t" + row["id"]} for row in table(50, split="test"))])
        assert found.splits["test"] == 50
        assert found.splits["train"] + found.splits["val"] == 1000
        assert abs(found.splits["val"] - 150) < 5 * math.sqrt(1000 * 0.15 * 0.85)
        assert [row["split"] for row in found.rows].count("val") == found.splits["val"]
        assert any(f"{found.splits['val']} of the train rows set aside (15%" in note for note in listening.notes)

    def test_test_rows_do_not_matter(self, intake):
        """Which rows validate says nothing of, and learns nothing from, the test rows."""
        one = {row["id"] for row in intake(table(200)).rows if row["split"] == "val"}
        two = {
            row["id"]
            for row in intake([*({**row, "id": "t" + row["id"]} for row in table(70, split="test")), *table(200)]).rows
            if row["split"] == "val"
        }
        assert one == two

    def test_by_group(self, intake):
        rows = [{**row, "who": f"p{n % 40}"} for n, row in enumerate(table(400))]
        pairs = {(row["who"], row["split"]) for row in intake(rows, group_by="who").rows}
        assert len(pairs) == 40
        assert {split for _, split in pairs} == {"train", "val"}

    def test_one_val_row_is_enough_to_leave_the_others(self, intake, listening):
        found = intake([*table(200), {"id": "v", "split": "val", "label": "x"}])
        assert found.splits == {"train": 200, "val": 1}
        assert not any("set aside" in note for note in listening.notes)

    @pytest.mark.parametrize("number", range(40))
    def test_the_only_train_row_is_not_set_aside(self, intake, number):
        """Nothing can be learnt from val rows alone: the row stays where it is, or the table is refused."""
        try:
            train = intake([{"id": f"s{number}", "split": "train", "label": "x"}]).splits["train"]
        except MmcliError as error:
            train = str(error)
        assert train == 1 or "train rows" in train

    def test_no_train_rows(self, intake):
        with pytest.raises(MmcliError, match=r"a\.jsonl: no train rows \(found 3 test\)"):
            intake(table(3, split="test"))

    def test_seeds_choose_differently(self, intake):
        chosen = {
            seed: frozenset(row["id"] for row in intake(table(200), seed=seed).rows if row["split"] == "val")
            for seed in (0, 1)
        }
        assert chosen[0] != chosen[1]


class TestPlan:
    """From flags to modalities."""

    ROWS = [  # noqa: RUF012
        {"id": f"s{n}", "split": "train", "review": f"so many words {n}", "photo": f"{n}.png", "a_1": n, "a_2": n,
         "b": "xy"[n % 2], "label": "x"}
        for n in range(40)
    ]  # fmt: skip

    def plan(self, intake, listening, **flags):
        return plan_modalities(flags, intake(self.ROWS), listening)

    def test_kinds_are_inferred_where_no_flag_is_given(self, intake, listening):
        plans = self.plan(intake, listening)
        assert {name: (plan.kind, plan.columns) for name, plan in plans.items()} == {
            "review": ("text", ("review",)),
            "photo": ("image", ("photo",)),
            "table": ("table", ("a_1", "a_2", "b")),
        }
        assert plans["table"].extra == {"numeric": ("a_1", "a_2"), "categorical": ("b",)}
        assert any("review text" in note and "b categorical" in note for note in listening.notes)

    def test_names_and_patterns(self, intake, listening):
        plans = self.plan(intake, listening, text=["words=review"], numeric=["sound=a_*"], categorical=["b"])
        assert {name: (plan.kind, plan.columns) for name, plan in plans.items()} == {
            "words": ("text", ("review",)),
            "sound": ("tensor", ("a_1", "a_2")),
            "table": ("table", ("b",)),
        }

    def test_one_column_named_twice_by_patterns_is_once_in_the_table(self, intake, listening):
        assert self.plan(intake, listening, numeric=["a_*", "a_1"])["table"].columns == ("a_1", "a_2")

    def test_tensors_are_columns_or_files(self, intake, listening):
        plans = self.plan(intake, listening, tensor=["photo", "more=far/array.npy"])
        assert (plans["photo"].columns, plans["more"].extra) == (("photo",), {"array": "far/array.npy"})

    def test_names_that_no_tensor_can_have(self, intake, listening):
        plans = self.plan(intake, listening, text=["a/b: c.d=review"])
        assert list(plans) == ["a_b_c_d"]

    @pytest.mark.parametrize(
        "flags",
        [
            {"text": ["revew"]},
            {"numeric": ["c_*"]},
            {"tensor": ["none.npy"]},
            {"text": ["x=review"], "image": ["x=photo"]},
            {"text": ["a b=review", "a/b=photo"]},
            {"text": ["table=review"], "numeric": ["a_1"]},
            {"text": ["=review"]},
            {"text": ["x="]},
            {"categorical": ["x=b"]},
        ],
    )
    def test_mistakes(self, intake, listening, flags):
        with pytest.raises(MmcliError):
            self.plan(intake, listening, **flags)

    def test_nothing_to_learn_from(self, intake, listening):
        found = intake([{"id": f"s{n}", "split": "train", "label": "x"} for n in range(40)])
        with pytest.raises(MmcliError, match="no column to learn from"):
            plan_modalities({}, found, listening)

    def test_roles_are_no_inputs(self, intake, listening):
        rows = [{**row, "who": f"p {n % 3}"} for n, row in enumerate(table(40))]
        assert set(plan_modalities({}, intake(rows, group_by="who"), listening)) == {"text"}

    def test_a_column_that_the_first_row_lacks_is_an_input(self, intake, listening):
        """JSON lines may leave a missing cell out."""
        rows = [row if n else {"id": "s0", "split": "train", "label": "x", "a_1": 0} for n, row in enumerate(self.ROWS)]
        assert set(plan_modalities({}, intake(rows), listening)) == {"review", "photo", "table"}
        assert set(infer_kinds(rows, {"id", "split", "label"})) >= {"text", "image", "numeric"}


class TestBlocks:
    """A delimited table is read in blocks; what is found of it is what is found row by row."""

    def content(self, odd):
        """A table of 3,000 rows, one of which, beyond the first thousand, has other cells."""
        rows = []
        for number in range(3000):
            row = {
                "key": f"k{number}", "split": ("train", " Test", "dev", "train")[number % 4],
                "label": f"l{number % 3} ", "score": f"{number * 7 % 1000}", "group": f"g{number % 40}",
                "text": f"some text {number}",
            }  # fmt: skip
            rows.append(row | (odd if number == 1100 else {}))
        return ",".join(rows[0]) + "\n" + "".join(",".join(row.values()) + "\n" for row in rows)

    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"split_ratio": "0.6,0.2,0.2", "seed": 3},
            {"split_ratio": "0.6,0.2,0.2", "stratify": "label"},
            {"split_ratio": "0.6,0.2,0.2", "group_by": "group"},
            {"id": "key", "target": "score"},
            {"target": ["label", "score"], "empty_target": "drop"},
            {"target": "score", "empty_target": "none", "limit": 37},
            {"limit": 2500, "max_rows": 10},
            {"max_rows": 2999},
        ],
        ids=str,
    )
    @pytest.mark.parametrize(
        "odd",
        [
            {},
            {"key": " "},
            {"key": "k7"},
            {"split": "tset"},
            {"split": ""},
            {"label": ""},
            {"score": "NA"},
            {"label": "", "score": ""},
            {"group": ""},
            {"split": "valid"},
        ],
        ids=str,
    )
    def test_as_row_by_row(self, intake, listening, monkeypatch, options, odd):
        content = self.content(odd)
        by_blocks = self.outcome(intake, listening, content, options)
        whole = opening.open_table
        monkeypatch.setattr(intake_module, "open_table", lambda *a, **k: replace(whole(*a, **k), blocks=None))
        assert by_blocks == self.outcome(intake, listening, content, options)

    def outcome(self, intake, listening, content, options):
        listening.notes, listening.warnings = [], []
        try:
            found = intake(content, **options)
        except MmcliError as error:
            return str(error)
        groups = None if found.groups is None else (len(found.groups), found.groups.torn())
        rows = [list(row.items()) for row in found.rows]
        return (
            rows, found.rows.lines(0, len(rows)), found.roles, found.columns, found.head, found.split_of.tolist(),
            found.left_out, groups, listening.notes, listening.warnings,
        )  # fmt: skip
