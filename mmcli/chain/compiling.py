"""Compiles networks for their device, which takes about a minute and makes every batch faster."""

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
    """Check that torch's compiler finds the C++ compiler it needs.

    Raises:
        MmcliError: The device is the CPU and there is no C++ compiler.
    """
    named = os.environ.get("CXX")
    compilers = [named] if named else ["g++", "clang++"]
    if device == "cpu" and not any(shutil.which(compiler) for compiler in compilers):
        raise MmcliError(
            f"--compile needs a C++ compiler, and there is no {' or '.join(compilers)}; install one, or leave out "
            "--compile"
        )


def compile_network(network: nn.Module) -> None:
    """Have a network compiled on its first call; its weights keep their places and names."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # silence warnings that CUDA is missing
    warnings.filterwarnings("ignore", module=r"torch\._inductor")  # silence notes about code left uncompiled
    network.compile()
