"""Finds, describes, loads (without running code) and hashes model folders of transformers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn

from mmcli.encoders.hub._hub import hub_files
from mmcli.errors import MmcliError
from mmcli.store.keys import file_digest, fingerprint

_WEIGHTS = "*.safetensors"
_SETTINGS = ("*.json", "*.txt", "*.model", "*/config.json")
_NAMED = 3


def find_folder(argument: str) -> Path:
    """Return the folder of a model: the given one, or the one in the hub's cache.

    Args:
        argument: A folder, or ``owner/name`` on the hub.

    Raises:
        MmcliError: There is no such folder, or it has no configuration or no safetensors weights.
    """
    if not argument:
        raise MmcliError("hf needs a folder or a hub name: hf:FOLDER or hf:owner/name")
    folder = Path(argument)
    if not folder.is_dir():
        folder = hub_files(argument, (_WEIGHTS, *_SETTINGS))
    return folder


def read_config(folder: Path) -> Any:
    """Return a model's configuration.

    Raises:
        MmcliError: There is none, or transformers would have to run the model's own code to understand it.
    """
    if not (folder / "config.json").is_file():
        raise MmcliError(f"{folder}: no config.json; expected a model folder of transformers")
    try:
        with _quiet():
            return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError, KeyError) as error:
        raise MmcliError(f"{folder}: transformers does not know this model: {_first_line(error)}") from None


def load_network(kind: Any, folder: Path, config: Any, needed: str = "") -> Any:
    """Return a network in float32 with its weights, read from safetensors only; on device ``meta``, without weights.

    Args:
        kind: A transformers class.
        folder: The model's folder.
        config: The network's configuration.
        needed: Name prefix of the weights that are used; others may be absent from the file.

    Raises:
        MmcliError: There are no such weights, or they do not fit.
    """
    if not any(folder.glob(_WEIGHTS)):
        raise MmcliError(f"{folder}: no .safetensors weights; other formats are not read")
    if torch.empty(0).is_meta:
        return _without_pooler(kind.from_config(config) if hasattr(kind, "from_config") else kind(config))
    try:
        with _quiet():
            network, found = kind.from_pretrained(
                folder, config=config, local_files_only=True, use_safetensors=True, trust_remote_code=False,
                dtype=torch.float32, output_loading_info=True,
            )  # fmt: skip
    except Exception as error:  # damaged weights and configurations raise anything
        raise MmcliError(f"{folder}: cannot be loaded: {_first_line(error)}") from None
    lacking = [name for name in found["missing_keys"] if name.startswith(needed) and not name.startswith("pooler.")]
    wrong = sorted(lacking) + sorted(str(name) for name in found["mismatched_keys"])
    if wrong:
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise MmcliError(f"{folder}: the weights lack, or have in another shape, {', '.join(wrong[:_NAMED])}{more}")
    return _without_pooler(network)


def _without_pooler(network: Any) -> Any:
    """Remove a network's pooler: it is often untrained, and no pooling here uses it."""
    pooler = getattr(network, "pooler", None)
    if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        network.pooler = None
    return network


def make_part(kind: Any, folder: Path) -> Any:
    """Return a tokenizer, an image processor or a feature extractor of a model.

    Raises:
        MmcliError: The folder has none, or it cannot be loaded.
    """
    try:
        with _quiet():
            return kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files raise anything
        raise MmcliError(f"{folder}: its {kind.__name__} cannot be loaded: {_first_line(error)}") from None


def folder_assets(folder: Path, inner: Path) -> dict[str, str]:
    """Return the hashes of the weights and of the settings that determine their use.

    Args:
        folder: The model's folder.
        inner: The folder inside it that holds the network, or itself.
    """
    settings = {path for pattern in _SETTINGS for place in (folder, inner) for path in place.glob(pattern)}
    groups = {"weights": set(inner.glob(_WEIGHTS)), "settings": settings}
    return {
        name: fingerprint([[path.relative_to(folder).as_posix(), file_digest(path)] for path in sorted(paths)])
        for name, paths in groups.items()
    }


def read_json(path: Path) -> Any:
    """Return the content of a settings file; None if there is none.

    Raises:
        MmcliError: It is not JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise MmcliError(f"{path}: not JSON: {error}") from None


def tower_config(config: Any, name: str) -> Any:
    """Return the configuration of a CLIP or SigLIP tower, such as ``text_config``; a tower's own is returned as is."""
    tower = getattr(config, name, None)
    if tower is None:
        return config
    if hasattr(config, "projection_dim"):
        tower.projection_dim = config.projection_dim
    return tower


def takes(config: Any) -> str:
    """Return the name of a model's main input, such as ``input_ids`` or ``pixel_values``; "" if unknown."""
    mapping = transformers.MODEL_MAPPING
    if type(config) not in mapping:
        return ""
    kind: Any = mapping[type(config)]
    return str((kind[0] if isinstance(kind, tuple) else kind).main_input_name)


def refusal(folder: Path, config: Any, kind: str) -> MmcliError:
    """Return the error for a model of another kind of modality."""
    return MmcliError(f"{folder}: a model of type {config.model_type!r} cannot extract features from {kind}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence transformers' progress bars and warnings."""
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
