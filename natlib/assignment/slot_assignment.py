"""Assignments that match samples with slots: what ``stream`` and ``bank`` have in common."""

from collections.abc import Sequence

from natlib.assignment.base import Assignment
from natlib.assignment.class_targets import ClassShares, check_class_targets, targets_of_classes
from natlib.solvers import Lapjv, Solver
from natlib.targets import TargetDistribution

__all__ = ["SlotAssignment"]


class SlotAssignment(Assignment):
    """Samples are matched with slots by a solver; labelled ones perhaps with those of their class.

    ``class_targets`` decides what it does with labels, here for all kinds.
    """

    solver: Solver = Lapjv()
    """The solver that matches samples with slots."""
    class_targets: ClassShares | None = None
    """Where training sees labels, a labelled sample gets slots of its class only. Each class has
    a component of a mixture, and slots in proportion to its labelled samples (``labelled``), as
    many as each other class (``equal``), or as the mixture's weights say (``weights``)."""

    @property
    def uses_labels(self) -> bool:
        return self.class_targets is not None

    def check_targets(self, targets: TargetDistribution) -> None:
        check_class_targets(self.class_targets, targets)

    def for_classes(
        self, targets: TargetDistribution, labelled: Sequence[int]
    ) -> TargetDistribution:
        return targets_of_classes(self.class_targets, targets, labelled)
