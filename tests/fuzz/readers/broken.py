"""A reader that does everything a reader must not: what finds faults has to find these."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from mmcli.errors import MmcliError, UnusableError
from tests.fuzz.guard import Case, Reader

FAULTS = ("none", "refuses", "unusable", "raises", "writes", "runs", "grows", "bomb", "crashes")


def make(folder: Path) -> Reader:
    """Each fault by its name."""
    outside = folder.resolve().parents[2] / "written"
    system = ctypes.CDLL(None)
    done: set[str] = set()

    def read(case: Case) -> None:
        if case.name in done or (case.name == FAULTS[-1] and len(done) < len(FAULTS) - 1):
            return
        done.add(case.name)
        if case.name == "refuses":
            raise MmcliError("as it should")
        if case.name == "unusable":
            raise UnusableError("corrupt", "as it should")
        if case.name == "raises":
            raise KeyError(case.name)
        if case.name == "writes":
            outside.write_text("x")
        if case.name == "runs":
            subprocess.run(["true"], check=True)
        if case.name == "grows":
            np.ones(2**27, np.float64).sum()
        if case.name == "bomb":
            np.ones(2**33, np.float64)
        if case.name == "crashes":
            system.abort()

    return Reader(st.sampled_from(FAULTS).map(lambda name: Case(name, b"")), read)
