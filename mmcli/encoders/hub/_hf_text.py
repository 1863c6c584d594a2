"""Text models of transformers, with their own tokens, padded to lengths that do not depend on other rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from mmcli.encoders.hub._hf import (
    find_folder,
    folder_assets,
    load_network,
    make_part,
    read_config,
    refusal,
    takes,
    tower_config,
)
from mmcli.encoders.hub._hf_sentence import read_plan
from mmcli.models.limits import require_between
from mmcli.models.sequence import feature_form, inside, pool_steps
from mmcli.store.columns import Array, Column, FieldSpec

_SHORTEST = 8
_LENGTHS_AN_OCTAVE = 4
_MAX_LENGTH = 256
_REMEMBERED = 20_000


class TextTower(nn.Module):
    """A text encoder with its tokenizer.

    Args:
        argument: The model's folder, or its name on the hub.
        pool: See ``Hf``.
        normalize: See ``Hf``.
        max_length: Maximum number of tokens; None is the model's own limit, at most 256.

    Raises:
        MmcliError: It cannot be loaded, or is not a text model.
    """

    def __init__(self, argument: str, pool: str, normalize: str, max_length: int | None) -> None:
        super().__init__()
        folder = find_folder(argument)
        plan = read_plan(folder, pool)
        config = read_config(plan.folder)
        self.model_type = str(config.model_type)
        self.network = load_network(_kind_of(plan.folder, config), plan.folder, tower_config(config, "text_config"))
        self.tokenizer = make_part(transformers.AutoTokenizer, plan.folder)
        self.lower = plan.lower
        self.own_pool = pool == "auto" and plan.pool is None and self.model_type in ("clip", "siglip")
        self.pool = (plan.pool or "mean") if pool == "auto" else pool
        self.normalize = normalize == "true" or (normalize == "auto" and plan.normalize)
        limit = self._limit()
        self.max_length = min(plan.max_length or _MAX_LENGTH, limit) if max_length is None else max_length
        require_between("hf", "max_length", self.max_length, 2, limit)
        if self.model_type == "siglip":
            self.max_length = limit  # it was trained on this length only
        self.files = folder_assets(folder, plan.folder)
        self._known: dict[str, list[int]] = {}

    def output(self) -> FieldSpec:
        """Return (D,) or a sequence of (D,)."""
        found = self.network.config
        width = found.hidden_size
        if self.own_pool:
            width = found.projection_dim if self.model_type == "clip" else found.projection_size
        return feature_form(int(width), self.pool, self.max_length)

    def lengths(self, column: Column) -> Array | None:
        """Return each row's token count, rounded up to 8, 10, 12, 14, 16, 20, 24, 28, 32, 40 and so on."""
        if self.model_type == "siglip":
            return None
        counts = np.array([len(ids) for ids in self._tokens(column)], dtype=np.int64)
        counts = np.maximum(counts, _SHORTEST)
        steps = 2 ** (np.ceil(np.log2(counts)).astype(np.int64) - 1) // _LENGTHS_AN_OCTAVE
        rounded: Array = np.minimum(-(-counts // steps) * steps, self.max_length)
        return rounded

    def collate(self, column: Column, length: int | None) -> tuple[Tensor, ...]:
        """Return tokens (B, T) int64, padded with the tokenizer's padding token, and their counts (B,)."""
        steps = self.max_length if length is None else length
        tokens = [ids[:steps] for ids in self._tokens(column)]
        ids = np.full((len(tokens), steps), self.tokenizer.pad_token_id or 0, np.int64)
        for row, own in enumerate(tokens):
            ids[row, : len(own)] = own
        return torch.from_numpy(ids), torch.tensor([len(own) for own in tokens], dtype=torch.int64)

    def forward(self, ids: Tensor, counts: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Return the features of tokens (B, T)."""
        own = inside(counts.clamp(min=1), ids.shape[1])
        mask = {} if self.model_type == "siglip" else {"attention_mask": own.long()}
        found = self.network(input_ids=ids, **mask)
        if self.own_pool:
            vectors = (found.text_embeds if self.model_type == "clip" else found.pooler_output).float()
        else:
            steps = found.last_hidden_state.float()
            if self.pool == "none":
                return steps, counts
            vectors = steps[:, 0] if self.pool == "cls" else pool_steps(steps, counts, self.pool)
        return nn.functional.normalize(vectors, dim=1) if self.normalize else vectors

    def _tokens(self, column: Column) -> list[list[int]]:
        """Return the tokens of each row; recent texts are cached."""
        texts = column.texts("text")
        if self.lower:
            texts = [text.lower() for text in texts]
        unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
        if len(self._known) + len(unknown) > _REMEMBERED:
            self._known = {}
            unknown = list(dict.fromkeys(texts))
        if unknown:
            read = self.tokenizer(unknown, truncation=True, max_length=self.max_length)["input_ids"]
            self._known.update(zip(unknown, read, strict=True))
        return [self._known[text] for text in texts]

    def _limit(self) -> int:
        """Return the number of positions that the network has."""
        found = getattr(self.network.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        embedding: Any = getattr(getattr(self.network, "embeddings", None), "position_embeddings", None)
        taken = getattr(embedding, "padding_idx", None)  # RoBERTa reserves its first positions for padding
        return int(min(found - (0 if taken is None else taken + 1), self.tokenizer.model_max_length, 2**20))


def _kind_of(folder: Path, config: Any) -> Any:
    if config.model_type == "clip":
        return transformers.CLIPTextModelWithProjection
    if config.model_type == "siglip":
        return transformers.SiglipTextModel
    if type(config) in transformers.MODEL_FOR_TEXT_ENCODING_MAPPING:
        return transformers.AutoModelForTextEncoding
    if takes(config) == "input_ids" and not config.is_encoder_decoder:
        return transformers.AutoModel
    raise refusal(folder, config, "text")
