"""Assigns samples to train, val and test by a hash of their id, so that adding rows moves none."""

from __future__ import annotations

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from mmcli.errors import MmcliError, UsageError
from mmcli.store.columns import Array
from mmcli.store.samples import SPLITS

DEFAULT_RATIO = (0.8, 0.1, 0.1)
SET_ASIDE = 0.15
_ALIASES = {"training": "train", "validation": "val", "valid": "val", "dev": "val", "testing": "test"}


def known_split(value: object, where: str) -> str:
    """Return the split that a cell names.

    Raises:
        MmcliError: It is empty or unknown; the message starts with ``where``.
    """
    name = "" if value is None or value != value else str(value).strip().lower()
    name = _ALIASES.get(name, name)
    if not name:
        raise MmcliError(f"{where}: empty; expected train, val or test")
    if name not in SPLITS:
        near = difflib.get_close_matches(name, SPLITS, n=1)
        hint = f"; did you mean {near[0]!r}? Expected" if near else "; expected"
        raise MmcliError(f"{where}: unknown split {str(value)[:60]!r}{hint} train, val or test")
    return name


def parse_ratio(text: str) -> tuple[float, float, float]:
    """Parse ``0.8,0.1,0.1``, the fractions of train, val and test.

    Raises:
        UsageError: They are not three fractions that sum to 1, or train is 0.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if (
        len(shares) != 3
        or not all(0 <= share <= 1 for share in shares)
        or abs(sum(shares) - 1) > 1e-6
        or shares[0] == 0
    ):
        raise UsageError(
            f"--split-ratio {text}: expected the fractions of train, val and test, which sum to 1, such as 0.8,0.1,0.1"
        )
    return (shares[0], shares[1], shares[2])


def fraction(text: str, seed: int) -> float:
    """Return a number in [0, 1) that depends only on the text and the seed."""
    content = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(content, digest_size=8, key=f"split {seed}".encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


def fractions(texts: Sequence[str], seed: int) -> Array:
    """Return ``fraction`` of many texts, (N,) float64."""
    begun = hashlib.blake2b(digest_size=8, key=f"split {seed}".encode())
    digests = []
    for text in texts:
        whole = begun.copy()
        whole.update(text.encode("utf-8", "surrogatepass"))
        digests.append(whole.digest())
    return np.frombuffer(b"".join(digests), ">u8").astype(np.float64) / 2**64


class Splitter:
    """Assigns samples to splits in the order they come.

    Without strata the hash alone decides. With strata it chooses among the splits that are short of rows in that
    stratum, weighted by how many they lack: the fractions hold within each stratum to about one row, and rows added
    at the end move none before them.

    Args:
        ratio: The fractions of train, val and test.
        seed: Seed of the hash.
    """

    def __init__(self, ratio: tuple[float, float, float], seed: int) -> None:
        self.ratio = ratio
        self.seed = seed
        self._dealt: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._groups: dict[str, str] = {}

    def assign(self, identity: str, group: str | None = None, stratum: str | None = None) -> str:
        """Return the split of a sample; all samples of a group get the same."""
        if group is not None and group in self._groups:
            return self._groups[group]
        place = fraction(identity if group is None else group, self.seed)
        split = SPLITS[_choose(place, self._weights(stratum))]
        if stratum is not None:
            self._dealt[stratum][SPLITS.index(split)] += 1
        if group is not None and stratum is not None:
            self._groups[group] = split
        return split

    def assign_all(self, identities: Sequence[str]) -> Array:
        """Return the splits of samples without strata or groups, (N,) indexes into ``SPLITS``."""
        return _choose_all(fractions(identities, self.seed), self.ratio)

    def _weights(self, stratum: str | None) -> list[float]:
        if stratum is None:
            return list(self.ratio)
        dealt = self._dealt[stratum]
        count = sum(dealt) + 1
        return [max(0.0, share * count - done) for share, done in zip(self.ratio, dealt, strict=True)]


def _choose(place: float, weights: Sequence[float]) -> int:
    """Return the index of the interval that holds ``place``, a fraction of their total, with the weights as lengths."""
    rest = place * sum(weights)
    for index, weight in enumerate(weights):
        rest -= weight
        if rest < 0:
            return index
    return max(index for index, weight in enumerate(weights) if weight > 0)


def _choose_all(places: Array, weights: Sequence[float]) -> Array:
    """Return ``_choose`` of many places, (N,) uint8."""
    chosen = np.full(len(places), max(index for index, weight in enumerate(weights) if weight > 0), np.uint8)
    rest, waiting = places * sum(weights), np.ones(len(places), bool)
    for index, weight in enumerate(weights):
        rest = rest - weight
        here = waiting & (rest < 0)
        chosen[here] = index
        waiting &= ~here
    return chosen


def is_set_aside(identity: str, seed: int) -> bool:
    """Return whether a train sample (or group) moves to val when the table has no val rows."""
    return fraction(f"val {identity}", seed) < SET_ASIDE
