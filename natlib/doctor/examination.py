"""Measurements of a run's model on some of its training samples.

Shapes: s samples, f features of the encoder, d dimensions of the targets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet, random_part
from natlib.doctor.copies import sample_digest
from natlib.evaluation.modes import evaluating, untouched_random
from natlib.model import Model
from natlib.objectives import NATModule

__all__ = ["EXAMINED", "Examination", "examine"]

EXAMINED = 2048
"""Maximum number of samples to read and embed, unless another one is given."""

_BATCH = 256


@dataclass(frozen=True)
class Examination:
    """Measurements on some training samples.

    Attributes:
        total: n, samples in the training set.
        names: the names of the s samples that were read.
        digests: digests of their content; equal for copies.
        view_difference: mean squared difference of two views of a sample, over that of two
            samples: 0 for views that are equal, 1 for views that have nothing in common.
        features: float32[s, f], the encoder's features; None without a model.
        head: float32[s, d], the head's output before it is projected into the targets' space.
        embeddings: float32[s, d], after the projection.
        targets: float32[s, d], as many targets; None if the objective has none.
    """

    total: int
    names: list[str]
    digests: list[bytes]
    view_difference: float
    features: Tensor | None
    head: Tensor | None
    embeddings: Tensor | None
    targets: Tensor | None


def examine(
    modality: Modality,
    samples: SampleSet,
    model: Model | None,
    most: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Examination:
    """Read samples, drawn at random, and embed them.

    The state of torch's global generator is restored.

    Args:
        modality: prepares the samples.
        samples: the training samples.
        model: the run's model, on the CPU; None if it has none yet.
        most: maximum number of samples to read.
        seed: of the draw.
        progress: called with the number of samples done and their total.
    """
    chosen = random_part(samples.usable.cpu(), most, seed).tolist()
    names: list[str] = []
    digests: list[bytes] = []
    differences: list[tuple[float, float]] = []
    found: dict[str, list[Tensor]] = {"features": [], "head": [], "embeddings": []}
    with untouched_random(torch.device("cpu")), torch.no_grad():
        torch.default_generator.manual_seed(0)
        for start in range(0, len(chosen), _BATCH):
            read = [samples[index] for index in chosen[start : start + _BATCH]]
            good = []
            for sample in read:
                alone = modality.collate([sample])
                if len(alone.index):
                    good.append(sample)
                    names.append(samples.names[int(alone.index)])
                    digests.append(sample_digest(alone))
            batch = modality.collate(good)
            if len(batch.index):
                differences.append(_compare_views(modality.views(batch, 2)))
                if model is not None:
                    _embed(model, modality.plain(batch), found)
            progress(min(start + _BATCH, len(chosen)), len(chosen))
    features, head, embeddings = (torch.cat(part) if part else None for part in found.values())
    return Examination(
        len(samples),
        names,
        digests,
        _ratio(differences),
        features,
        head,
        embeddings,
        None if model is None or embeddings is None else _targets(model, len(embeddings)),
    )


def _compare_views(views: Sequence[Tensor]) -> tuple[float, float]:
    """Sums of squared differences: between two views of a sample, and between samples."""
    one, other = (view.flatten(1).double() for view in views)
    return (
        float((one - other).square().sum()),
        # Each sample with the next one, the last with the first.
        float((one - other.roll(1, 0)).square().sum()),
    )


def _ratio(differences: Sequence[tuple[float, float]]) -> float:
    within, between = (sum(pair[side] for pair in differences) for side in (0, 1))
    # If samples do not differ at all, views cannot have more in common than samples.
    return within / between if between else 0.0


def _embed(model: Model, inputs: Tensor, found: dict[str, list[Tensor]]) -> None:
    with evaluating(model.encoder, model.objective):
        features = model.encoder(inputs)
        found["features"].append(features.float())
        found["head"].append(model.objective.main.head(features).float())
        found["embeddings"].append(model.objective.embed(features).float())


def _targets(model: Model, count: int) -> Tensor | None:
    main = model.objective.main
    if not isinstance(main, NATModule):
        return None
    with torch.no_grad():
        return main.targets.rows(torch.arange(count)).float()
