"""What is minimised, as a component and as the module that it builds."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field
from torch import Tensor, nn

from natlib.component import Component, Registry
from natlib.families import OBJECTIVES
from natlib.runtime.progress import Work
from natlib.runtime.training_state import training_states

__all__ = ["Objective", "ObjectiveModule", "ObjectiveOutput"]


class ObjectiveOutput(NamedTuple):
    """What one step of an objective returns.

    Attributes:
        loss: scalar to call ``backward`` on.
        parts: the named parts of the loss, unweighted and detached.
        health: label-free measures of whether training works, detached.
        pseudo_labels: int64[b], the classes that the objective takes the samples for, where it
            takes them for any.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    health: dict[str, Tensor]
    pseudo_labels: Tensor | None = None


class ObjectiveModule(nn.Module):
    """The trainable side of an objective: its head and whatever state it keeps.

    What training keeps and a model does not need is a
    :class:`natlib.runtime.training_state.TrainingState` inside it.

    Attributes:
        head: from features to what :meth:`embed` returns, or most of the way.
        loss_is_sum: whether the loss is a sum over the batch; otherwise it is a mean.
            Whoever averages gradients over processes needs to know.
        shown: what people who watch training read beside the loss: format strings such as
            ``"matched {matched_cosine:.3f}"`` with names of metrics. One whose metrics a line
            lacks is left out.
        timed: what the objective measures the time of. ``solver`` stands for the measure
            ``solver_seconds`` in ``health``, which is logged as ``solver_share``: its share of
            the time, 0 where it is not measured.
    """

    head: nn.Module
    loss_is_sum: bool = False
    shown: Sequence[str] = ()
    timed: Sequence[str] = ("solver",)

    @property
    def main(self) -> "ObjectiveModule":
        """The module whose head stands for all: itself, unless it is made of others."""
        return self

    def on_start(self, encoder: nn.Module) -> None:
        """Called once with the initialised encoder.

        For an objective that needs more of it than features, such as a slow copy to learn from.
        The encoder stays the caller's; what is made of it here is part of the state.
        """

    def after_update(self, encoder: nn.Module, done: float) -> None:
        """Called after every update of the weights, in every process with the same weights.

        Args:
            encoder: the one of :meth:`on_start`.
            done: share of the run's updates that came before this one: 0 at the first, below 1
                at the last.
        """

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Further inputs to encode in this step: the views, turned or masked, say.

        The only look at the views that an objective gets. Called before :meth:`forward`, which gets
        their features behind those of the views. What it has to know about them, the module
        remembers until then.

        Args:
            views: v tensors [b, ...], as the encoder sees them.

        Returns:
            Tensors [b, ...]; row i is made of sample i.

        Raises:
            ConfigError: nothing can be made of such inputs.
        """
        return []

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """Learn which samples are labelled; called once, before training and before a resume.

        Args:
            labels: int64[n], the class of each sample, -1 where training sees none.
            classes: what the classes are called, for errors.

        Raises:
            ConfigError: the objective cannot be met with these labels.
        """

    @abstractmethod
    def forward(
        self,
        features: Iterable[Tensor],
        index: Tensor | None = None,
        *,
        labels: Tensor | None = None,
        epoch: int = 0,
        health: bool = False,
    ) -> ObjectiveOutput:
        """One step.

        Args:
            features: v tensors [b, f], the encoder's features of each view, then those of
                :meth:`extra_inputs`. Give a generator that computes them, and the objective can
                work while a view is computed.
            index: int64[b], the stable index of each sample; needed where samples
                own something from step to step.
            labels: int64[b], the class of each sample, -1 where training sees none; needed by
                an objective that learns from labels.
            epoch: number of the epoch, from 0.
            health: also compute the measures that cost time.
        """

    def setup(self, folder: Path) -> None:
        """Give all training state inside, each a folder of its own in this one.

        Call it once, before training and before a resume; see :meth:`TrainingState.setup`.
        """
        for name, state in training_states(self):
            state.setup(folder / name)

    def before_epoch(self, epoch: int) -> Work | None:
        """What is due before the first update of an epoch; None where nothing is.

        All processes ask, and do what they get, together. Work that was broken off goes on
        where it was when the run resumes.
        """
        return None

    @abstractmethod
    def embed(self, features: Tensor) -> Tensor:
        """The head's output Tensor[b, d] for features Tensor[b, f]."""

    def merge(self) -> None:
        """Merge all training state inside; a collective call. See :meth:`TrainingState.merge`."""
        for _, state in training_states(self):
            state.merge()


class Objective(Component):
    """What to minimise. Works inside natlib's loop and in anybody else's."""

    registry: ClassVar[Registry[Any]] = OBJECTIVES

    views: int = Field(default=2, ge=1)
    """Augmented views of a sample in a step."""

    @property
    def uses_labels(self) -> bool:
        """Whether it learns from labels, and so cannot do without."""
        return False

    def for_classes(self, labelled: Sequence[int]) -> Self:
        """The same objective with what depends on the classes filled in.

        Called once, before training, where training sees labels; what it returns is written to
        ``config.yaml`` and to the saved model. Filled in already, it stays as it is.

        Args:
            labelled: how many labelled samples each class has.

        Raises:
            ConfigError: the objective is made for other classes.
        """
        return self

    @abstractmethod
    def build(self, feature_dim: int, samples: int | None = None) -> ObjectiveModule:
        """A fresh module.

        Args:
            feature_dim: f, the number of features of the encoder.
            samples: n, the size of the data set; needed where samples own slots
                from epoch to epoch.
        """
