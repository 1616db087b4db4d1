"""Features of training and test samples: of the encoder, and of its baselines."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet
from natlib.encoders import Encoder
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.features import Encoded, encode
from natlib.evaluation.reduced import Reduced, reduced_inputs
from natlib.evaluation.splits import Splits
from natlib.evaluation.start import Start
from natlib.objectives import ObjectiveModule

__all__ = ["EmbeddedSplits", "EvaluationProgress", "embed_splits", "positions"]

EvaluationProgress = Callable[[str, int, int], None]
"""Called with the name of a stage, how much of it is done, and the total."""


@dataclass(frozen=True)
class EmbeddedSplits:
    """Features by kind, and labels.

    Kinds are ``encoder``, and as asked for ``head``, ``start`` (the encoder as it began), ``raw``
    (raw inputs) and ``reduced`` (raw inputs reduced to as many numbers as the encoder has
    features, where they have more).

    Attributes:
        splits: the samples, without those that could not be decoded.
        train: float32[n, ·] by kind.
        test: float32[q, ·] by kind.
        unreadable: how many could not be decoded.
        names: what the rows of each kind are called in tables.
        reduction: how raw inputs were reduced.
    """

    splits: Splits
    train: dict[str, Tensor]
    test: dict[str, Tensor]
    unreadable: int
    names: dict[str, str] = field(default_factory=dict)
    reduction: Reduced | None = None

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
    start: Start | None,
    splits: Splits,
    config: EvaluationConfig,
    *,
    device: torch.device,
    workers: int = 0,
    progress: EvaluationProgress | None = None,
    seen_as: Callable[[Encoder], Encoder] | None = None,
    baselines: bool = True,
    name: str = "encoder",
) -> EmbeddedSplits:
    """Features of an encoder and its head, and of their baselines, of labelled samples.

    Args:
        encoder: the trained encoder.
        objective: if given, its head is evaluated too.
        modality: the resolved modality that the encoder was trained with.
        start: what the encoder was before it was trained; None where nobody trained it.
        splits: which samples.
        config: gives the seed of what is drawn, and the size of batches.
        device: what to compute on; encoder and objective must be there.
        workers: processes that decode.
        progress: told about each stage.
        seen_as: wraps each encoder before it embeds, to return its stages, for example. Raw
            inputs are then not reduced.
        baselines: whether the encoder as it began and raw inputs are embedded too.
        name: what the encoder is called in tables.

    Raises:
        DataError: samples cannot be read.
        NonFiniteError: an output holds NaN or infinity.
    """
    beside = None
    if baselines and start is not None:
        beside = start.encoder(
            modality,
            splits.train,
            splits.train_index,
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
            start=beside,
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
    names = {"encoder": name, "head": "head", "raw": "raw inputs"}
    if start is not None:
        names["start"] = start.name
    reduction = None
    if baselines and seen_as is None:
        width = known.features["encoder"].shape[1]
        reduction = reduced_inputs(known.features["raw"], asked.features["raw"], width, config.seed)
    if reduction is not None:
        known.features["reduced"], asked.features["reduced"] = reduction.train, reduction.test
        names["reduced"] = reduction.name
    return EmbeddedSplits(
        decoded,
        known.features,
        asked.features,
        unreadable,
        {kind: names[kind] for kind in known.features},
        reduction,
    )


def positions(index: Tensor, asked_for: Tensor) -> Tensor:
    """Positions of the samples that could be decoded among those that were asked for."""
    where = {int(sample): position for position, sample in enumerate(asked_for)}
    return torch.tensor([where[int(sample)] for sample in index])
