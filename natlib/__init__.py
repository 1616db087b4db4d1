"""Noise As Targets: unsupervised training of encoders, for any modality."""

from importlib.metadata import version

from natlib.assignment import AssignmentTable
from natlib.component import Component, Registry, register
from natlib.encoders import EncoderRecipe, LinearHead, MlpEncoder, MlpHead
from natlib.errors import NatlibError
from natlib.evaluation import evaluate
from natlib.export import export_embeddings
from natlib.model import Model, load
from natlib.objectives import NAT, Objective
from natlib.refreshing import refresh
from natlib.solvers import (
    Auction,
    Auto,
    Blockwise,
    Greedy,
    Lapjv,
    Matching,
    Scipy,
    SemiDiscrete,
    Sinkhorn,
    Sliced,
    Solver,
    Sparse,
)
from natlib.targets import (
    FromArray,
    Gaussian,
    Hypercube,
    LowDiscrepancy,
    Mixture,
    OneHot,
    ProjectedNormal,
    Prototypes,
    TargetDistribution,
    UniformSphere,
)
from natlib.training import RunConfig, compose, resume, train

__version__ = version("natlib")

__all__ = [
    "NAT",
    "AssignmentTable",
    "Auction",
    "Auto",
    "Blockwise",
    "Component",
    "EncoderRecipe",
    "FromArray",
    "Gaussian",
    "Greedy",
    "Hypercube",
    "Lapjv",
    "LinearHead",
    "LowDiscrepancy",
    "Matching",
    "Mixture",
    "MlpEncoder",
    "MlpHead",
    "Model",
    "NatlibError",
    "Objective",
    "OneHot",
    "ProjectedNormal",
    "Prototypes",
    "Registry",
    "RunConfig",
    "Scipy",
    "SemiDiscrete",
    "Sinkhorn",
    "Sliced",
    "Solver",
    "Sparse",
    "TargetDistribution",
    "UniformSphere",
    "compose",
    "evaluate",
    "export_embeddings",
    "load",
    "refresh",
    "register",
    "resume",
    "train",
]
