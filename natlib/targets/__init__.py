"""What to predict: target distributions."""

from natlib.targets.base import Seed, TargetDistribution, TargetModule
from natlib.targets.gaussian import Gaussian
from natlib.targets.uniform_sphere import UniformSphere

__all__ = ["Gaussian", "Seed", "TargetDistribution", "TargetModule", "UniformSphere"]
