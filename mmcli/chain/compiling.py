"""Compiling networks for the device they run on: a minute at the start, and each batch is faster from then on."""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from typing import TYPE_CHECKING

from mmcli.errors import MmcliError

if TYPE_CHECKING:
    from torch import nn


def require_compiler(device: str) -> None:
    """Refuse to compile networks where torch's compiler finds none of its own.

    Raises:
        MmcliError: It would run on the CPU and there is no C++ compiler.
    """
    named = os.environ.get("CXX")
    compilers = [named] if named else ["g++", "clang++"]
    if device == "cpu" and not any(shutil.which(compiler) for compiler in compilers):
        raise MmcliError(
            f"--compile needs a C++ compiler and finds no {' or '.join(compilers)}: install one, or leave it out"
        )


def compile_network(network: nn.Module) -> None:
    """Let a network be compiled when it is first called; its weights stay where they are and keep their names."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it tells of the CUDA that is not there
    warnings.filterwarnings("ignore", module=r"torch\._inductor")  # it tells of what it leaves as it is
    network.compile()
