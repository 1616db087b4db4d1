"""Counter-based random numbers: a pure function of (key, counter), on any device.

Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy
as 1, 2, 3" (SC 2011). The words are 32-bit unsigned numbers held in int64 tensors,
since torch has no 32 x 32 -> 64 bit product; int64 products wrap, and the wrapped
bits are the right ones.
"""

import math

import torch
from torch import Tensor

__all__ = ["normal_rows", "philox4x32"]

_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
# Counters worked on at once on a CPU: what keeps the working set in the cache.
_CPU_CHUNK = 1 << 16


def philox4x32(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Four random 32-bit words for each 128-bit counter.

    Args:
        counter: four int64 tensors of one shape, each element in [0, 2^32).
        key: two integers in [0, 2^32).

    Returns:
        Four int64 tensors of that shape, each element in [0, 2^32).
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(_ROUNDS):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        # >> on int64 copies the sign; the mask after it removes what it copied.
        c0 = (p1 >> 32).bitwise_and_(_MASK).bitwise_xor_(c1).bitwise_xor_(k0)
        c2 = (p0 >> 32).bitwise_and_(_MASK).bitwise_xor_(c3).bitwise_xor_(k1)
        c1, c3 = p1.bitwise_and_(_MASK), p0.bitwise_and_(_MASK)
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def normal_rows(seed: int, slot: Tensor, dim: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal vectors, one for each slot: a pure function of (seed, slot).

    Args:
        seed: any integer in [0, 2^64).
        slot: int64[...], each element in [0, 2^63).
        dim: length of a vector.
        dtype: float32 or float64; what the Box-Muller transform is computed in.

    Returns:
        Tensor[..., dim] on the device of ``slot``.
    """
    flat = slot.reshape(-1)
    words = -(-dim // 4)
    chunk = max(1, _CPU_CHUNK // words) if flat.device.type == "cpu" else max(1, len(flat))
    rows = torch.empty(len(flat), words * 4, dtype=dtype, device=flat.device)
    for start in range(0, len(flat), chunk):
        part = flat[start : start + chunk]
        _fill(rows[start : start + chunk].view(len(part), words, 4), seed, part)
    return rows[:, :dim].reshape(*slot.shape, dim)


def _fill(out: Tensor, seed: int, slot: Tensor) -> None:
    """Box-Muller on the Philox words of (slot, position in the row)."""
    words = out.shape[1]
    position = torch.arange(words, device=slot.device).expand(len(slot), words)
    low = (slot & _MASK)[:, None].expand(-1, words).contiguous()
    high = (slot >> 32)[:, None].expand(-1, words).contiguous()
    counter = (low, high, position.contiguous(), torch.zeros_like(low))
    x = philox4x32(counter, (seed & _MASK, seed >> 32))
    # (x + 1/2) / 2^32 is never 0, so the logarithm is finite.
    u = [word.to(out.dtype).mul_(2.0**-32).add_(2.0**-33) for word in x]
    for pair in (0, 2):
        radius = u[pair].log_().mul_(-2.0).sqrt_()
        angle = u[pair + 1].mul_(2.0 * math.pi)
        torch.mul(radius, angle.cos(), out=out[..., pair])
        torch.mul(radius, angle.sin_(), out=out[..., pair + 1])
