"""Noise As Targets: unsupervised training of encoders, for any modality."""

from importlib.metadata import version

from natlib.assignment import AssignmentTable, SemiDiscrete
from natlib.assignment.reassignment import reassign
from natlib.component import Component, Registry, register
from natlib.encoders import EncoderRecipe, LinearHead, MlpEncoder, MlpHead
from natlib.errors import NatlibError
from natlib.evaluation import evaluate
from natlib.model import Model, export_embeddings, load
from natlib.objectives import NAT, Objective
from natlib.solvers import (
    Auction,
    Auto,
    Blockwise,
    Greedy,
    Lapjv,
    Matching,
    Scipy,
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
    "reassign",
    "register",
    "resume",
    "train",
]
