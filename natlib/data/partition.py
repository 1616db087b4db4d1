"""The exact partition of an epoch into batches of processes, without repetition."""

from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor

from natlib.errors import DataError

__all__ = ["EpochBatches", "EpochPartition", "part_of"]


class EpochPartition:
    """Cuts a shuffled epoch into steps and every step into one share for each process.

    ``spread`` uses every sample: sizes of all shares differ by at most one, and there is
    no short last batch. ``drop`` makes every batch ``batch_size`` long and leaves out
    the rest, other samples in every epoch. No sample is ever in two shares.

    Args:
        usable: int64[u], the sample indices to train on.
        batch_size: samples in a step over all processes together (an upper bound).
        seed: seed of the order; each epoch has its own.
        last_batch: ``spread`` or ``drop``.
        rank: number of this process.
        processes: how many there are.

    Raises:
        DataError: fewer samples than a batch, or a batch with fewer than two samples
            for a process (batch norm and matching need two).
    """

    def __init__(
        self,
        usable: Tensor,
        batch_size: int,
        *,
        seed: int = 0,
        last_batch: Literal["spread", "drop"] = "spread",
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        count = len(usable)
        if count < batch_size:
            raise DataError(
                f"{count} usable samples are fewer than one batch of {batch_size}; "
                f"give more samples or a batch size of at most {count}"
            )
        if batch_size < 2 * processes:
            raise DataError(
                f"a batch of {batch_size} samples over {processes} processes leaves fewer than "
                f"two for each; use a batch size of at least {2 * processes}"
            )
        self._usable = usable.cpu()
        self._seed = seed
        self._rank = rank
        self._processes = processes
        # Steps are cut first, so that they hold the same samples for any number of processes.
        self._steps = count // batch_size if last_batch == "drop" else -(-count // batch_size)
        self._used = self._steps * batch_size if last_batch == "drop" else count
        if self._used // self._steps // processes < 2:
            raise DataError(
                f"{count} samples spread over {self._steps} batches and {processes} processes "
                f"leave fewer than two for each; use another batch size than {batch_size}, "
                "or last_batch 'drop'"
            )

    @property
    def steps(self) -> int:
        """Batches in an epoch, the same for every process."""
        return self._steps

    def step_size(self, step: int) -> int:
        """Samples in a step over all processes together."""
        begin, end = part_of(self._used, self._steps, step)
        return end - begin

    def batches(self, epoch: int, first_step: int = 0) -> "EpochBatches":
        """Sample indices of each of this process's batches, from ``first_step`` on."""
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + epoch) % 2**64)
        count = len(self._usable)
        # int32 takes half of the memory of the same order.
        narrow = torch.int32 if count < 2**31 else torch.int64
        return EpochBatches(
            self, torch.randperm(count, generator=generator, dtype=narrow), first_step
        )

    def _share(self, step: int) -> tuple[int, int]:
        """Where this process's share of a step begins and ends in the order of an epoch."""
        begin, end = part_of(self._used, self._steps, step)
        mine, next_one = part_of(end - begin, self._processes, self._rank)
        return begin + mine, begin + next_one


class EpochBatches:
    """The batches of one process in one epoch, each made on demand.

    Only the order of the epoch is kept in memory, 4 bytes for each sample.

    Args:
        partition: where batches begin and end.
        order: int[u], the order of the epoch: positions in the usable samples.
        first_step: the step to begin with.
    """

    def __init__(self, partition: EpochPartition, order: Tensor, first_step: int) -> None:
        self._partition = partition
        self._order = order
        self._first_step = first_step

    def __len__(self) -> int:
        return max(self._partition.steps - self._first_step, 0)

    def __getitem__(self, number: int) -> list[int]:
        """Sample indices of the batch ``number`` steps after the first one."""
        if not 0 <= number < len(self):
            raise IndexError(f"batch {number} of {len(self)}")
        begin, end = self._partition._share(self._first_step + number)
        indices: list[int] = self._partition._usable[self._order[begin:end].long()].tolist()
        return indices

    def __iter__(self) -> Iterator[list[int]]:
        return (self[number] for number in range(len(self)))


def part_of(total: int, parts: int, number: int) -> tuple[int, int]:
    """Begin and end of a part; parts differ by at most one, the longer ones come first."""
    size, longer = divmod(total, parts)
    begin = number * size + min(number, longer)
    return begin, begin + size + (number < longer)
