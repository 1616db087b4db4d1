"""Counter-based random numbers: a pure function of (key, counter), on any device.

Philox4x32 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3" (SC 2011). The words are 32-bit unsigned numbers held in int64 tensors,
since torch has no 32 x 32 -> 64 bit product; int64 products wrap, and the wrapped
bits are the right ones.

The last word of a counter names its use, so that no two uses share a random number:
0 normal vectors, 1 signs, 2 derived seeds, 3 shifts of Sobol points, 16 and up permutations.
"""

import math

import torch
from torch import Tensor

__all__ = ["ROUNDS", "counter_words", "derived_seed", "normal_rows", "philox4x32", "slot_halves"]

ROUNDS = 7
"""The least number of rounds that passes BigCrush (Salmon et al. 2011, table 2)."""
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_MASK = 0xFFFFFFFF
_SEEDS = 2
# Counters per thread on a CPU, so that the working set fits its cache. torch gives no thread less.
_CPU_CHUNK = 1 << 15


Words = tuple[Tensor, Tensor, Tensor, Tensor]


def philox4x32(counter: Words, key: tuple[int, int], rounds: int = ROUNDS) -> Words:
    """Four random 32-bit words for each 128-bit counter.

    Args:
        counter: four int64 tensors whose shapes broadcast, each element in [0, 2^32).
        key: two integers in [0, 2^32).
        rounds: at least 5; the paper's default is 10, its fast variant has 7.

    Returns:
        Four int64 tensors of the common shape, each element in [0, 2^32).
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    spare: tuple[Tensor | None, Tensor | None] = (None, None)
    for number in range(rounds):
        # >> on int64 extends the sign; the mask below removes the extension.
        if number and c0.shape == c1.shape == c2.shape == c3.shape:
            # In place where possible: allocating memory costs more than the arithmetic.
            p0 = torch.mul(c0, _MULTIPLIERS[0], out=spare[0])
            p1 = torch.mul(c2, _MULTIPLIERS[1], out=spare[1])
            torch.bitwise_right_shift(p1, 32, out=c0).bitwise_xor_(k0).bitwise_xor_(c1)
            torch.bitwise_right_shift(p0, 32, out=c2).bitwise_xor_(k1).bitwise_xor_(c3)
            spare = (c1, c3)
        else:
            # Words that are equal along a dimension of the counters stay small by broadcasting,
            # which saves most of the first two rounds.
            p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
            c0 = (p1 >> 32).bitwise_xor_(k0) ^ c1
            c2 = (p0 >> 32).bitwise_xor_(k1) ^ c3
        c0.bitwise_and_(_MASK)
        c2.bitwise_and_(_MASK)
        # Their upper halves are masked when they are used again, and at the end.
        c1, c3 = p1, p0
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1.bitwise_and_(_MASK), c2, c3.bitwise_and_(_MASK)


def slot_halves(slot: Tensor) -> tuple[Tensor, Tensor]:
    """The lower and the upper 32 bits of int64[...] numbers in [0, 2^63)."""
    return slot & _MASK, slot >> 32


def counter_words(seed: int, low: Tensor, high: Tensor, position: Tensor, use: int) -> Words:
    """The four words of (seed, number, position, use).

    Args:
        seed: any integer in [0, 2^64).
        low: int64, lower half of the number; all three broadcast.
        high: int64, upper half of the number.
        position: int64 in [0, 2^32).
        use: the use of the words; see the docstring of this module.
    """
    last = torch.full((1,) * low.dim(), use, dtype=torch.int64, device=low.device)
    return philox4x32((low, high, position, last), (seed & _MASK, seed >> 32))


def normal_rows(seed: int, slot: Tensor, dim: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal vectors, one for each slot: a pure function of (seed, slot).

    Args:
        seed: any integer in [0, 2^64).
        slot: int64[...], each element in [0, 2^63).
        dim: length of a vector.
        dtype: float32 or float64; the type in which the Box-Muller transform is computed.

    Returns:
        A new Tensor[..., dim] on the device of ``slot``.
    """
    flat = slot.reshape(-1)
    words = -(-dim // 4)
    chunk = max(1, len(flat))
    if flat.device.type == "cpu":
        chunk = max(1, _CPU_CHUNK * torch.get_num_threads() // words)
    rows = torch.empty(len(flat), words * 4, dtype=dtype, device=flat.device)
    for start in range(0, len(flat), chunk):
        part = flat[start : start + chunk]
        _fill(rows[start : start + chunk].view(len(part), words, 4), seed, part)
    return rows[:, :dim].reshape(*slot.shape, dim)


def _fill(out: Tensor, seed: int, slot: Tensor) -> None:
    """Box-Muller on the Philox words of (slot, position in the row)."""
    position = torch.arange(out.shape[1], device=slot.device)
    low, high = slot_halves(slot[:, None])
    x = counter_words(seed, low, high, position[None], use=0)
    radius, angle, turned = torch.empty((3, *out.shape[:2]), dtype=out.dtype, device=out.device)
    for pair in (0, 2):
        # (x + 1/2) / 2^32 is never 0, so the logarithm is finite.
        radius.copy_(x[pair]).mul_(2.0**-32).add_(2.0**-33).log_().mul_(-2.0).sqrt_()
        angle.copy_(x[pair + 1]).mul_(2.0 * math.pi * 2.0**-32)
        torch.mul(radius, torch.cos(angle, out=turned), out=out[..., pair])
        torch.mul(radius, angle.sin_(), out=out[..., pair + 1])


def derived_seed(seed: int, *numbers: int) -> int:
    """A seed in [0, 2^63) derived from ``seed`` and integers >= 0 that name its use."""
    for number in numbers:
        low, high, use = (torch.tensor(word) for word in (number & _MASK, number >> 32, _SEEDS))
        x = philox4x32((low, high, torch.zeros_like(low), use), (seed & _MASK, seed >> 32))
        seed = int(x[0]) | (int(x[1]) & 0x7FFFFFFF) << 32
    return seed
