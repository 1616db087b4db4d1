"""kNN accuracy that is quick enough to watch training with."""

from functools import partial

import torch

from natlib.data import Modality
from natlib.encoders import Encoder
from natlib.evaluation.accuracy import percent
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.embedded_splits import positions
from natlib.evaluation.features import encode
from natlib.evaluation.knn import knn_predict
from natlib.evaluation.splits import Splits

__all__ = ["online_knn"]


def online_knn(
    encoder: Encoder,
    modality: Modality,
    splits: Splits,
    config: EvaluationConfig,
    *,
    device: torch.device,
    workers: int = 0,
    max_train: int = 5_000,
    max_test: int = 2_000,
) -> float:
    """Accuracy of kNN on encoder features in percent, on random subsets.

    Args:
        encoder: what is evaluated.
        modality: what prepares the samples.
        splits: see :func:`find_splits`; found once, before training.
        config: settings of the neighbours and of the random subsets.
        device: what to compute on; the encoder must be there.
        workers: processes that decode.
        max_train: samples that vote, at most.
        max_test: samples that are classified, at most.
    """
    few = splits.limited(max_train, max_test, config.seed)
    embed = partial(
        encode, modality, encoder=encoder, device=device,
        batch_size=config.batch_size, workers=workers,
    )  # fmt: skip
    known = embed(samples=few.train, index=few.train_index)
    asked = embed(samples=few.test, index=few.test_index)
    predicted = knn_predict(
        known.features["encoder"],
        few.train_labels[positions(known.index, few.train_index)],
        asked.features["encoder"],
        len(few.classes),
        config.knn_neighbours,
        config.knn_temperature,
        device=device,
    )
    return percent(predicted, few.test_labels[positions(asked.index, few.test_index)])
