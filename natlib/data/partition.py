"""Which samples are in which batch of which process: exact, without repetition."""

from typing import Literal

import torch
from torch import Tensor

from natlib.errors import DataError

__all__ = ["EpochPartition"]


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
        # Steps are cut first, so that they hold the same samples for any number of processes.
        if last_batch == "drop":
            steps = count // batch_size
            step_sizes = [batch_size] * steps
        else:
            steps = -(-count // batch_size)
            step_sizes = _even(count, steps)
        self._shares = [_even(size, processes) for size in step_sizes]
        if min(map(min, self._shares)) < 2:
            raise DataError(
                f"{count} samples spread over {steps} batches and {processes} processes leave "
                f"fewer than two for each; use another batch size than {batch_size}, "
                "or last_batch 'drop'"
            )

    @property
    def steps(self) -> int:
        """Batches in an epoch, the same for every process."""
        return len(self._shares)

    def step_size(self, step: int) -> int:
        """Samples in a step over all processes together."""
        return sum(self._shares[step])

    def batches(self, epoch: int, first_step: int = 0) -> list[list[int]]:
        """Sample indices of each of this process's batches, from ``first_step`` on."""
        generator = torch.Generator().manual_seed((self._seed * 1_000_003 + epoch) % 2**64)
        order = self._usable[torch.randperm(len(self._usable), generator=generator)]
        result = []
        start = 0
        for step, shares in enumerate(self._shares):
            mine = start + sum(shares[: self._rank])
            if step >= first_step:
                result.append(order[mine : mine + shares[self._rank]].tolist())
            start += sum(shares)
        return result


def _even(total: int, parts: int) -> list[int]:
    """Parts that differ by at most one, the longer ones first."""
    size, longer = divmod(total, parts)
    return [size + 1] * longer + [size] * (parts - longer)
