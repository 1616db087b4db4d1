"""Features as they come up in training, from random ones to nearly matched ones.

Shapes: m problems, b samples and as many targets, d dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from natlib.component import nearest
from natlib.errors import ConfigError
from natlib.solvers import pairwise_cost
from natlib.targets import UniformSphere

__all__ = ["FEATURES", "Instance", "make_instance"]

_CLUSTERS = 10


@dataclass(frozen=True)
class Instance:
    """A matching problem: samples and as many targets.

    Attributes:
        features: which kind of features.
        z: float32[b, d] or [m, b, d], unit features.
        c: float32, as ``z``, unit targets.
        cost: float32[b, b] or [m, b, b], what a matching costs.
    """

    features: str
    z: Tensor
    c: Tensor
    cost: Tensor

    @cached_property
    def array(self) -> NDArray[Any]:
        """``cost`` on the host, for solvers of NumPy arrays."""
        return np.ascontiguousarray(self.cost.cpu().numpy())

    @property
    def size(self) -> int:
        """b, the number of samples and of targets."""
        return int(self.z.shape[-2])

    @property
    def count(self) -> int:
        """m, the number of problems."""
        return len(self.z) if self.z.ndim == 3 else 1

    def similarity(self, columns: Tensor) -> float:
        """Mean cosine between samples and targets under a matching.

        Args:
            columns: int64, the column of each row; or a soft one, float [b, b], what part
                of each sample goes to which target (any positive scale).
        """
        if columns.is_floating_point():
            weight = columns.to(self.z).double()
            return float((weight * (0.5 - self.cost.double())).sum() / weight.sum())
        owner = columns.to(self.z.device).unsqueeze(-1).expand_as(self.z)
        return float((self.z.double() * self.c.gather(-2, owner).double()).sum(-1).mean())

    def random_similarity(self) -> float:
        """Mean cosine under a random matching, on average."""
        return float((self.z.double().mean(-2) * self.c.double().mean(-2)).sum(-1).mean())


def _noise(generator: torch.Generator, m: int, b: int, d: int) -> Tensor:
    """Vectors of about length 1."""
    noise: Tensor = torch.randn(m, b, d, generator=generator) / d**0.5
    return noise


def _random(generator: torch.Generator, c: Tensor) -> Tensor:
    return _noise(generator, *c.shape)


def _clustered(generator: torch.Generator, c: Tensor) -> Tensor:
    m, b, d = c.shape
    centres = F.normalize(_noise(generator, m, _CLUSTERS, d), dim=-1)
    member = torch.randint(_CLUSTERS, (m, b, 1), generator=generator).expand(-1, -1, d)
    return centres.gather(1, member) + 0.3 * _noise(generator, m, b, d)


def _collapsed(generator: torch.Generator, c: Tensor) -> Tensor:
    m, b, d = c.shape
    point = F.normalize(_noise(generator, m, 1, d), dim=-1)
    return point + 0.01 * _noise(generator, m, b, d)


def _matched(generator: torch.Generator, c: Tensor) -> Tensor:
    m, b, d = c.shape
    owner = torch.rand(m, b, generator=generator).argsort(-1).unsqueeze(-1).expand(-1, -1, d)
    return c.gather(1, owner) + _noise(generator, m, b, d)


FEATURES: dict[str, Callable[[torch.Generator, Tensor], Tensor]] = {
    "random": _random,
    "clustered": _clustered,
    "collapsed": _collapsed,
    "matched": _matched,
}
"""Kinds of features, see :func:`make_instance`."""


def make_instance(
    features: str,
    size: int,
    *,
    dim: int = 128,
    count: int = 1,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> Instance:
    """Unit features of a kind, targets of ``uniform_sphere``, and what matchings of them cost.

    Args:
        features: ``random``, uniform on the sphere; ``clustered``, around ten points, with a
            cosine of about 0.96 to their own; ``collapsed``, around a single point, 0.01 away
            from it; ``matched``, around targets of their own, with a cosine of about 0.7.
        size: b, samples and targets of a problem.
        dim: dimension of the targets.
        count: m, problems that are solved together; the tensors of a single one have no
            dimension for it.
        seed: of features and targets.
        device: where the tensors lie; their values are the same everywhere.

    Raises:
        ConfigError: no such kind of features.
    """
    if features not in FEATURES:
        raise ConfigError(f"unknown features '{features}'; {nearest(features, FEATURES)}")
    slots = torch.arange(count * size).view(count, size)
    c = UniformSphere(dim=dim, seed=seed).rows(slots)
    generator = torch.Generator().manual_seed(seed)
    z = F.normalize(FEATURES[features](generator, c), dim=-1)
    z, c = z.to(device), c.to(device)
    if count == 1:
        z, c = z[0], c[0]
    return Instance(features, z, c, pairwise_cost(z, c))
