"""The contract of assignments: the component and the module that it builds.

Shapes: b samples in the batch, d target dimensions, m targets per sample.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from natlib.component import Component, Registry
from natlib.families import ASSIGNMENTS
from natlib.runtime.progress import Work
from natlib.runtime.training_state import TrainingState
from natlib.targets import TargetDistribution, TargetModule

__all__ = ["Assigned", "Assignment", "AssignmentModule", "Step", "preview_slots"]

# Slots from here on are used by previews and by no training.
_PREVIEW = 2**60


@dataclass(frozen=True)
class Step:
    """What an assignment gets of a training step besides the embeddings.

    Attributes:
        epoch: number of the epoch, from 0.
        index: int64[b], the stable index of each sample; None if samples have none.
        labels: int64[b], the class of each sample, -1 where training sees none.
        more_views: whether further views are encoded next, so that work in another thread can
            overlap.
    """

    epoch: int = 0
    index: Tensor | None = None
    labels: Tensor | None = None
    more_views: bool = False


class Assigned(NamedTuple):
    """The targets of the samples of a batch.

    Attributes:
        targets: Tensor[m, b, d]; a sample aims at the mean of its m targets.
        own: Tensor[m, b, d], the targets of its slots before the matching.
        measures: scalars for the metrics, detached.
        classes: int64[m, b], the class of each target; None if targets have no classes.
    """

    targets: Tensor
    own: Tensor
    measures: dict[str, Tensor]
    classes: Tensor | None = None


class Assignment(Component):
    """Decides in each step which targets the samples aim at."""

    registry: ClassVar[Registry[Any]] = ASSIGNMENTS

    min_views: ClassVar[int] = 1
    """The fewest views of a sample with which training learns anything."""

    @property
    def uses_labels(self) -> bool:
        """Whether it needs the classes of labelled samples."""
        return False

    def check_targets(self, targets: TargetDistribution) -> None:
        """Refuse targets that it cannot assign; called when a configuration is validated.

        Raises:
            ValueError: the targets do not fit; the message names both settings and the next step.
        """

    def for_classes(
        self, targets: TargetDistribution, labelled: Sequence[int]
    ) -> TargetDistribution:
        """The targets with the settings filled in that depend on the classes.

        Args:
            targets: as configured.
            labelled: the number of labelled samples of each class.

        Raises:
            ConfigError: the targets do not fit these classes.
        """
        return targets

    @abstractmethod
    def build(self, targets: TargetModule, samples: int | None = None) -> "AssignmentModule[Any]":
        """A fresh module.

        Args:
            targets: what is assigned; belongs to the caller.
            samples: n, the size of the data set; needed where samples keep slots.

        Raises:
            ConfigError: ``samples`` is needed and not given.
        """


P = TypeVar("P")


class AssignmentModule(TrainingState, Generic[P]):
    """The state of an assignment: its table or counter.

    A step has two halves, so that a matching can run while the encoder computes; ``P`` is the type
    of what the first half hands to the second.

    Args:
        targets: what is assigned. Not registered as a submodule: it belongs to the objective.
    """

    targets: TargetModule

    def __init__(self, targets: TargetModule) -> None:
        super().__init__()
        # nn.Module's own __setattr__ would register it, and it would be saved a second time.
        object.__setattr__(self, "targets", targets)

    @abstractmethod
    def begin(self, z_BD: Tensor, step: Step) -> P:
        """Start to assign targets; changes no state.

        Args:
            z_BD: Tensor[b, d], the points to match, without gradient.
            step: describes the samples and the step.

        Raises:
            ConfigError: the step lacks what this assignment needs.
        """

    @abstractmethod
    def finish(self, pending: P) -> Assigned:
        """Wait for the assignment and, in training mode, commit it to the state.

        Raises:
            MatchingError: the embeddings cannot be matched.
        """

    @abstractmethod
    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        """Assign fresh targets to any embeddings as training would; changes no state.

        For diagnoses and reports: samples need no index, and the targets are not used in training.

        Args:
            z_BD: Tensor[b, d], without gradient.
            seed: seed of the targets.
        """

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """Learn which samples are labelled; called once, before training and before a resume.

        Args:
            labels: int64[n], the class of each sample, -1 where training sees none.
            classes: the names of the classes, for errors.

        Raises:
            ConfigError: it cannot assign targets with these labels.
        """

    def before_epoch(self, epoch: int) -> Work | None:
        """Work to do before the first update of an epoch; None if there is none."""
        return None


def preview_slots(count: int, seed: int, device: torch.device) -> Tensor:
    """Slots int64[count] for :meth:`AssignmentModule.preview`; each seed has its own."""
    return _PREVIEW + seed * count + torch.arange(count, device=device)
