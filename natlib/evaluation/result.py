"""What an evaluation says."""

from typing import Literal, NamedTuple

from natlib.component import Settings

__all__ = ["Accuracy", "Evaluation", "EvaluationDetails", "Row"]


class Row(NamedTuple):
    """One line of the table that people read; accuracies in percent."""

    features: str
    knn: float
    linear: float


class Accuracy(Settings):
    """Share of test samples whose class is predicted, in percent."""

    knn: float
    """Weighted nearest neighbours."""
    linear: float
    """Linear probe."""


class EvaluationDetails(Settings):
    """What the figures stand on."""

    train_samples: int
    """Samples that the probes learnt from."""
    test_samples: int
    """Samples that they were judged on."""
    test_split: Literal["train", "val", "test"]
    """Where the test samples come from."""
    held_out: bool
    """Whether the test samples were kept from training. If not, the encoder has seen them,
    though never their labels."""
    unreadable: int
    """Samples that could not be decoded, and so were left out."""
    classes: list[str]
    """Names of the classes."""
    majority: float
    """Percent that always answering the most frequent training class would get."""
    weight_decays: dict[str, float]
    """Weight decay that the linear probe chose on a validation split, for each row."""
    knn_neighbours: int
    """Neighbours that voted."""
    knn_temperature: float
    """Temperature of their weights."""
    seed: int
    """Seed of the splits and of the random encoder."""
    train_fingerprint: str
    """Digest of the training samples."""
    test_fingerprint: str
    """Digest of the test samples."""


class Evaluation(Settings):
    """Accuracies of features beside their baselines, in percent."""

    encoder: Accuracy
    """The encoder's features, before the head: what to use."""
    head: Accuracy
    """The head's outputs."""
    random: Accuracy | None = None
    """The same encoder, freshly initialised; None if baselines were not asked for."""
    raw: Accuracy | None = None
    """The raw inputs; None if baselines were not asked for."""
    details: EvaluationDetails
    """What the figures stand on."""

    def table(self) -> list[Row]:
        """A line for each kind of features, the encoder first."""
        named = [
            ("encoder", self.encoder),
            ("head", self.head),
            ("random encoder", self.random),
            ("raw inputs", self.raw),
        ]
        return [Row(name, found.knn, found.linear) for name, found in named if found is not None]

    def to_json(self) -> str:
        """Indented JSON; :meth:`from_json` reads it back."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Evaluation":
        """The evaluation that :meth:`to_json` wrote."""
        return cls.model_validate_json(text)
