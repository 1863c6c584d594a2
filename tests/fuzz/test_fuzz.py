"""Every reader of files, given damaged ones: MmcliError, or UnusableError for a sample's input, and nothing else.

MMCLI_FUZZ_MINUTES says for how long each reader is tried.
"""

from __future__ import annotations

import os

import pytest

from tests.fuzz.runs import READERS, fuzz

MINUTES = float(os.environ.get("MMCLI_FUZZ_MINUTES", "0.5"))


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_refused_and_nothing_worse(reader, tmp_path):
    outcome = fuzz(reader, tmp_path / reader, MINUTES)
    assert outcome.tried
    assert not outcome.findings, "\n\n".join(f"{name}\n{told}" for name, told in outcome.findings.items())


def test_the_fuzzer_finds_forbidden_behaviour_of_readers(tmp_path):
    expected = {"KeyError-broken", "MemoryError-numeric", "memory-of", "open-guard", "subprocess-Popen"}
    kinds, crashed = set(), False
    for number in range(10):  # examples are drawn for a few seconds: a loaded machine needs more rounds for all kinds
        found = fuzz("broken", tmp_path / str(number), 0.1).findings
        kinds |= {"-".join(name.split("-")[:2]) for name in found if not name.startswith("crash")}
        crashed |= any(name.startswith("crash") for name in found)
        if crashed and kinds >= expected:
            break
    assert kinds == expected
    assert crashed
    assert not (tmp_path / "written").exists()
