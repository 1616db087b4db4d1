"""What an evaluation found: rows of figures by column, and what they were measured on."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from pydantic import Field, model_validator

from natlib.component import Settings
from natlib.configuration import json_text
from natlib.evaluation.accuracy import standard_error
from natlib.runtime.reading import parse_json

__all__ = ["Evaluation", "EvaluationDetails", "Figure"]


_BEFORE = {"random": "start", "random encoder": "start", "raw inputs": "raw"}


class Figure(Settings):
    """One number, or the mean of one number for each of several seeds."""

    value: float
    """The figure."""
    seeds: tuple[float, ...] = ()
    """The figure of each seed, where there are several; ``value`` is their mean."""
    error: float | None = None
    """Standard error of the figure: over the test samples, or over the seeds where there are
    several; null where it is not known."""

    @classmethod
    def of(cls, values: Sequence[float], count: int | None = None) -> "Figure":
        """The mean of a figure over seeds; of one seed, the figure itself.

        Args:
            values: the figure of each seed.
            count: test samples; given if the figure is an accuracy in percent.
        """
        if len(values) > 1:
            error = stdev(values) / len(values) ** 0.5
            return cls(value=fmean(values), seeds=tuple(values), error=error)
        error_of_one = None if count is None else standard_error(values[0], count)
        return cls(value=values[0], error=error_of_one)

    def __str__(self) -> str:
        return f"{self.value:.1f}" if self.error is None else f"{self.value:.1f} ± {self.error:.1f}"


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
    """Figures of each row by column. Rows of features are ``encoder``, ``head``, ``start`` (the
    encoder as it began; ``random`` in older files), ``raw`` and ``reduced``."""
    names: dict[str, str] = Field(default_factory=dict)
    """What rows are called in tables, where not by their keys."""
    details: EvaluationDetails
    """What the figures were measured on."""
    settings: dict[str, Any]
    """The protocol, as it was configured."""
    source: str | None
    """Where samples came from; None for the default of the modality."""
    seed: int
    """Seed of splits and classifiers; of the first, where there are several."""
    config_hash: str | None
    """Digest of the run's configuration; None where the encoder is of no run."""
    train_fingerprint: str
    """Digest of the training samples."""
    test_fingerprint: str
    """Digest of the test samples."""

    @model_validator(mode="before")
    @classmethod
    def _rename_rows(cls, value: Any) -> Any:
        """The rows as they are called now, for a file that calls them as before."""
        if not isinstance(value, Mapping) or not isinstance(value.get("rows"), Mapping):
            return value
        rows = {_BEFORE.get(name, name): figures for name, figures in value["rows"].items()}
        return {**value, "rows": rows}

    def value(self, row: str, column: str) -> float | None:
        """A figure; None where a row lacks the column, or the row is absent."""
        figure = self.rows.get(_BEFORE.get(row, row), {}).get(column)
        return None if figure is None else figure.value

    def cells(self) -> list[list[str]]:
        """The table as text: a list for each row, its name first."""
        return [
            [
                self.names.get(key, key),
                *(str(row[column]) if column in row else "-" for column in self.columns),
            ]
            for key, row in self.rows.items()
        ]

    def to_json(self) -> str:
        """Indented JSON; :meth:`from_json` reads it back."""
        return json_text(self, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """The result that :meth:`to_json` wrote."""
        return cls.model_validate(parse_json(text))
