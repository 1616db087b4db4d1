"""What to minimise: objectives."""

from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.combined import Combined
from natlib.objectives.combined_module import CombinedModule
from natlib.objectives.embedding import check_finite, embed_views, expect_views
from natlib.objectives.health import (
    effective_rank,
    embedding_health,
    lowest_healthy_rank,
    random_cosine,
)
from natlib.objectives.masked import Masked, MaskedModule, Projections
from natlib.objectives.nat import NAT, NATModule
from natlib.objectives.nat_loss import NATLoss, Repulsion
from natlib.objectives.nt_xent import NTXent
from natlib.objectives.part import Part
from natlib.objectives.random_loss import random_target_loss
from natlib.objectives.rotation import Rotation, RotationModule
from natlib.objectives.sigreg import SIGReg
from natlib.objectives.supervised import Supervised, SupervisedModule
from natlib.objectives.teacher import Teacher, TeacherModule, teacher_embeddings
from natlib.objectives.vicreg import VICReg
from natlib.objectives.view_loss import ViewLoss
from natlib.objectives.weight_schedules import (
    ConstantWeight,
    CosineWeight,
    LinearWeight,
    WeightSchedule,
)

__all__ = [
    "NAT",
    "Combined",
    "CombinedModule",
    "ConstantWeight",
    "CosineWeight",
    "LinearWeight",
    "Masked",
    "MaskedModule",
    "NATLoss",
    "NATModule",
    "NTXent",
    "Objective",
    "ObjectiveModule",
    "ObjectiveOutput",
    "Part",
    "Projections",
    "Repulsion",
    "Rotation",
    "RotationModule",
    "SIGReg",
    "Supervised",
    "SupervisedModule",
    "Teacher",
    "TeacherModule",
    "VICReg",
    "ViewLoss",
    "WeightSchedule",
    "all_gather_with_grad",
    "check_finite",
    "effective_rank",
    "embed_views",
    "embedding_health",
    "expect_views",
    "lowest_healthy_rank",
    "random_cosine",
    "random_target_loss",
    "teacher_embeddings",
]
