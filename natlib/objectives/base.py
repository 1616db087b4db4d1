"""The contract of objectives: the component and the module that it builds."""

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
        parts: the terms of the loss by name, unweighted and detached.
        health: label-free measures of whether training works, detached.
        pseudo_labels: int64[b], the classes that the objective predicts; None if it predicts none.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    health: dict[str, Tensor]
    pseudo_labels: Tensor | None = None


class ObjectiveModule(nn.Module):
    """The head of an objective, and its state.

    State that training needs and a trained model does not is a
    :class:`natlib.runtime.training_state.TrainingState` inside it.

    Attributes:
        head: computes most or all of what :meth:`embed` returns.
        loss_is_sum: whether the loss is a sum over the batch; otherwise it is a mean. Decides how
            gradients are averaged over processes.
        shown: metrics to show beside the loss on the console: format strings such as
            ``"matched {matched_cosine:.3f}"``. One is left out where its metrics were not logged.
        timed: what the objective times. ``solver`` stands for the measure ``solver_seconds`` in
            ``health``, which is logged as ``solver_share``: its share of the time, 0 where it is
            not measured.
    """

    head: nn.Module
    loss_is_sum: bool = False
    shown: Sequence[str] = ()
    timed: Sequence[str] = ("solver",)

    @property
    def main(self) -> "ObjectiveModule":
        """The module whose head is saved and evaluated: itself, or the first part."""
        return self

    def on_start(self, encoder: nn.Module) -> None:
        """Called once with the initialised encoder.

        For an objective that needs more than features, such as a moving average of the weights.
        The encoder belongs to the caller; a copy made here is part of the objective's state.
        """

    def after_update(self, encoder: nn.Module, done: float) -> None:
        """Called after every update of the weights, in every process with the same weights.

        Args:
            encoder: the one that :meth:`on_start` got.
            done: share of the run's updates before this one: 0 at the first, below 1 at the last.
        """

    def extra_inputs(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Further inputs to encode in this step, such as rotated or masked views.

        Called in every step before :meth:`forward`, which gets the features of these inputs after
        those of the views. An objective sees the views here only; it remembers until
        :meth:`forward` what it needs of them.

        Args:
            views: v tensors [b, ...], the encoder's inputs.

        Returns:
            Tensors [b, ...]; row i is made from sample i.

        Raises:
            ConfigError: the objective cannot use such inputs.
        """
        return []

    def take_labels(self, labels: Tensor, classes: Sequence[str]) -> None:
        """Learn which samples are labelled; called once, before training and before a resume.

        Args:
            labels: int64[n], the class of each sample, -1 where training sees none.
            classes: the names of the classes, for errors.

        Raises:
            ConfigError: the objective cannot train with these labels.
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
                :meth:`extra_inputs`. With a generator that computes them, matching can overlap
                with the encoding of later views.
            index: int64[b], the stable index of each sample; needed where samples keep state
                between steps.
            labels: int64[b], the class of each sample, -1 where training sees none; needed by
                an objective that learns from labels.
            epoch: number of the epoch, from 0.
            health: also compute the measures that cost time.
        """

    def setup(self, folder: Path) -> None:
        """Give each training state inside a folder of its own, under this one.

        Call it once, before training and before a resume; see :meth:`TrainingState.setup`.
        """
        for name, state in training_states(self):
            state.setup(folder / name)

    def before_epoch(self, epoch: int) -> Work | None:
        """Work to do before the first update of an epoch; None if there is none.

        All processes call this and run the work together. Interrupted work continues where it
        stopped when the run resumes.
        """
        return None

    @abstractmethod
    def embed(self, features: Tensor) -> Tensor:
        """The head's output Tensor[b, d] for features Tensor[b, f]."""

    def class_scores(self, features: Tensor) -> Tensor | None:
        """Scores Tensor[b, c] of the classes for features Tensor[b, f]; None without a classifier.

        Classes are numbered as the labels that training saw.
        """
        return None

    def merge(self) -> None:
        """Merge all training state inside; a collective call. See :meth:`TrainingState.merge`."""
        for _, state in training_states(self):
            state.merge()


class Objective(Component):
    """What to minimise, in natlib's training loop or in your own."""

    registry: ClassVar[Registry[Any]] = OBJECTIVES

    views: int = Field(default=2, ge=1, le=1024)
    """Augmented views of a sample in a step."""

    @property
    def uses_labels(self) -> bool:
        """Whether it needs labels."""
        return False

    def for_classes(self, labelled: Sequence[int]) -> Self:
        """The objective with the settings filled in that depend on the classes.

        Called once, before training, where training sees labels; the result is written to
        ``config.yaml`` and to the saved model. Settings that are filled in already stay as they
        are.

        Args:
            labelled: the number of labelled samples of each class.

        Raises:
            ConfigError: the settings are for other classes.
        """
        return self

    @abstractmethod
    def build(self, feature_dim: int, samples: int | None = None) -> ObjectiveModule:
        """A fresh module.

        Args:
            feature_dim: f, the number of features of the encoder.
            samples: n, the size of the data set; needed where samples keep slots between epochs.
        """
