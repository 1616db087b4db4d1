"""A batch that is encoded in parts, with the gradient of the whole.

Gao, Zhang, Han & Callan, "Scaling deep contrastive learning batch size under memory limited
setup" (RepL4NLP 2021, arXiv 2101.06983): features are computed part by part without a graph, the
objective sees all of them, and each part is encoded again, with a graph, when the gradient of the
loss with respect to its features is known. Only one part's activations exist at a time.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

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
        return nullcontext(), unchanged_buffers(encoder)

    encoded = [
        checkpoint(encoder, part, use_reentrant=False, context_fn=contexts)
        for part in inputs.tensor_split(parts)
    ]
    return torch.cat(encoded)
