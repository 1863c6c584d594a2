"""Initializes a text encoder with word vectors from a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mmcli.errors import UsageError
from mmcli.modalities.vector_file import VectorFile, open_vectors
from mmcli.registry import ENCODERS, Spec, options_of

_RESERVED = 2  # ids of padding and of unknown tokens


def with_width(spec: Spec, vectors: str) -> Spec:
    """Return a text encoder's spec with its token width set to that of a file of vectors.

    Raises:
        UsageError: The encoder has no embedding table, or its options give another width.
        MmcliError: The file cannot be read.
    """
    options = options_of(ENCODERS.load(spec.name))
    width = next((name for name in ("token_dim", "dim") if name in options), None)
    if width is None or ENCODERS.constant(spec.name, "kinds") != ("text",) or "weights" in options:
        raise UsageError(
            f"{spec.name}: cannot start from word vectors; vectors= is for encoders such as embedding and lstm"
        )
    found = str(open_vectors(vectors).dim)
    told = spec.options.get(width, found)
    if told != found:
        raise UsageError(f"{vectors}: its vectors have {found} dimensions, not {width}={told}; leave out {width}")
    return replace(spec, options={**spec.options, width: found})


def start_from_vectors(encoder: Any, file: VectorFile, vocabulary: Sequence[str]) -> int:
    """Copy a file's vectors into an encoder's embedding table; return the number of tokens that had one.

    A token missing from the file is looked up in lower case as well; if that fails, it keeps its random vector. The
    vectors are scaled by one number to the standard deviation of the random ones.

    Args:
        encoder: Has a ``table`` of vectors by id.
        file: The vectors.
        vocabulary: The tokens in order of their ids, from 2.
    """
    import torch

    found = {}
    for number, word in enumerate(vocabulary, _RESERVED):
        vector = file.vector(word)
        vector = file.vector(word.lower()) if vector is None else vector
        if vector is not None:
            found[number] = vector
    if found:
        table = encoder.table.weight
        values = np.stack(list(found.values()))
        values = values * (float(table[1:].std()) / max(float(values.std()), 1e-12))
        with torch.no_grad():
            table[torch.tensor(list(found))] = torch.from_numpy(values.astype(np.float32))
    return len(found)
