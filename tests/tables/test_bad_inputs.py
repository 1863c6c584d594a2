from collections import defaultdict

import numpy as np
import pytest

from mmcli.errors import MmcliError, TooManyBadError, UsageError
from mmcli.store.columns import Column, Dense, LedgerEntry
from mmcli.store.tensors import write_shard
from mmcli.tables.bad_inputs import BadInputs, check_leaks

ROWS = 60


class Heard:
    def __init__(self):
        self.warnings = []

    def warn(self, text):
        self.warnings.append(text)


@pytest.fixture
def stored(tmp_path):
    """Two modalities of three shards, few different items, some absent; and the split of each row."""
    generator = np.random.default_rng(4)
    items = generator.integers(0, 256, (40, 16), dtype=np.uint8)
    numbers = {name: generator.integers(-2, 12, ROWS) for name in ("photo", "text")}
    (tmp_path / "tensors").mkdir()
    for start in range(0, ROWS, 20):
        columns = {}
        for name, chosen in numbers.items():
            here = chosen[start : start + 20]
            present = here >= 0
            columns[name] = Column(
                {"": Dense(np.zeros((20, 1), np.float32))}, present, items[here] * present[:, None].astype(np.uint8)
            )
        write_shard(tmp_path / "tensors" / f"{start // 20:05d}.safetensors", columns)
    return tmp_path, numbers, generator.choice(["train", "val", "test"], ROWS)


def leaking(values, splits):
    """Rows whose value stands in two splits, the slow way; None is no value."""
    where = defaultdict(set)
    for value, split in zip(values, splits, strict=True):
        where[value].add(split)
    return {row for row, value in enumerate(values) if value is not None and len(where[value]) > 1}


def test_leaks_are_those_found_by_comparing_every_pair(stored):
    folder, numbers, splits = stored
    photos = [None if number < 0 else number for number in numbers["photo"].tolist()]
    both = [None if max(pair) < 0 else tuple(max(number, -1) for number in pair)
            for pair in zip(numbers["photo"].tolist(), numbers["text"].tolist(), strict=True)]  # fmt: skip
    of_photos, of_both = leaking(photos, splits), leaking(both, splits)
    assert of_photos
    assert of_both
    heard = Heard()
    assert check_leaks(folder, ["photo"], splits, "warn", heard) == len(of_photos | of_both)
    assert f"photo {len(of_photos)}, every input {len(of_both)}" in heard.warnings[0]
    with pytest.raises(MmcliError, match="have the same content"):
        check_leaks(folder, ["photo"], splits, "error", heard)


def test_equal_text_alone_is_no_leak(stored):
    folder, numbers, _ = stored
    apart = np.where(np.arange(ROWS) < 30, "train", "test")
    heard = Heard()
    found = check_leaks(folder, [], apart, "warn", heard)
    both = list(zip(*(np.maximum(part, -1).tolist() for part in numbers.values()), strict=True))
    assert found == len(leaking([None if max(pair) < 0 else pair for pair in both], apart))


def test_one_split_has_no_leaks(stored):
    heard = Heard()
    assert check_leaks(stored[0], ["photo", "text"], np.full(ROWS, "train"), "error", heard) == 0
    assert not heard.warnings


@pytest.mark.parametrize(
    ("allowed", "bad", "refused"),
    [("2", 2, False), ("2", 3, True), ("5%", 5, False), ("29%", 29, False), ("29%", 30, True), ("5%", 6, True)],
)
def test_more_bad_inputs_than_allowed_are_refused(allowed, bad, refused):
    counted = BadInputs(100, "keep", allowed)
    counted.accept(LedgerEntry(0, "a", "photo", "missing", "empty cell"))
    for row in range(bad):
        counted.accept(LedgerEntry(row, f"s{row}", "photo", "corrupt", "0 bytes", "a.png"))
    if refused:
        with pytest.raises(TooManyBadError, match=f"{bad} of 100 inputs are bad"):
            counted.check()
    else:
        counted.check()


@pytest.mark.parametrize("allowed", ["-1", "x", "1.5", "-3%", "%"])
def test_a_limit_is_a_count_or_a_share(allowed):
    with pytest.raises(UsageError, match="expected a count"):
        BadInputs(100, "keep", allowed)
