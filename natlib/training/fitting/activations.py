"""How much memory an encoder needs to be trained, measured on a few samples."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from natlib.runtime.unchanged import unchanged_buffers

__all__ = ["activation_bytes", "state_bytes"]


def activation_bytes(encoder: nn.Module, inputs: Tensor) -> int:
    """Bytes that a forward pass keeps for its backward pass, without weights and inputs.

    The pass leaves no trace in the encoder. It draws random numbers.

    Args:
        encoder: from inputs to features.
        inputs: Tensor[b, ...], a few samples; what is kept grows in proportion to b.
    """
    given = [inputs, *encoder.parameters(), *encoder.buffers()]
    known = {tensor.untyped_storage().data_ptr() for tensor in given}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with unchanged_buffers(encoder), torch.enable_grad(), saved_tensors_hooks(keep, lambda t: t):
        # Until here, so that no storage is given out twice.
        features = encoder(inputs)
    del features
    return sum(kept.values())


def state_bytes(modules: Sequence[nn.Module]) -> int:
    """Bytes of the gradients and of an optimiser's two averages, which come beside the weights."""
    trained = (p for module in modules for p in module.parameters() if p.requires_grad)
    return 3 * sum(p.numel() * p.element_size() for p in trained)
