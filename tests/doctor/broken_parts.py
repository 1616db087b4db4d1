"""Components that each break a run in one way."""

from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from natlib.component import register
from natlib.data import Batch, Split
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.encoders.heads import Head
from natlib.solvers import Lapjv, Problem, Solution
from natlib.targets import Gaussian, UniformSphere
from tests.doctor.clock import CLOCK
from tests.evaluation.gaussian_blobs import FEATURES, BlobSamples, GaussianBlobs


class SlowSamples(BlobSamples):
    """Samples that are slow to read."""

    def __getitem__(self, index: int) -> Any:
        CLOCK.sleep(0.001)
        return super().__getitem__(index)


@register
class BrokenBlobs(GaussianBlobs):
    """Gaussian blobs with a defect."""

    kind: Literal["broken_blobs"] = "broken_blobs"
    copies: int = 0
    """The number of first training samples that are copies of the last one."""
    slow: bool = False
    """Whether samples are slow to read."""
    look: Literal["noisy", "identical", "unrelated"] = "noisy"
    """What two views have in common: something, everything, nothing."""

    def dataset(self, split: Split, cache: Path | None = None) -> BlobSamples | None:
        samples = super().dataset(split, cache)
        if samples is not None and split == "train":
            samples.vectors[: self.copies] = samples.vectors[-1]
            if self.slow:
                samples.__class__ = SlowSamples
        return samples

    def views(self, batch: Batch, count: int) -> list[Tensor]:
        CLOCK.sleep(0.01)  # the time of an update
        if self.look == "unrelated":
            return [torch.randn(len(batch.index), FEATURES) for _ in range(count)]
        if self.look == "identical":
            return [self.plain(batch) for _ in range(count)]
        return super().views(batch, count)


@register
class Sleepy(Lapjv):
    """An exact solver that is slow."""

    kind: Literal["sleepy"] = "sleepy"

    def _solve(self, problem: Problem) -> Solution:
        CLOCK.sleep(0.03)
        return super()._solve(problem)


@register
class Rigid(Lapjv):
    """Returns the identity."""

    kind: Literal["rigid"] = "rigid"

    @property
    def exact(self) -> bool:
        return False

    def _solve(self, problem: Problem) -> Solution:
        return Solution(torch.arange(problem.rows).expand(len(problem.cost), -1))


@register
class FreeSphere(UniformSphere):
    """Targets on the sphere, with embeddings that are not projected onto it."""

    kind: Literal["free_sphere"] = "free_sphere"

    @property
    def on_sphere(self) -> bool:
        return False


@register
class NormalisedGaussian(Gaussian):
    """Targets of any norm, with embeddings of norm 1."""

    kind: Literal["normalised_gaussian"] = "normalised_gaussian"

    def project(self, z: Tensor) -> Tensor:
        return F.normalize(z, dim=-1)


@register
class ReluHead(Head):
    """A linear layer followed by a ReLU."""

    kind: Literal["relu_head"] = "relu_head"

    def build(self, feature_dim: int, target_dim: int) -> nn.Module:
        return nn.Sequential(nn.Linear(feature_dim, target_dim), nn.ReLU())


@register
class FrozenEncoder(EncoderRecipe):
    """A network whose weights are frozen."""

    kind: Literal["frozen"] = "frozen"

    def build(self, input_shape: tuple[int, ...]) -> Any:
        return MlpEncoder(widths=(16, 8)).build(input_shape).requires_grad_(False)
