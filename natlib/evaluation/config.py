"""Settings of evaluation."""

from pydantic import Field

from natlib.component import Seed, Settings

__all__ = ["EvaluationConfig"]


class EvaluationConfig(Settings):
    """How features are evaluated. Labels are used here, and in training only where asked for."""

    knn_neighbours: int = Field(default=20, ge=1)
    """Neighbours that vote."""
    knn_temperature: float = Field(default=0.07, gt=0)
    """Temperature of their weights."""
    weight_decays: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    """Weight decays that the linear probe chooses from, on a validation split."""
    validation_fraction: float = Field(default=0.1, gt=0, lt=1)
    """Share of the training samples that the probe's settings are chosen on."""
    max_train_samples: int | None = Field(default=50_000, ge=1)
    """Largest number of training samples that a probe uses."""
    batch_size: int = Field(default=512, ge=1)
    """Samples that are embedded at a time."""
    baselines: bool = True
    """Whether the encoder as it began and raw inputs are evaluated too. They are the same for
    every run on the same samples with the same seed, so a search needs them only once."""
    final: bool = True
    """Whether a run ends with an evaluation, where there are labels."""
    seed: Seed = 0
    """Seed of the validation split, and of whatever else is drawn."""
