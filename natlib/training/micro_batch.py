"""A batch that is encoded in parts, with the gradient of the whole.

Gao, Zhang, Han & Callan, "Scaling deep contrastive learning batch size under memory limited
setup" (RepL4NLP 2021, arXiv 2101.06983): features are computed part by part without a graph, the
objective sees all of them, and each part is encoded again, with a graph, when the gradient of the
loss with respect to its features is known. Only one part's activations exist at a time.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from natlib.encoders import computes_on
from natlib.runtime.unchanged import unchanged_buffers

__all__ = ["encode_in_parts", "parts_of"]


def parts_of(samples: int, micro_batch: int | None) -> int:
    """Parts that a batch is encoded in.

    Args:
        samples: b, those of the batch in this process.
        micro_batch: most samples in a part; None for all.
    """
    return 1 if micro_batch is None else -(-samples // micro_batch)


def encode_in_parts(encoder: nn.Module, inputs: Tensor, parts: int) -> Tensor:
    """Features Tensor[b, f] of inputs Tensor[b, ...], encoded in parts of nearly equal size.

    Random layers draw the same numbers when a part is encoded again. Batch norm takes its
    statistics over a part, and counts each part once in its running statistics.

    Args:
        encoder: from inputs to features.
        inputs: of the whole batch.
        parts: how many; parts are empty if there are fewer samples.
    """
    if parts == 1:
        features: Tensor = encoder(inputs)
        return features

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        # Reads the generator before the part is encoded for the first time.
        return nullcontext(), _once_more(encoder, _random_state(encoder))

    encoded = [
        checkpoint(encoder, part, use_reentrant=False, context_fn=contexts)
        for part in inputs.tensor_split(parts)
    ]
    return torch.cat(encoded)


def _random_state(encoder: nn.Module) -> Tensor | None:
    """The state of the generator that torch's checkpoints leave out: that of a GPU of Apple."""
    return torch.mps.get_rng_state() if computes_on(encoder).type == "mps" else None


@contextmanager
def _once_more(encoder: nn.Module, random: Tensor | None) -> Iterator[None]:
    """Inside, a part is encoded as it was before, and counted no second time."""
    if random is None:
        with unchanged_buffers(encoder):
            yield
        return
    now = torch.mps.get_rng_state()
    torch.mps.set_rng_state(random)
    try:
        with unchanged_buffers(encoder):
            yield
    finally:
        torch.mps.set_rng_state(now)
