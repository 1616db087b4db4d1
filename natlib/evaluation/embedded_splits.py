"""Features of training and test samples: of the encoder, and of its baselines."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.encoders import Encoder, EncoderRecipe
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.features import Encoded, encode
from natlib.evaluation.random_encoder import random_encoder
from natlib.evaluation.splits import Splits
from natlib.objectives import ObjectiveModule

__all__ = ["ROWS", "EmbeddedSplits", "EvaluationProgress", "embed_splits", "positions"]

EvaluationProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and the total."""

ROWS = {
    "encoder": "encoder",
    "head": "head",
    "random": "random encoder",
    "raw": "raw inputs",
}
"""Kinds of features, and the names of their rows in tables."""


@dataclass(frozen=True)
class EmbeddedSplits:
    """Features by kind (those of ``ROWS`` that were asked for), and labels.

    Attributes:
        splits: the samples, without those that could not be decoded.
        train: float32[n, ·] by kind.
        test: float32[q, ·] by kind.
        unreadable: how many could not be decoded.
    """

    splits: Splits
    train: dict[str, Tensor]
    test: dict[str, Tensor]
    unreadable: int

    @property
    def train_labels(self) -> Tensor:
        """int64[n]."""
        return self.splits.train_labels

    @property
    def test_labels(self) -> Tensor:
        """int64[q]."""
        return self.splits.test_labels


def embed_splits(
    encoder: Encoder,
    objective: ObjectiveModule | None,
    modality: Modality,
    recipe: EncoderRecipe,
    splits: Splits,
    config: EvaluationConfig,
    *,
    device: torch.device,
    workers: int = 0,
    progress: EvaluationProgress | None = None,
    seen_as: Callable[[Encoder], Encoder] | None = None,
    baselines: bool = True,
) -> EmbeddedSplits:
    """Features of encoder, head and a random encoder, and raw inputs, of labelled samples.

    Args:
        encoder: the trained encoder.
        objective: if given, its head is evaluated too.
        modality: the resolved modality that the encoder was trained with.
        recipe: how the encoder was built, for the random one beside it.
        splits: which samples.
        config: gives the seed of the random encoder and the size of batches.
        device: what to compute on; encoder and objective must be there.
        workers: processes that decode.
        progress: told about each stage.
        seen_as: wraps each encoder before it embeds, to return its stages, for example.
        baselines: whether a random encoder and raw inputs are embedded too.

    Raises:
        DataError: samples cannot be read.
        NonFiniteError: an output holds NaN or infinity.
    """
    beside = None
    if baselines:
        beside = random_encoder(
            recipe,
            modality,
            splits.train,
            splits.train_index,
            seed=config.seed,
            device=device,
            batch_size=config.batch_size,
            workers=workers,
        )
    if seen_as is not None:
        encoder = seen_as(encoder)
        beside = None if beside is None else seen_as(beside)

    def embed(stage: str, samples: SampleSet, index: Tensor) -> Encoded:
        return encode(
            modality,
            samples,
            encoder,
            device=device,
            index=index,
            objective=objective,
            random=beside,
            raw=baselines,
            batch_size=config.batch_size,
            workers=workers,
            progress=None if progress is None else partial(progress, stage),
        )

    known = embed("embedding training samples", splits.train, splits.train_index)
    asked = embed("embedding test samples", splits.test, splits.test_index)
    decoded = splits.chosen(
        positions(known.index, splits.train_index), positions(asked.index, splits.test_index)
    )
    unreadable = len(known.unreadable) + len(asked.unreadable)
    return EmbeddedSplits(decoded, known.features, asked.features, unreadable)


def positions(index: Tensor, asked_for: Tensor) -> Tensor:
    """Positions of the samples that could be decoded among those that were asked for."""
    where = {int(sample): position for position, sample in enumerate(asked_for)}
    return torch.tensor([where[int(sample)] for sample in index])
