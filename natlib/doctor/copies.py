"""Samples that hold the same, whatever they are."""

import hashlib
from collections.abc import Sequence

from natlib.data import Batch

__all__ = ["copies_of", "sample_digest"]


def sample_digest(alone: Batch) -> bytes:
    """A digest of what is in a sample; equal for copies, whatever they are called.

    Args:
        alone: a batch of this sample and no other, so that padding is no part of it.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(alone.data.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.digest()


def copies_of(digests: Sequence[bytes]) -> list[list[int]]:
    """Positions of equal digests, those that stand alone left out; in order of the first."""
    places: dict[bytes, list[int]] = {}
    for position, digest in enumerate(digests):
        places.setdefault(digest, []).append(position)
    return [group for group in places.values() if len(group) > 1]
