"""Projection heads: from the encoder's features to the space of the targets.

Evaluation uses the encoder's features and not the head's outputs (Hjelm et al., ICLR 2019, table 1,
found NAT's output layer far worse than the layers below it): the head is discarded after training.
"""

from abc import abstractmethod
from typing import Any, ClassVar, Literal

from pydantic import Field, PositiveInt
from torch import nn

from natlib.component import Component, Registry, register
from natlib.families import HEADS

__all__ = ["Head", "LinearHead", "MlpHead"]


class Head(Component):
    """How to build a projection head."""

    registry: ClassVar[Registry[Any]] = HEADS

    @abstractmethod
    def build(self, feature_dim: int, target_dim: int) -> nn.Module:
        """A module from Tensor[b, f] to Tensor[b, d]."""


@register
class LinearHead(Head):
    """One linear layer, as in the 2017 paper."""

    kind: Literal["linear"] = "linear"

    def build(self, feature_dim: int, target_dim: int) -> nn.Module:
        return nn.Linear(feature_dim, target_dim)


@register
class MlpHead(Head):
    """(Linear, batch norm, ReLU) for each hidden width, then a linear layer."""

    kind: Literal["mlp"] = "mlp"
    widths: tuple[PositiveInt, ...] = Field(default=(512,), min_length=1)
    """Width of each hidden layer."""

    def build(self, feature_dim: int, target_dim: int) -> nn.Module:
        layers: list[nn.Module] = []
        width = feature_dim
        for out in self.widths:
            layers += [nn.Linear(width, out, bias=False), nn.BatchNorm1d(out), nn.ReLU()]
            width = out
        return nn.Sequential(*layers, nn.Linear(width, target_dim))
