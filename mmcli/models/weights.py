"""Finds network weights in the cache, reads them without running code, and fits them to a module."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mmcli.errors import MmcliError
from mmcli.store.keys import file_digest

ONLINE = "MMCLI_ONLINE"
_NAMED = 3
_MORE_THAN_TENSORS = "UnpicklingError"  # raised by torch if weights_only would have to run code
_DIGITS = re.compile(r"-([0-9a-f]{8,64})$")


def published_weights(url: str) -> Path:
    """Return the file of published weights in torch's cache; downloaded only if ``MMCLI_ONLINE=1``.

    Args:
        url: If the file name ends in the first digits of its SHA-256, as torchvision's do, they are checked.

    Raises:
        MmcliError: The file is absent, cannot be downloaded, or does not match the published hash.
    """
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / url.rpartition("/")[2]
    found = _DIGITS.search(path.stem)
    digits = found[1] if found else ""
    if not path.exists():
        if os.environ.get(ONLINE) != "1":
            raise MmcliError(
                f"the weights {path.name} are not on this machine: "
                f"put {url} into {folder}, or set {ONLINE}=1 to let mmcli download it"
            )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), hash_prefix=digits or None, progress=False)
        except (OSError, RuntimeError) as error:
            raise MmcliError(f"{url} cannot be downloaded: {error}") from None
    if not file_digest(path).startswith(digits):
        raise MmcliError(f"{path}: its SHA-256 does not start with {digits}; the file is damaged or not that of {url}")
    return path


def find_weights(weights: str, url: str) -> Path | None:
    """Return the file that the option ``weights`` refers to; None for ``none``, random weights.

    Args:
        weights: ``default`` for the published weights, ``none``, or a file.
        url: URL of the published weights.

    Raises:
        MmcliError: The published weights cannot be found.
    """
    if weights == "none":
        return None
    return published_weights(url) if weights == "default" else Path(weights)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.safetensors`` file or of a ``.pth`` state dict, by name.

    Raises:
        MmcliError: The file does not exist, or holds anything but named tensors.
    """
    if not path.is_file():
        raise MmcliError(f"{path}: no such file; expected weights as .pth or .safetensors")
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes decode to arbitrary instructions, which raise anything
        if type(error).__name__ == _MORE_THAN_TENSORS:
            raise MmcliError(f"{path}: holds more than tensors, which is not loaded; save a state dict") from None
        raise MmcliError(f"{path}: damaged, or not a file of weights (.pth or .safetensors)") from None
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise MmcliError(f"{path}: expected a state dict of named tensors")
    return dict(found)


def fit_weights(module: nn.Module, weights: Mapping[str, Tensor], path: Path, unused: tuple[str, ...] = ()) -> None:
    """Load weights into a module; for the arguments see ``fitting_weights``.

    Raises:
        MmcliError: A tensor is missing, of another shape, or unknown.
    """
    module.load_state_dict(fitting_weights(module, weights, path, unused), strict=False)


def fitting_weights(
    module: nn.Module, weights: Mapping[str, Tensor], path: Path, unused: tuple[str, ...] = ()
) -> dict[str, Tensor]:
    """Return the weights of a module; all must fit.

    Args:
        module: ``weights`` must hold its state; it may be on device ``meta``.
        weights: Tensors by name.
        path: The weights file, for the message.
        unused: Name prefixes of tensors that may be present and are ignored, such as a classifier's.

    Raises:
        MmcliError: A tensor is missing, of another shape, or unknown.
    """
    kept = {name: value for name, value in weights.items() if not name.startswith(unused)}
    expected = module.state_dict()
    # Old files lack the batch counter of batch norms.
    missing = [name for name in expected if name not in kept and not name.endswith("num_batches_tracked")]
    unknown = [name for name in kept if name not in expected]
    other = [
        f"{name} {tuple(kept[name].shape)} for {tuple(value.shape)}"
        for name, value in expected.items()
        if name in kept and kept[name].shape != value.shape
    ]
    for what, names in (("lacks", missing), ("has unknown", unknown), ("has other shapes:", other)):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise MmcliError(f"{path}: the state dict {what} {', '.join(names[:_NAMED])}{more}")
    return kept
