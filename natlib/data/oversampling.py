"""Batches in which labelled samples are oversampled."""

from collections.abc import Iterator

import torch
from torch import Tensor

from natlib.data.partition import EpochPartition, part_of
from natlib.errors import DataError

__all__ = ["LabelledPartition"]


class LabelledPartition:
    """An epoch of the unlabelled samples, each batch filled up with labelled ones.

    Each process has its own share of the labelled samples in an epoch, drawn anew for the next,
    with about as many of each class: no sample is in the batches of two processes between two
    epochs, as a table of slots needs it. It goes through its share again and again, each time in
    another order. A batch never holds a sample twice: where the end of one order does not fill
    a batch, it is left out. All is a function of (seed, epoch, step, process).

    Args:
        unlabelled: int64[u], sample indices.
        labelled: int64[l], sample indices.
        labels: int64[l], their classes.
        batch_size: samples in a step over all processes together (an upper bound).
        share: of the labelled samples in a batch; less where there are too few of them.
        seed: of all orders.
        rank: number of this process.
        processes: how many there are.

    Raises:
        DataError: there are no unlabelled samples, fewer labelled ones than processes, or
            batches that are too small to hold both kinds.
    """

    def __init__(
        self,
        unlabelled: Tensor,
        labelled: Tensor,
        labels: Tensor,
        batch_size: int,
        share: float,
        *,
        seed: int = 0,
        rank: int = 0,
        processes: int = 1,
    ) -> None:
        if not len(unlabelled):
            raise DataError(
                "all samples are labelled, so there is nothing to mix them with; show fewer labels "
                "(--label-fraction, --labels-per-class), or leave out labels.share"
            )
        if len(labelled) < processes:
            raise DataError(
                f"{len(labelled)} labelled samples cannot be shared out to {processes} processes; "
                "show more labels, or leave out labels.share"
            )
        wanted = max(round(share * batch_size), processes)
        # In no process more than its share of the labelled samples.
        per_process = min(-(-wanted // processes), len(labelled) // processes)
        self._drawn = min(wanted, per_process * processes)
        rest = min(batch_size - self._drawn, len(unlabelled))
        if rest < 2 * processes:
            raise DataError(
                f"a batch of {batch_size} samples with {self._drawn} labelled ones leaves fewer "
                f"than two unlabelled ones for each of {processes} processes; use a larger batch "
                "size or a smaller labels.share"
            )
        self._others = EpochPartition(unlabelled, rest, seed=seed, rank=rank, processes=processes)
        self._labelled, self._labels = labelled.cpu(), labels.cpu()
        self._seed, self._rank, self._processes = seed, rank, processes

    @property
    def steps(self) -> int:
        """Batches in an epoch, the same for every process."""
        return self._others.steps

    @property
    def labelled_share(self) -> float:
        """Share of labelled samples in the first batch of an epoch."""
        return self._drawn / self.step_size(0)

    def step_size(self, step: int) -> int:
        """Samples in a step over all processes together."""
        return self._others.step_size(step) + self._drawn

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[list[int]]:
        """Sample indices of each of this process's batches, from ``first_step`` on."""
        mine = self._mine(epoch)
        begin, end = part_of(self._drawn, self._processes, self._rank)
        size = end - begin
        in_order = len(mine) // size
        order, known = mine, -1
        for step, others in enumerate(self._others.batches(epoch, first_step), start=first_step):
            round_, number = divmod(step, in_order)
            if round_ != known:
                own = self._generator(epoch, 1 + self._processes * round_ + self._rank)
                order, known = mine[torch.randperm(len(mine), generator=own)], round_
            yield others + order[number * size : (number + 1) * size].tolist()

    def _mine(self, epoch: int) -> Tensor:
        """This process's share of the labelled samples in an epoch: every n-th of a class."""
        shuffled = torch.randperm(len(self._labelled), generator=self._generator(epoch, 0))
        by_class = shuffled[self._labels[shuffled].argsort(stable=True)]
        return self._labelled[by_class[self._rank :: self._processes]]

    def _generator(self, epoch: int, number: int) -> torch.Generator:
        mixed = (self._seed * 1_000_003 + epoch) * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9
        return torch.Generator().manual_seed((mixed + 1) % 2**63)
