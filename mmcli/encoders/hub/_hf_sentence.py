"""Reads from a sentence-transformers folder how a sentence becomes one vector."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcli.encoders.hub._hf import read_json
from mmcli.errors import MmcliError

_POOLS = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "cls": "cls", "mean": "mean", "max": "max"}
_KNOWN = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class SentencePlan:
    """How the parts of such a model are combined.

    Args:
        folder: The folder of the network.
        pool: cls, mean or max; None if unspecified.
        normalize: Whether vectors are scaled to length 1.
        max_length: Maximum number of tokens; None if unspecified.
        lower: Whether text is lower-cased first.
    """

    folder: Path
    pool: str | None = None
    normalize: bool = False
    max_length: int | None = None
    lower: bool = False


def read_plan(folder: Path, pool: str) -> SentencePlan:
    """Return the plan in ``modules.json`` and the files it names; an empty plan if there is no such file.

    Args:
        folder: The model's folder.
        pool: The option; any value but ``auto`` overrides the files.

    Raises:
        MmcliError: The files contain something unsupported.
    """
    modules = read_json(folder / "modules.json")
    if modules is None:
        return SentencePlan(folder)
    try:
        parts = {str(part["type"]).rpartition(".")[2]: folder / str(part["path"]) for part in modules}
    except (TypeError, KeyError):
        raise MmcliError(f"{folder / 'modules.json'}: expected a list of parts with type and path") from None
    unknown = [name for name in parts if name not in _KNOWN]
    if pool == "auto" and (unknown or "Transformer" not in parts):
        named = unknown[0] if unknown else "no Transformer"
        raise MmcliError(f"{folder / 'modules.json'}: has {named}, which is not supported; pool=mean ignores it")
    network = parts.get("Transformer", folder)
    if not network.resolve().is_relative_to(folder.resolve()):
        raise MmcliError(f"{folder / 'modules.json'}: names a folder outside the model")
    settings = read_json(network / "sentence_bert_config.json") or {}
    return SentencePlan(
        network,
        pool=_pool_of(parts["Pooling"] / "config.json") if pool == "auto" and "Pooling" in parts else None,
        normalize="Normalize" in parts,
        max_length=settings.get("max_seq_length"),
        lower=bool(settings.get("do_lower_case")),
    )


def _pool_of(path: Path) -> str:
    found = read_json(path)
    settings: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    named = settings.get("pooling_mode")
    modes = [named] if isinstance(named, str) else []
    modes += [
        key.removeprefix("pooling_mode_") for key, on in settings.items() if on is True and "pooling_mode_" in key
    ]
    if len(modes) != 1 or modes[0] not in _POOLS:
        raise MmcliError(f"{path}: pooling {' and '.join(modes) or 'nothing'} is not supported; use pool=mean")
    return _POOLS[modes[0]]
