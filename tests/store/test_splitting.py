"""Splits: the shares asked for, and never a sample that moves because another came."""

from __future__ import annotations

import hashlib
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcli.errors import MmcliError, UsageError
from mmcli.store.samples import SPLITS
from mmcli.store.splitting import DEFAULT_RATIO, Splitter, fraction, fractions, is_set_aside, known_split, parse_ratio

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
RATIOS = st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.25, 0.25), (0.7, 0.0, 0.3), (0.34, 0.33, 0.33), (1.0, 0.0, 0.0)])


def deal(ids, ratio=(0.8, 0.1, 0.1), seed=0, groups=None, strata=None):
    splitter = Splitter(ratio, seed)
    groups = groups or [None] * len(ids)
    strata = strata or [None] * len(ids)
    return [splitter.assign(*each) for each in zip(ids, groups, strata, strict=True)]


class TestShares:
    @pytest.mark.parametrize(
        "ids", [[f"s{n}" for n in range(5000)], [f"{n:08d}" for n in range(5000)], [str(n) for n in range(5000)]]
    )
    @pytest.mark.parametrize("ratio", [(0.8, 0.1, 0.1), (0.6, 0.3, 0.1), (0.05, 0.0, 0.95)])
    def test_within_chance(self, ids, ratio):
        """Five standard deviations of a binomial count."""
        found = Counter(deal(ids, ratio))
        for split, share in zip(SPLITS, ratio, strict=True):
            assert abs(found[split] - share * 5000) <= 5 * math.sqrt(5000 * share * (1 - share))

    def test_seeds_deal_differently_and_independently(self):
        ids = [f"s{n}" for n in range(4000)]
        one, two = deal(ids, (0.5, 0.0, 0.5), 0), deal(ids, (0.5, 0.0, 0.5), 1)
        same = sum(left == right for left, right in zip(one, two, strict=True))
        assert abs(same - 2000) < 5 * math.sqrt(1000)
        assert deal(ids, (0.5, 0.0, 0.5), 0) == one

    def test_set_aside_is_15_percent_and_knows_nothing_of_the_split(self):
        ids = [f"s{n}" for n in range(8000)]
        train = [one for one, split in zip(ids, deal(ids, (0.5, 0.0, 0.5)), strict=True) if split == "train"]
        aside = sum(is_set_aside(one, 0) for one in train)
        assert abs(aside - 0.15 * len(train)) < 5 * math.sqrt(len(train) * 0.15 * 0.85)

    def test_fraction_is_even_on_the_unit_interval(self):
        numbers = sorted(fraction(f"s{n}", 3) for n in range(5000))
        assert numbers[0] >= 0
        assert numbers[-1] < 1
        assert max(abs(number - place / 5000) for place, number in enumerate(numbers)) < 1.95 / math.sqrt(5000)

    def test_is_the_same_on_every_machine_for_ever(self):
        """An id's split is part of every published result: these never change."""
        ids = ["a", "b", "c", "d", "e", "é", "00", "1"]
        assert deal(ids, (0.4, 0.3, 0.3)) == ["val", "val", "test", "val", "test", "val", "val", "test"]
        for one in ids:
            digest = hashlib.blake2b(one.encode(), digest_size=8, key=b"split 0").hexdigest()
            assert fraction(one, 0) == int(digest, 16) / 16**16


class TestAddingRows:
    @QUICK
    @given(
        st.lists(st.text(max_size=6), unique=True, max_size=30),
        RATIOS,
        st.integers(0, 9),
        st.randoms(use_true_random=False),
    )
    def test_anywhere_moves_none_by_hash(self, ids, ratio, seed, random):
        before = dict(zip(ids, deal(ids, ratio, seed), strict=True))
        more = [*ids, "new 1", "new 2", "new 3"]
        random.shuffle(more)
        after = dict(zip(more, deal(more, ratio, seed), strict=True))
        assert {one: after[one] for one in ids} == before

    @QUICK
    @given(st.lists(st.sampled_from("abc"), max_size=60), st.lists(st.sampled_from("abcd"), max_size=20), RATIOS)
    def test_at_the_end_moves_none_with_strata(self, strata, more, ratio):
        ids = [f"s{n}" for n in range(len(strata) + len(more))]
        before = deal(ids[: len(strata)], ratio, strata=strata)
        assert deal(ids, ratio, strata=strata + more)[: len(strata)] == before

    def test_a_stratum_does_not_know_of_the_others(self):
        ids = [f"s{n}" for n in range(200)]
        strata = ["ab"[n % 2] for n in range(200)]
        mixed = [split for split, stratum in zip(deal(ids, strata=strata), strata, strict=True) if stratum == "a"]
        assert mixed == deal(ids[::2], strata=["a"] * 100)


class TestGroups:
    @QUICK
    @given(st.lists(st.tuples(st.sampled_from("pqrstuv"), st.sampled_from("ab")), max_size=60), RATIOS, st.booleans())
    def test_are_whole(self, rows, ratio, stratified):
        groups = [group for group, _ in rows]
        strata = [stratum for _, stratum in rows] if stratified else None
        splits = deal([f"s{n}" for n in range(len(rows))], ratio, groups=groups, strata=strata)
        assert len(set(zip(groups, splits, strict=True))) == len(set(groups))

    def test_decide_and_not_the_ids(self):
        groups = [f"g{n % 50}" for n in range(500)]
        assert deal([f"s{n}" for n in range(500)], groups=groups) == deal([f"x{n}" for n in range(500)], groups=groups)
        assert len(set(deal([f"s{n}" for n in range(500)], groups=groups))) == 3

    def test_an_empty_group_is_a_group_too(self):
        assert len(set(deal([f"s{n}" for n in range(50)], groups=[""] * 50))) == 1


class TestStrata:
    @QUICK
    @given(st.lists(st.sampled_from(["a", "b", "", "rare"]), max_size=150), RATIOS, st.integers(0, 5))
    def test_shares_hold_in_each_to_about_a_row(self, strata, ratio, seed):
        """At every moment, and not only at the end."""
        splitter = Splitter(ratio, seed)
        dealt = {stratum: Counter() for stratum in strata}
        for number, stratum in enumerate(strata):
            dealt[stratum][splitter.assign(f"s{number}", None, stratum)] += 1
            count = dealt[stratum].total()
            excess = [dealt[stratum][split] - share * count for split, share in zip(SPLITS, ratio, strict=True)]
            assert max(excess) < 1 + 1e-9
            assert min(excess) > -2
            assert all(dealt[stratum][split] == 0 for split, share in zip(SPLITS, ratio, strict=True) if share == 0)

    def test_a_stratum_of_one_thousand(self):
        found = Counter(deal([f"s{n}" for n in range(1000)], strata=["x"] * 1000))
        assert all(abs(found[split] - count) <= 1 for split, count in (("train", 800), ("val", 100), ("test", 100)))

    def test_are_not_dealt_in_a_fixed_order(self):
        """Else the tenth row of each stratum would always be the one to test."""
        splits = {seed: deal([f"s{n}" for n in range(40)], seed=seed, strata=["x"] * 40) for seed in range(5)}
        assert len({tuple(split) for split in splits.values()}) == 5


class TestNames:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            *((name, name) for name in SPLITS),
            ("Train", "train"), (" TEST ", "test"), ("training", "train"), ("validation", "val"), ("valid", "val"),
            ("dev", "val"), ("testing", "test"),
        ],
    )  # fmt: skip
    def test_known(self, text, expected):
        assert known_split(text, "x") == expected

    @pytest.mark.parametrize("value", ["0", 0, 1, "holdout"])
    def test_unknown(self, value):
        with pytest.raises(MmcliError, match=r"^a\.csv, line 3: unknown split .*; expected train, val or test"):
            known_split(value, "a.csv, line 3")

    @pytest.mark.parametrize("value", ["trian", "train,val", ["train"]])
    def test_nearly_known(self, value):
        with pytest.raises(MmcliError, match=r"unknown split .*; did you mean 'train'\? Expected train, val or test"):
            known_split(value, "a.csv, line 3")

    @pytest.mark.parametrize("value", ["", " ", None, float("nan")])
    def test_empty(self, value):
        with pytest.raises(MmcliError, match=r"^a\.csv, line 3: empty; expected train, val or test$"):
            known_split(value, "a.csv, line 3")


class TestRatio:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0.8,0.1,0.1", (0.8, 0.1, 0.1)),
            (" 0.8, 0.1 ,0.1", (0.8, 0.1, 0.1)),
            ("1,0,0", (1, 0, 0)),
            (".5,.25,.25", (0.5, 0.25, 0.25)),
            ("0.3333333,0.3333333,0.3333334", (0.3333333, 0.3333333, 0.3333334)),
        ],
    )
    def test_three_shares(self, text, expected):
        assert parse_ratio(text) == expected

    @pytest.mark.parametrize(
        "text",
        ["", "0.8", "0.8,0.2", "0.8,0.1,0.1,0", "0.8,0.1,0.2", "8,1,1", "80%,10%,10%", "0,0.5,0.5", "1.2,-0.1,-0.1",
         "nan,0.5,0.5", "0.5,nan,0.5", "nan,nan,nan", "inf,0,0", "inf,-inf,1", "a,b,c", "0.8;0.1;0.1", "0.8,0.1,"],
    )  # fmt: skip
    def test_anything_else(self, text):
        with pytest.raises(UsageError, match="--split-ratio"):
            parse_ratio(text)


def test_a_group_of_half_a_surrogate_pair_has_a_split():
    splitter = Splitter(DEFAULT_RATIO, 0)
    assert splitter.assign("a", "\ud800") == splitter.assign("b", "\ud800")


@QUICK
@given(st.lists(st.text(max_size=12), min_size=1, max_size=30), RATIOS, st.integers(0, 5))
def test_many_at_once_go_where_each_goes_alone(ids, ratio, seed):
    splitter = Splitter(ratio, seed)
    assert [SPLITS[code] for code in splitter.assign_all(ids)] == deal(ids, ratio, seed)
    np.testing.assert_array_equal(fractions(ids, seed), [fraction(each, seed) for each in ids])
