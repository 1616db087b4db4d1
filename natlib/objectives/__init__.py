"""What to minimise: objectives."""

from natlib.assignment.schedule import Reassignment
from natlib.objectives.all_gather import all_gather_with_grad
from natlib.objectives.base import Objective, ObjectiveModule, ObjectiveOutput
from natlib.objectives.combined import Combined, Part
from natlib.objectives.combined_module import CombinedModule
from natlib.objectives.embedding import check_finite, embedded, expect_views
from natlib.objectives.masked import Masked, MaskedModule
from natlib.objectives.nat import NAT
from natlib.objectives.nat_module import NATModule
from natlib.objectives.nt_xent import NTXent
from natlib.objectives.rotation import Rotation, RotationModule
from natlib.objectives.sigreg import SIGReg
from natlib.objectives.supervised import Supervised, SupervisedModule
from natlib.objectives.teacher import Teacher, TeacherModule, teacher_embeddings
from natlib.objectives.vicreg import VICReg
from natlib.objectives.view_loss import ViewLoss

__all__ = [
    "NAT",
    "Combined",
    "CombinedModule",
    "Masked",
    "MaskedModule",
    "NATModule",
    "NTXent",
    "Objective",
    "ObjectiveModule",
    "ObjectiveOutput",
    "Part",
    "Reassignment",
    "Rotation",
    "RotationModule",
    "SIGReg",
    "Supervised",
    "SupervisedModule",
    "Teacher",
    "TeacherModule",
    "VICReg",
    "ViewLoss",
    "all_gather_with_grad",
    "check_finite",
    "embedded",
    "expect_views",
    "teacher_embeddings",
]
