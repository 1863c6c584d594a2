"""Affine warps of images, shared by crops, flips and rotations."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def identity(rows: int, device: torch.device) -> Tensor:
    """Return identity matrices (B, 2, 3)."""
    return torch.eye(2, 3, device=device).expand(rows, -1, -1).clone()


def signed(rows: int, device: torch.device) -> Tensor:
    """Return (B,), drawn uniformly from -1 to 1."""
    return torch.rand(rows, device=device) * 2 - 1


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Return images (B, C, H, W) uint8 whose pixel at (x, y) comes from ``matrices`` (B, 2, 3) times (x, y, 1).

    The centre of the image is (0, 0), its edges are at -1 and 1; edge pixels are repeated beyond them.
    """
    places = nn.functional.affine_grid(matrices, list(images.shape), align_corners=False)
    found = nn.functional.grid_sample(images.float(), places, padding_mode="border", align_corners=False)
    return found.round().clamp(0, 255).to(torch.uint8)


def rotation(turns: Tensor, aspect: float) -> Tensor:
    """Return rotation matrices (B, 2, 3) by angles in radians, for images of height ``aspect`` times their width."""
    matrices = identity(len(turns), turns.device)
    matrices[:, 0, 0] = matrices[:, 1, 1] = turns.cos()
    matrices[:, 0, 1] = -turns.sin() * aspect
    matrices[:, 1, 0] = turns.sin() / aspect
    return matrices


def crop_matrices(rows: int, strength: float, device: torch.device) -> Tensor:
    """Return (B, 2, 3): a window of at least 1 - 0.4 * strength of each side, at random inside the image."""
    sides = 1 - torch.rand(rows, 2, device=device) * (0.4 * strength)
    matrices = torch.diag_embed(sides)
    middle = (torch.rand(rows, 2, device=device) * 2 - 1) * (1 - sides)
    return torch.cat([matrices, middle.unsqueeze(2)], dim=2)


def flipped(rows: int, strength: float, device: torch.device) -> Tensor:
    """Return (B,) bool: each row is chosen with probability ``strength``, at most 0.5."""
    return torch.rand(rows, device=device) < min(strength, 0.5)
