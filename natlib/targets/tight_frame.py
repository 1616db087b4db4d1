"""Spread points on the sphere evenly over all directions."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["tight_frame"]

# Directions in which points vary by less than this share of the largest variance are not amplified:
# the variance is rounding error.
_LEAST = 1e-12


class _InverseRoot(torch.autograd.Function):
    """S^(-1/2) of a symmetric positive matrix. Its gradient is finite for equal eigenvalues, unlike
    that of an eigendecomposition.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        root = values.clamp_min(values[-1] * _LEAST).sqrt()
        ctx.save_for_backward(root, vectors)
        inverse: Tensor = (vectors / root) @ vectors.T
        return inverse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # R^-1 dS R^-1 = -(dY R + R dY) with Y = R^-1 = S^(-1/2), solved in the eigenbasis.
        root, vectors = ctx.saved_tensors
        weight = root[:, None] * root * (root[:, None] + root)
        inner = -(vectors.T @ gradient @ vectors) / weight
        outer: Tensor = vectors @ inner @ vectors.T
        return outer


def _inverse_root(matrix: Tensor) -> Tensor:
    root: Tensor = _InverseRoot.apply(matrix)  # type: ignore[no-untyped-call]
    return root


def tight_frame(points: Tensor) -> Tensor:
    """Centre points, give them equal variance in all directions they span, and normalise them.

    Except for the last step, the result is the nearest centred tight frame, up to scale: the polar
    factor of the centred points. Points that nearly coincide are moved apart, and k <= d + 1 points
    become the corners of a regular simplex. Differentiable.

    Args:
        points: Tensor[k, d]; a single point is only normalised.

    Returns:
        Tensor[k, d] of norm 1. Costs O(k d min(k, d) + min(k, d)^3).
    """
    count, dim = points.shape
    if count == 1:
        return F.normalize(points, dim=-1)
    with torch.autocast(points.device.type, enabled=False):
        points_f64 = points if points.device.type == "mps" else points.double()
        centred = points_f64 - points_f64.mean(0)
        if count - 1 > dim:
            frame = centred @ _inverse_root(centred.T @ centred)
        else:
            gram = centred @ centred.T
            # Centring removed one direction: make the matrix invertible there.
            gram = gram + gram.diagonal().mean().detach() / (count - 1)
            frame = _inverse_root(gram) @ centred
        return F.normalize(frame, dim=-1).to(points.dtype)
