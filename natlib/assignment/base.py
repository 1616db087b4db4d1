"""What decides which targets a sample aims at: the component and the module that it builds.

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

# Slots that no training uses.
_PREVIEW = 2**60


@dataclass(frozen=True)
class Step:
    """What an assignment may know of a training step, besides the embeddings.

    Attributes:
        epoch: number of the epoch, from 0.
        index: int64[b], the stable index of each sample; None where samples have none.
        labels: int64[b], the class of each sample, -1 where training sees none.
        more_views: whether views are still to be encoded, so that work in another thread pays.
    """

    epoch: int = 0
    index: Tensor | None = None
    labels: Tensor | None = None
    more_views: bool = False


class Assigned(NamedTuple):
    """What the samples of a batch aim at.

    Attributes:
        targets: Tensor[m, b, d]; a sample aims at the mean of its m targets.
        own: Tensor[m, b, d], the targets that it would have had without the assignment.
        measures: scalars for the metrics, detached.
        classes: int64[m, b], the class of each target, where targets belong to classes.
    """

    targets: Tensor
    own: Tensor
    measures: dict[str, Tensor]
    classes: Tensor | None = None


class Assignment(Component):
    """Decides which targets each sample aims at, step by step."""

    registry: ClassVar[Registry[Any]] = ASSIGNMENTS

    min_views: ClassVar[int] = 1
    """Views of a sample below which it teaches nothing."""

    @property
    def uses_labels(self) -> bool:
        """Whether it needs the classes of labelled samples."""
        return False

    def check_targets(self, targets: TargetDistribution) -> None:
        """Refuse targets that it cannot assign; called when a configuration is validated.

        Raises:
            ValueError: names both settings and says what to change.
        """

    def for_classes(
        self, targets: TargetDistribution, labelled: Sequence[int]
    ) -> TargetDistribution:
        """The targets with what depends on the classes filled in.

        Args:
            targets: as configured.
            labelled: the number of labelled samples of each class.

        Raises:
            ConfigError: the targets were made for other classes.
        """
        return targets

    @abstractmethod
    def build(self, targets: TargetModule, samples: int | None = None) -> "AssignmentModule[Any]":
        """A fresh module.

        Args:
            targets: what is assigned; stays the caller's.
            samples: n, the size of the data set; needed where samples keep something.

        Raises:
            ConfigError: ``samples`` is needed and not given.
        """


P = TypeVar("P")


class AssignmentModule(TrainingState, Generic[P]):
    """The evolving side of an assignment: its table or counter.

    A step has two halves, so that a matching can run while the encoder computes. ``P`` is what
    passes from one to the other.

    Args:
        targets: what is assigned. Used, and not registered as a part: it belongs to the objective.
    """

    targets: TargetModule

    def __init__(self, targets: TargetModule) -> None:
        super().__init__()
        # Past nn.Module's own __setattr__, which would register it, and save it, a second time.
        object.__setattr__(self, "targets", targets)

    @abstractmethod
    def begin(self, z_BD: Tensor, step: Step) -> P:
        """Begin to assign targets; changes no state.

        Args:
            z_BD: Tensor[b, d], what is matched, without gradient.
            step: which samples these are.

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

        For diagnosis and reports: no sample needs an index, and no target is one that training
        uses.

        Args:
            z_BD: Tensor[b, d], without gradient.
            seed: another one draws other targets.
        """

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """Learn which samples are labelled; called once, before training and before a resume.

        Args:
            labels: int64[n], the class of each sample, -1 where training sees none.
            classes: the names of the classes, for errors.

        Raises:
            ConfigError: the labels cannot be met.
        """

    def before_epoch(self, epoch: int) -> Work | None:
        """What is due before the first update of an epoch; None where nothing is."""
        return None


def preview_slots(count: int, seed: int, device: torch.device) -> Tensor:
    """Slots int64[count] for :meth:`AssignmentModule.preview`; each seed has its own."""
    return _PREVIEW + seed * count + torch.arange(count, device=device)
