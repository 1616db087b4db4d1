"""Accuracy of classifiers on whole images, seen by one crop and by ten."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from natlib.data import SampleSet
from natlib.errors import DataError, NonFiniteError
from natlib.evaluation import ROWS
from natlib.protocols import Subject
from natlib.protocols.fitting import cut
from natlib.protocols.labelled_batches import labelled_batches
from natlib_image.modality import Image

__all__ = ["COLUMNS", "judge_crops"]

COLUMNS = {
    "top1_centre": "top-1, centre crop",
    "top1": "top-1, ten crops",
    "top5_centre": "top-5, centre crop",
    "top5": "top-5, ten crops",
}
"""What is measured. Top-5 is left out where there are five classes or fewer."""

Features = Callable[[Tensor], dict[str, Tensor]]


@torch.no_grad()
def judge_crops(
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
    """Percent of images whose class is the first, or one of the first five, of a classifier.

    For ten crops, probabilities (not logits) are averaged over the corners and the middle and the
    same mirrored, as in Krizhevsky et al., "ImageNet Classification with Deep Convolutional
    Neural Networks", NIPS 2012.

    Args:
        subject: gives device, workers, size of batches and progress.
        modality: what cuts the crops.
        features: from crops to the features of each row.
        classifiers: from these to logits, in evaluation mode.
        samples: where the images are.
        index: int64[n], which of them.
        labels: int64[n], their classes.
        stage: what progress is called.
        unreadable: images that cannot be decoded are added to it; they count for nothing.

    Returns:
        Of each classifier, the columns.

    Raises:
        DataError: no image can be decoded.
        NonFiniteError: features hold NaN or infinity.
    """
    right: dict[str, dict[str, int]] = {name: dict.fromkeys(COLUMNS, 0) for name in classifiers}
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
                        right[name][key] += _right(answers, truth, rank)
        count += len(batch.index)
        done += len(part)
        subject.progress(stage, done, len(index))
    if not count:
        raise DataError(f"none of {len(index)} images could be decoded; check the source")
    kept = [column for column in COLUMNS if len(samples.classes) > 5 or "top5" not in column]
    return {
        name: {column: 100.0 * hits[column] / count for column in kept}
        for name, hits in right.items()
    }


def _probabilities(classifier: nn.Module, features: dict[str, Tensor]) -> Tensor:
    probabilities: Tensor = classifier(features).float().softmax(1)
    # A training that has diverged is a bad one, and no reason to stop.
    return probabilities.nan_to_num(0.0)


def _right(answers: Tensor, truth: Tensor, rank: int) -> int:
    first = answers.topk(min(rank, answers.shape[1]), dim=1).indices
    return int((first == truth[:, None]).sum())


def _checked(features: dict[str, Tensor], index: Tensor, samples: SampleSet) -> dict[str, Tensor]:
    finite = torch.isfinite(features[ROWS["encoder"]]).all(1)
    if not finite.all():
        position = int((~finite).nonzero()[0])
        name = samples.names[int(index[position])]
        raise NonFiniteError(
            f"the encoder's features of {name} hold NaN or infinity; look at that image, or go "
            "back to an earlier checkpoint",
            position,
        )
    return features
