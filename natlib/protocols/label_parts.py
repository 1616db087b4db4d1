"""Subsets of the labels that protocols learn from: shares, or numbers, of each class."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from natlib.data import choose_labelled
from natlib.errors import ConfigError
from natlib.evaluation import Splits

__all__ = ["LabelPart", "draw", "label_parts", "title"]


@dataclass(frozen=True)
class LabelPart:
    """A share of the labels of each class, or a number of them.

    Attributes:
        fraction: the share; None if ``per_class`` is given.
        per_class: the number; None if ``fraction`` is given.
    """

    fraction: float | None
    per_class: int | None

    @property
    def title(self) -> str:
        """The title of its column: ``1 %``, or ``5 per class``."""
        if self.fraction is not None:
            return f"{100 * self.fraction:g} %"
        return f"{self.per_class} per class"

    def choose(self, labels: Tensor, classes: Sequence[str], seed: int) -> Tensor:
        """Positions int64[l] of the samples that are in the part, in rising order.

        Args:
            labels: int64[n], -1 where a sample has none.
            classes: names of the classes.
            seed: which part.

        Raises:
            DataError: a class has too few labelled samples.
        """
        return choose_labelled(
            labels,
            classes,
            fraction=self.fraction,
            per_class=self.per_class,
            seed=seed,
            settings=("fractions", "per_class"),
        )


def label_parts(fractions: Sequence[float], per_class: Sequence[int]) -> list[LabelPart]:
    """The parts that a protocol asks for.

    Raises:
        ConfigError: it asks for none.
    """
    parts = [LabelPart(fraction, None) for fraction in fractions]
    parts += [LabelPart(None, count) for count in per_class]
    if not parts:
        raise ConfigError(
            "fractions and per_class are both empty, so there are no labels to learn from; "
            "give one of them, fractions=[0.1] for example"
        )
    return parts


def draw(
    parts: Sequence[LabelPart], splits: Splits, seeds: Sequence[int]
) -> dict[LabelPart, list[Tensor]]:
    """Positions int64[l] of the training samples in each part, for each seed."""
    return {
        part: [part.choose(splits.train_labels, splits.classes, seed) for seed in seeds]
        for part in parts
    }


def title(seeds: int) -> str:
    """The title of a table with a column for each part."""
    said = f", {seeds} seeds" if seeds > 1 else ""
    return f"Accuracy on the test samples by labels that are seen (%{said})"
