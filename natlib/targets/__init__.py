"""What to predict: target distributions."""

from natlib.targets.balanced import balanced_classes
from natlib.targets.base import TargetDistribution, TargetModule
from natlib.targets.from_array import FromArray
from natlib.targets.gaussian import Gaussian
from natlib.targets.hypercube import Hypercube
from natlib.targets.learned_prototypes import (
    GradientPrototypes,
    GradientPrototypesModule,
    LearnedPrototypes,
    LearnedPrototypesModule,
    MeanPrototypes,
    MeanPrototypesModule,
)
from natlib.targets.low_discrepancy import LowDiscrepancy
from natlib.targets.mixture import Mixture
from natlib.targets.one_hot import OneHot
from natlib.targets.philox import derived_seed, normal_rows
from natlib.targets.projected_normal import ProjectedNormal
from natlib.targets.prototypes import Prototypes, PrototypeTargets
from natlib.targets.tight_frame import tight_frame
from natlib.targets.uniform_sphere import UniformSphere

__all__ = [
    "FromArray",
    "Gaussian",
    "GradientPrototypes",
    "GradientPrototypesModule",
    "Hypercube",
    "LearnedPrototypes",
    "LearnedPrototypesModule",
    "LowDiscrepancy",
    "MeanPrototypes",
    "MeanPrototypesModule",
    "Mixture",
    "OneHot",
    "ProjectedNormal",
    "PrototypeTargets",
    "Prototypes",
    "TargetDistribution",
    "TargetModule",
    "UniformSphere",
    "balanced_classes",
    "derived_seed",
    "normal_rows",
    "tight_frame",
]
