"""Find samples with the same content."""

import hashlib
from collections.abc import Sequence

from natlib.data import Batch

__all__ = ["copies_of", "sample_digest"]


def sample_digest(alone: Batch) -> bytes:
    """A digest of a sample's content, equal for copies; the name does not count.

    Args:
        alone: a batch of this sample alone, so that it has no padding.
    """
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(alone.data.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.digest()


def copies_of(digests: Sequence[bytes]) -> list[list[int]]:
    """Groups of positions with equal digests, of two or more, in order of their first position."""
    places: dict[bytes, list[int]] = {}
    for position, digest in enumerate(digests):
        places.setdefault(digest, []).append(position)
    return [group for group in places.values() if len(group) > 1]
