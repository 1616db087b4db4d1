"""Distribute slots over classes of equal size, without a table."""

import math

import torch
from torch import Tensor

from natlib.targets.philox import counter_words, slot_halves
from natlib.targets.synchronous import is_synchronous

__all__ = ["balanced_classes"]

# Up to this many classes, all orders of a block are equally likely; above, a cheaper permutation
# is used.
_FEW = 32
_ROUNDS = 6
# The largest ratio of width to height of a grid that holds exactly K cells.
_WIDE = 2
# On an accelerator, where the host cannot check that all cycle walks have ended, the probability
# that one has not is 2^-64.
_UNLIKELY = 64
# The first of the last counter words that permutations use; see natlib.targets.philox.
_USE = 16


def balanced_classes(seed: int, slot: Tensor, classes: int) -> Tensor:
    """The class of each slot; all classes have the same number of slots, within one.

    From each multiple of 2^32 on, where a layer of a bank or a process of a stream begins, every
    block of ``classes`` consecutive slots holds each class once, in an order of its own. Counted
    from there, the classes' numbers of slots differ by at most one; over any other consecutive
    slots, by at most two. A pure function of (seed, slot), in O(number of slots).

    Args:
        seed: any integer in [0, 2^64); another seed gives another order.
        slot: int64[...], each element in [0, 2^63).
        classes: K, from 1 to 2^32.

    Returns:
        int64[...] in [0, K) on the device of ``slot``.
    """
    flat = slot.reshape(-1)
    offset, region = slot_halves(flat)
    block, place = offset // classes, offset % classes
    permute = _rank if classes <= _FEW else _walk
    return permute(seed, block, region, place, classes).reshape(slot.shape)


def _rank(seed: int, block: Tensor, region: Tensor, place: Tensor, classes: int) -> Tensor:
    """The rank of a place when the places of its block are sorted by random words."""
    position = torch.arange(-(-classes // 4), device=block.device)[None]
    words = counter_words(seed, block[:, None], region[:, None], position, use=_USE + _ROUNDS)
    key = torch.stack(words, dim=-1).flatten(1)[:, :classes]
    # Ties, one in 2^32, are broken by position.
    key = key * classes + torch.arange(classes, device=key.device)
    return (key < key.gather(1, place[:, None])).sum(1)


def _walk(seed: int, block: Tensor, region: Tensor, place: Tensor, classes: int) -> Tensor:
    """The image of a place under its block's permutation of [0, K).

    A Feistel network permutes the a x b >= K cells of a grid; a place that is mapped beyond K is
    permuted again until it is below K (cycle walking; Black & Rogaway, "Ciphers with arbitrary
    finite domains", CT-RSA 2002).
    """
    height, width = _grid(classes)
    place = _feistel(seed, block, region, place, height, width)
    left_over = height * width - classes
    if left_over == 0:
        return place
    if not is_synchronous(place.device):
        # A walk visits no cell twice, and long walks are rare.
        rare = math.ceil(_UNLIKELY / math.log2(height * width / left_over))
        for _ in range(min(left_over, rare)):
            again = _feistel(seed, block, region, place, height, width)
            place = torch.where(place >= classes, again, place)
        return place
    beyond = (place >= classes).nonzero().squeeze(1)
    while len(beyond):
        again = _feistel(seed, block[beyond], region[beyond], place[beyond], height, width)
        place[beyond] = again
        beyond = beyond[again >= classes]
    return place


def _grid(classes: int) -> tuple[int, int]:
    """Height and width of a grid of exactly K cells if K has two factors of similar size; else of
    the smallest nearly square grid with at least K cells.
    """
    root = math.isqrt(classes)
    for height in range(root, 0, -1):
        if height * height * _WIDE < classes:
            break
        if classes % height == 0:
            return height, classes // height
    height = math.isqrt(classes - 1) + 1
    return height, -(-classes // height)


def _feistel(
    seed: int, block: Tensor, region: Tensor, place: Tensor, height: int, width: int
) -> Tensor:
    row, column = place // width, place % width
    for number in range(_ROUNDS):
        half, other, size = (row, column, height) if number % 2 else (column, row, width)
        if size > 1:
            word = counter_words(seed, block, region, other, use=_USE + number)[0]
            half = (half + word) % size
        row, column = (half, column) if number % 2 else (row, half)
    return row * width + column
