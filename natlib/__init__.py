"""Noise As Targets: unsupervised training of encoders, for any modality.

Names are imported when they are first used: ``import natlib`` takes milliseconds, and imports no
torch.
"""

from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from natlib.runtime.threads import set_thread_defaults

if TYPE_CHECKING:
    from natlib.assignment import (
        Assignment,
        AssignmentTable,
        Bank,
        Cells,
        Stream,
        reassign,
    )
    from natlib.component import Component, Registry, register
    from natlib.encoders import EncoderRecipe, LinearHead, MlpEncoder, MlpHead
    from natlib.errors import NatlibError
    from natlib.evaluation import evaluate
    from natlib.model import Embedder, Model, export_embeddings, load
    from natlib.objectives import NAT, NATLoss, Objective, Repulsion
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
        GradientPrototypes,
        Hypercube,
        LowDiscrepancy,
        MeanPrototypes,
        Mixture,
        OneHot,
        ProjectedNormal,
        Prototypes,
        TargetDistribution,
        UniformSphere,
    )
    from natlib.training.compose import compose
    from natlib.training.config import RunConfig
    from natlib.training.train import resume, train

    __version__: str

__all__ = [
    "NAT",
    "Assignment",
    "AssignmentTable",
    "Auction",
    "Auto",
    "Bank",
    "Blockwise",
    "Cells",
    "Component",
    "Embedder",
    "EncoderRecipe",
    "FromArray",
    "Gaussian",
    "GradientPrototypes",
    "Greedy",
    "Hypercube",
    "Lapjv",
    "LinearHead",
    "LowDiscrepancy",
    "Matching",
    "MeanPrototypes",
    "Mixture",
    "MlpEncoder",
    "MlpHead",
    "Model",
    "NATLoss",
    "NatlibError",
    "Objective",
    "OneHot",
    "ProjectedNormal",
    "Prototypes",
    "Registry",
    "Repulsion",
    "RunConfig",
    "Scipy",
    "Sinkhorn",
    "Sliced",
    "Solver",
    "Sparse",
    "Stream",
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

# Whatever is imported from natlib imports torch after this.
set_thread_defaults()

# The module of each name; the imports above tell type checkers the same.
_NAMES = {
    "natlib.assignment": (
        "Assignment",
        "AssignmentTable",
        "Bank",
        "Cells",
        "Stream",
        "reassign",
    ),
    "natlib.component": ("Component", "Registry", "register"),
    "natlib.encoders": ("EncoderRecipe", "LinearHead", "MlpEncoder", "MlpHead"),
    "natlib.errors": ("NatlibError",),
    "natlib.evaluation": ("evaluate",),
    "natlib.model": ("Embedder", "Model", "export_embeddings", "load"),
    "natlib.objectives": ("NAT", "NATLoss", "Objective", "Repulsion"),
    "natlib.solvers": (
        "Auction",
        "Auto",
        "Blockwise",
        "Greedy",
        "Lapjv",
        "Matching",
        "Scipy",
        "Sinkhorn",
        "Sliced",
        "Solver",
        "Sparse",
    ),
    "natlib.targets": (
        "FromArray",
        "Gaussian",
        "GradientPrototypes",
        "Hypercube",
        "LowDiscrepancy",
        "MeanPrototypes",
        "Mixture",
        "OneHot",
        "ProjectedNormal",
        "Prototypes",
        "TargetDistribution",
        "UniformSphere",
    ),
    "natlib.training.compose": ("compose",),
    "natlib.training.config": ("RunConfig",),
    "natlib.training.train": ("resume", "train"),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Called for a name that has not been used yet."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name == "__version__":
        value = import_module("importlib.metadata").version("natlib")
    elif not name.startswith("_") and find_spec(f"natlib.{name}") is not None:
        return import_module(f"natlib.{name}")
    else:
        raise AttributeError(f"module 'natlib' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    packages = [module.name for module in iter_modules(__path__)]
    return sorted({*globals(), *__all__, *packages, "__version__"})
