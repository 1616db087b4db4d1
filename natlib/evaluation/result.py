"""What an evaluation found: rows of figures by column, and what they were measured on."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from pydantic import Field

from natlib.component import Settings
from natlib.configuration import json_text
from natlib.runtime.reading import parse_json

__all__ = ["Evaluation", "EvaluationDetails", "Figure"]


class Figure(Settings):
    """One number, or the mean of one number for each of several seeds."""

    value: float
    """The figure."""
    seeds: tuple[float, ...] = ()
    """The figure of each seed, where there are several; ``value`` is their mean."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """The mean of a figure over seeds; of one seed, the figure itself."""
        return cls(value=fmean(values), seeds=tuple(values) if len(values) > 1 else ())

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds; None where there is only one."""
        return stdev(self.seeds) if self.seeds else None

    def __str__(self) -> str:
        spread = self.spread
        return f"{self.value:.1f}" if spread is None else f"{self.value:.1f} ± {spread:.1f}"


class EvaluationDetails(Settings):
    """What figures were measured on."""

    train_samples: int
    """Training samples that were used."""
    test_samples: int
    """Samples that figures are measured on."""
    test_split: str
    """Where the test samples come from."""
    held_out: bool
    """Whether the test samples were kept from training. If not, the encoder has seen them,
    though never their labels."""
    unreadable: int = 0
    """Samples that could not be decoded, and so were left out."""
    notes: list[str] = Field(default_factory=list)
    """What the source leaves out or guesses, a line each."""
    classes: list[str]
    """Names of the classes."""
    chosen: dict[str, Any] = Field(default_factory=dict)
    """What was chosen on a validation split of the training samples, for each row."""
    more: dict[str, Any] = Field(default_factory=dict)
    """Whatever else a protocol has to say."""


class Evaluation(Settings):
    """Figures of the encoder beside its baselines: rows of figures by column.

    Every protocol returns one. A row need not have every column.
    """

    protocol: str
    """Kind of the protocol."""
    title: str
    """What the table shows, in a few words, with the unit."""
    columns: dict[str, str]
    """What each column shows, in the order in which they are printed."""
    rows: dict[str, dict[str, Figure]]
    """Figures of each row by column."""
    details: EvaluationDetails
    """What the figures were measured on."""
    settings: dict[str, Any]
    """The protocol, as it was configured."""
    source: str | None
    """Where samples came from; None for the default of the modality."""
    seed: int
    """Seed of splits, random encoder and classifiers; of the first, where there are several."""
    config_hash: str | None
    """Digest of the run's configuration; None where the encoder is of no run."""
    train_fingerprint: str
    """Digest of the training samples."""
    test_fingerprint: str
    """Digest of the test samples."""

    def value(self, row: str, column: str) -> float | None:
        """A figure; None where a row lacks the column, or the row is absent."""
        figure = self.rows.get(row, {}).get(column)
        return None if figure is None else figure.value

    def cells(self) -> list[list[str]]:
        """The table as text: a list for each row, its name first."""
        return [
            [name, *(str(row[column]) if column in row else "-" for column in self.columns)]
            for name, row in self.rows.items()
        ]

    def to_json(self) -> str:
        """Indented JSON; :meth:`from_json` reads it back."""
        return json_text(self, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """The result that :meth:`to_json` wrote."""
        return cls.model_validate(parse_json(text))
