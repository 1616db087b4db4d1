"""The families of natlib's components: their registries, and the names of natlib's own kinds.

Listing kinds imports none of them, and no torch. What a plug-in registers comes from its entry
points; a kind of natlib's own is a line here beside its ``@register``.
"""

from typing import Any

from natlib.registry import EntryPoints, Registry

__all__ = [
    "ASSIGNMENTS",
    "ENCODERS",
    "FAMILIES",
    "HEADS",
    "MODALITIES",
    "OBJECTIVES",
    "OPTIMIZERS",
    "PROTOCOLS",
    "SCHEDULES",
    "SOLVERS",
    "TARGETS",
    "WEIGHT_SCHEDULES",
    "source_plugins",
]

MODALITIES: Registry[Any] = Registry("modality", "natlib.modalities")
ENCODERS: Registry[Any] = Registry(
    "encoder", "natlib.encoders", own=["mlp"], package="natlib.encoders"
)
HEADS: Registry[Any] = Registry(
    "head", "natlib.heads", own=["linear", "mlp"], package="natlib.encoders"
)
OBJECTIVES: Registry[Any] = Registry(
    "objective",
    "natlib.objectives",
    own=[
        "combined",
        "masked",
        "nat",
        "nt_xent",
        "rotation",
        "sigreg",
        "supervised",
        "vicreg",
    ],
    package="natlib.objectives",
)
TARGETS: Registry[Any] = Registry(
    "target distribution",
    "natlib.targets",
    own=[
        "from_array",
        "gaussian",
        "gradient_prototypes",
        "hypercube",
        "low_discrepancy",
        "mean_prototypes",
        "mixture",
        "one_hot",
        "projected_normal",
        "prototypes",
        "uniform_sphere",
    ],
    package="natlib.targets",
)
SOLVERS: Registry[Any] = Registry(
    "solver",
    "natlib.solvers",
    own=[
        "auction",
        "auto",
        "blockwise",
        "greedy",
        "lapjv",
        "scipy",
        "sinkhorn",
        "sliced",
        "sparse",
    ],
    package="natlib.solvers",
)
ASSIGNMENTS: Registry[Any] = Registry(
    "assignment",
    "natlib.assignments",
    own=["bank", "cells", "stream"],
    package="natlib.assignment",
)
PROTOCOLS: Registry[Any] = Registry(
    "protocol",
    "natlib.protocols",
    own=[
        "clusters",
        "few_labels",
        "finetune",
        "knn",
        "layers",
        "linear",
        "mlp",
        "retrieval",
        "semi",
        "standard",
    ],
    package="natlib.protocols",
)
OPTIMIZERS: Registry[Any] = Registry(
    "optimizer", "natlib.optimizers", own=["adamw", "sgd"], package="natlib.training.optimizers"
)
SCHEDULES: Registry[Any] = Registry(
    "schedule", "natlib.schedules", own=["constant", "cosine"], package="natlib.training.schedules"
)
WEIGHT_SCHEDULES: Registry[Any] = Registry(
    "weight schedule",
    "natlib.weight_schedules",
    own=["constant", "cosine", "linear"],
    package="natlib.objectives.weight_schedules",
)

FAMILIES = (
    MODALITIES,
    ENCODERS,
    HEADS,
    OBJECTIVES,
    WEIGHT_SCHEDULES,
    TARGETS,
    ASSIGNMENTS,
    SOLVERS,
    OPTIMIZERS,
    SCHEDULES,
    PROTOCOLS,
)


def source_plugins(modality: str) -> EntryPoints:
    """What plug-ins register as sources of samples for a modality, ``image`` say."""
    return EntryPoints(f"source of the modality {modality}", f"natlib.sources.{modality}")
