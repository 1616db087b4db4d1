"""The layers after the pooling of a checkpoint of ``sentence-transformers``."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from natlib_text.encoders.sentence_folder import TopLayer

__all__ = ["top_modules"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "identity": nn.Identity,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "sigmoid": nn.Sigmoid,
}


def top_modules(layers: Sequence[TopLayer], dim: int) -> tuple[nn.ModuleList, int]:
    """Modules with fresh weights, and how many numbers the last one returns.

    Their names are those in ``sentence-transformers``, so that its weights fit.

    Args:
        layers: in order.
        dim: how many numbers the first one reads.
    """
    modules = nn.ModuleList()
    for layer in layers:
        if layer.kind == "dense":
            outputs = layer.outputs or dim
            modules.append(_Dense(dim, outputs, layer.bias, _ACTIVATIONS[layer.activation]()))
            dim = outputs
        else:
            modules.append(_Normalize() if layer.kind == "normalize" else _LayerNorm(dim))
    return modules, dim


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int, bias: bool, activation: nn.Module) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.activation = activation

    def forward(self, vectors: Tensor) -> Tensor:
        result: Tensor = self.activation(self.linear(vectors))
        return result


class _LayerNorm(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)

    def forward(self, vectors: Tensor) -> Tensor:
        result: Tensor = self.norm(vectors)
        return result


class _Normalize(nn.Module):
    def forward(self, vectors: Tensor) -> Tensor:
        return F.normalize(vectors, dim=1)
