"""How an epoch is cut into batches."""

from natlib.data import EpochPartition, LabelledPartition, SampleSet, TrainingLabels
from natlib.errors import ConfigError
from natlib.runtime.log import logger
from natlib.training.config import TrainingConfig
from natlib.training.processes import Processes

__all__ = ["partition_for"]


def partition_for(
    samples: SampleSet,
    config: TrainingConfig,
    processes: Processes,
    labels: TrainingLabels | None = None,
    labelled_share: float | None = None,
) -> EpochPartition | LabelledPartition:
    """The batches of this process.

    Args:
        samples: what to train on.
        config: batch size, seed and how the last batch is handled.
        processes: this process among all.
        labels: which samples are labelled.
        labelled_share: share of labelled samples in each batch; None leaves it to chance.

    Raises:
        ConfigError: settings that exclude each other.
        DataError: too few samples.
    """
    if labels is None or labelled_share is None:
        return EpochPartition(
            samples.usable,
            config.batch_size,
            seed=config.seed,
            last_batch=config.last_batch,
            rank=processes.rank,
            processes=processes.count,
        )
    if config.last_batch == "drop":
        raise ConfigError(
            "labels.share fills up batches that differ by one in size; set training.last_batch to "
            "'spread', or leave labels.share out"
        )
    usable = samples.usable.cpu()
    visible = labels.visible[usable]
    labelled = usable[visible >= 0]
    partition = LabelledPartition(
        usable[visible < 0],
        labelled,
        visible[visible >= 0],
        config.batch_size,
        labelled_share,
        seed=config.seed,
        rank=processes.rank,
        processes=processes.count,
    )
    if processes.first and partition.labelled_share < 0.9 * labelled_share:
        logger.warning(
            "labelled samples are %.1f %% of each batch, not %.1f %%: there are %d, and none "
            "stands in a batch twice",
            100 * partition.labelled_share,
            100 * labelled_share,
            len(labelled),
        )
    return partition
