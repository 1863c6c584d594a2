"""The contract test of augmentations."""

from __future__ import annotations

import torch
from torch import Tensor

from mmcli.augmentation.augmenter import Augmenter

LENGTHS = torch.tensor([30, 12, 1, 0])
"""The row lengths of kinds with sequences."""
Inputs = tuple[Tensor, ...]


def check_augmentation(kind: str, name: str) -> None:
    """Check that an augmentation keeps its contract on sample batches.

    Shapes, types, lengths and padding are unchanged; the inputs are not modified in place; a strength of 0 changes
    nothing and more strength changes more; the same seed gives the same result, and another seed a different one; rows
    are changed independently; a batch of one row works.

    Args:
        kind: The modality kind: text, image, audio, video, table, or tensor, which includes ready features.
        name: Its name, as in ``--augment MODALITY=NAME``.

    Raises:
        AssertionError: It violates the contract.
    """
    before = sample_batch(kind)
    after = augment(kind, [name], 1.0, inputs=before)
    assert _same(before, sample_batch(kind)), "it modifies its inputs in place"
    assert [(value.shape, value.dtype) for value in after] == [(value.shape, value.dtype) for value in before], (
        "shapes or types differ from those of the inputs"
    )
    if kind not in ("image", "table"):
        assert torch.equal(after[1], LENGTHS), "lengths are changed"
        for row, length in enumerate(LENGTHS.tolist()):
            assert not after[0][row, length:].any(), "padding is changed"
    assert torch.isfinite(after[0].float()).all(), "a value is not finite"
    assert _same(augment(kind, [name], 0.0), before), "a strength of 0 changes something"
    first, again, other = (augment(kind, [name], 1.0, seed)[0] for seed in (5, 5, 6))
    assert torch.equal(first, again), "the same seed gives a different result"
    assert not torch.equal(first, other), "another seed gives the same result"
    _check_rows(kind, name)
    weak, strong = (_change(kind, name, strength) for strength in (0.1, 1.0))
    assert 0 < weak < strong, f"strength 0.1 changes by {weak:.3g} on average, 1 by {strong:.3g}"
    one = tuple(value[:1] for value in before)
    assert augment(kind, [name], 1.0, inputs=one)[0].shape == one[0].shape, "the shape of a batch of one row changes"


def sample_batch(kind: str, rows: int = 4) -> Inputs:
    """Return an encoder's inputs for a kind: the same example in every row, cut to ``LENGTHS`` if it has a length."""
    torch.manual_seed(0)
    if kind == "image":
        return (torch.randint(0, 256, (1, 3, 20, 24), dtype=torch.uint8).repeat(rows, 1, 1, 1),)
    if kind == "table":
        flags = torch.tensor([0.0, 1, 0]).repeat(rows, 1)
        return torch.cat([torch.randn(1, 3).repeat(rows, 1) * (1 - flags), flags], dim=1), torch.ones(rows, 2).long()
    inside = torch.arange(30) < LENGTHS.unsqueeze(1)
    if kind == "audio":
        return torch.randint(-9000, 9000, (1, 30)).short().repeat(rows, 1) * inside, LENGTHS
    if kind == "text":
        return torch.randint(2, 50, (1, 30)).repeat(rows, 1) * inside, LENGTHS
    if kind == "video":
        frames = torch.randint(0, 256, (1, 30, 3, 8, 10), dtype=torch.uint8).repeat(rows, 1, 1, 1, 1)
        return frames * inside.view(rows, 30, 1, 1, 1), LENGTHS
    return torch.randn(1, 30, 5).repeat(rows, 1, 1) * inside.unsqueeze(2), LENGTHS


def augment(kind: str, names: list[str], strength: float, seed: int = 0, inputs: Inputs | None = None) -> Inputs:
    """Return a batch, by default the sample, after augmentations with this seed."""
    inputs = sample_batch(kind) if inputs is None else inputs
    torch.manual_seed(seed)
    return Augmenter(kind, names, strength)(inputs)


def _check_rows(kind: str, name: str) -> None:
    example = [value[:1].repeat(16, *(1,) * (value.dim() - 1)) for value in sample_batch(kind)]
    if kind == "tensor":  # some follow the deviation over the batch
        example[0] = example[0] * torch.linspace(0.5, 1.5, 16).view(-1, 1, 1)
    changed = augment(kind, [name], 1.0, inputs=tuple(example))[0].float() - example[0].float()
    assert len({tuple(row.flatten().tolist()) for row in changed}) > 1, (
        "all rows of a batch are changed in the same way"
    )


def _change(kind: str, name: str, strength: float) -> float:
    example = sample_batch(kind)[0].float()
    return sum(float((augment(kind, [name], strength, seed)[0].float() - example).abs().mean()) for seed in range(20))


def _same(one: Inputs, other: Inputs) -> bool:
    return all(torch.equal(first, second) for first, second in zip(one, other, strict=True))
