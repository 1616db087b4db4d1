"""Accuracy of classifiers that see one crop of each image, or ten."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from natlib.data import SampleSet
from natlib.errors import DataError, NonFiniteError
from natlib.protocols import Subject
from natlib.protocols.fitting import cut
from natlib.protocols.labelled_batches import labelled_batches
from natlib_image.modality import Image

__all__ = ["COLUMNS", "evaluate_crops"]

COLUMNS = {
    "top1_centre": "top-1, centre crop",
    "top1": "top-1, ten crops",
    "top5_centre": "top-5, centre crop",
    "top5": "top-5, ten crops",
}
"""Titles of the accuracies by name. Top-5 is left out where there are five classes or fewer."""

Features = Callable[[Tensor], dict[str, Tensor]]


@torch.no_grad()
def evaluate_crops(
    subject: Subject,
    modality: Image,
    features: Features,
    classifiers: Mapping[str, nn.Module],
    samples: SampleSet,
    index: Tensor,
    labels: Tensor,
    *,
    stage: str,
    unreadable: set[int],
) -> dict[str, dict[str, float]]:
    """Top-1 and top-5 accuracy in percent, from the centre crop and from ten crops.

    Ten crops are the four corners and the centre, and their mirror images; the probabilities (not
    the logits) of the ten are averaged (Krizhevsky et al., "ImageNet Classification with Deep
    Convolutional Neural Networks", NIPS 2012).

    Args:
        subject: gives device, workers, batch size and progress.
        modality: cuts the crops.
        features: maps crops to the features of each row.
        classifiers: map these features to logits, by name; in evaluation mode.
        samples: the set that holds the images.
        index: int64[n], the images.
        labels: int64[n], their classes.
        stage: what to call this stage when progress is reported.
        unreadable: the indices of images that cannot be decoded are added to it; such images are
            left out of the accuracies.

    Returns:
        For each classifier, the accuracies by their names in :data:`COLUMNS`.

    Raises:
        DataError: no image can be decoded.
        NonFiniteError: features hold NaN or infinity.
    """
    correct: dict[str, dict[str, int]] = {name: dict.fromkeys(COLUMNS, 0) for name in classifiers}
    count = done = 0
    parts = cut(index, subject.evaluation.batch_size)
    loaded = labelled_batches(subject, samples, index, labels, parts)
    for part, (batch, truth) in zip(parts, loaded, strict=True):
        unreadable.update(bad.index for bad in batch.unreadable)
        if len(batch.index):
            centre = _checked(features(modality.plain(batch)), batch.index, samples)
            seen = {name: _probabilities(each, centre) for name, each in classifiers.items()}
            sums = {name: torch.zeros_like(each) for name, each in seen.items()}
            for crops in modality.ten_crops(batch):
                found = features(crops)
                for name, each in classifiers.items():
                    sums[name] += _probabilities(each, found)
            for name in classifiers:
                for column, answers in (("centre", seen[name]), ("", sums[name])):
                    for rank in (1, 5):
                        key = f"top{rank}_{column}".rstrip("_")
                        correct[name][key] += _correct(answers, truth, rank)
        count += len(batch.index)
        done += len(part)
        subject.progress(stage, done, len(index))
    if not count:
        raise DataError(f"none of {len(index)} images could be decoded; check the source")
    columns = [column for column in COLUMNS if len(samples.classes) > 5 or "top5" not in column]
    return {
        name: {column: 100.0 * hits[column] / count for column in columns}
        for name, hits in correct.items()
    }


def _probabilities(classifier: nn.Module, features: dict[str, Tensor]) -> Tensor:
    probabilities: Tensor = classifier(features).float().softmax(1)
    # A training that diverged with one of the candidates is no reason to stop: it predicts nothing.
    return probabilities.nan_to_num(0.0)


def _correct(answers: Tensor, truth: Tensor, rank: int) -> int:
    first = answers.topk(min(rank, answers.shape[1]), dim=1).indices
    return int((first == truth[:, None]).sum())


def _checked(features: dict[str, Tensor], index: Tensor, samples: SampleSet) -> dict[str, Tensor]:
    finite = torch.isfinite(features["encoder"]).all(1)
    if not finite.all():
        position = int((~finite).nonzero()[0])
        name = samples.names[int(index[position])]
        raise NonFiniteError(
            f"the encoder's features of {name} hold NaN or infinity; look at that image, or go "
            "back to an earlier checkpoint",
            position,
        )
    return features
