"""The table of the slots that samples own."""

import torch
import torch.distributed as dist
from torch import Tensor

from natlib.errors import DuplicateSampleError, MatchingError
from natlib.runtime.processes import process_count
from natlib.runtime.training_state import TrainingState

__all__ = ["SLOTS_OF_A_LAYER", "AssignmentTable"]

SLOTS_OF_A_LAYER = 2**32


class AssignmentTable(TrainingState):
    """The m slots of each sample. Each of the m layers is always a permutation of its n slots.

    In layer j, sample i owns slot ``permutation[j, i] + j * 2^32``: no two layers share a slot, a
    data set that grows keeps the slots it has, and the slots of a layer are consecutive, so that
    distributions that spread over consecutive slots stay spread.

    Args:
        samples: n, the number of samples.
        layers: m, the slots that each sample owns.
        seed: seed of the random permutation that the table starts as.
    """

    permutation: Tensor

    def __init__(self, samples: int, layers: int = 1, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        start = torch.empty(layers, samples, dtype=torch.int64)
        for layer in range(layers):
            torch.randperm(samples, generator=generator, out=start[layer])
        self.register_buffer("permutation", start)
        # The table after the last merge. Until the next one each process changes the samples of
        # its own share only, so the changes of all processes add up.
        self._agreed: Tensor | None = None

    @property
    def samples(self) -> int:
        """n, the number of samples."""
        return self.permutation.shape[1]

    @property
    def layers(self) -> int:
        """m, the slots that each sample owns."""
        return self.permutation.shape[0]

    def slots(self, index: Tensor) -> Tensor:
        """Slots int64[m, b] of the samples int64[b]."""
        layer = torch.arange(self.layers, device=self.permutation.device)
        owned = self.permutation[:, index.to(self.permutation.device, non_blocking=True)]
        return owned + layer[:, None] * SLOTS_OF_A_LAYER

    @torch.no_grad()
    def reassign(self, index: Tensor, columns: Tensor) -> None:
        """Exchange the slots of a batch within the batch.

        Args:
            index: int64[b], the samples of the batch, each once. The host reads it and the
                columns, and so waits for an accelerator that holds them.
            columns: int64[m, b]; in layer j, sample ``index[i]`` gets the slot that sample
                ``index[columns[j, i]]`` owned.

        Raises:
            DuplicateSampleError: the batch holds a sample twice.
            MatchingError: the table has no such sample, or a layer of ``columns`` is not a
                permutation of the batch.
        """
        distinct = self._known(index)
        if len(distinct) != len(index):
            raise DuplicateSampleError(
                "a batch holds a sample twice, so its slots cannot be assigned one-to-one; "
                "sample without replacement and without padding"
            )
        columns = _whole("columns", columns)
        positions = torch.arange(len(index), device=columns.device)
        if columns.shape != (self.layers, len(index)) or not torch.equal(
            columns.sort(-1).values, positions.expand(self.layers, -1)
        ):
            raise MatchingError(
                f"columns need to be a permutation of the {len(index)} samples of the batch in "
                f"each of {self.layers} layers; match a batch against its own slots only"
            )
        if self._agreed is None and process_count() > 1:
            self._agreed = self.permutation.clone()
        device = self.permutation.device
        index = index.to(device, torch.int64, non_blocking=True)
        owned = self.permutation[:, index]
        self.permutation[:, index] = owned.gather(1, columns.to(device, non_blocking=True))

    def _known(self, index: Tensor) -> Tensor:
        """The distinct samples of a batch in ascending order, all of which the table has."""
        if index.ndim != 1:
            raise MatchingError(
                f"the samples of a batch need the shape [b], got {list(index.shape)}; give the "
                "indices of one batch"
            )
        distinct: Tensor = _whole("samples", index).unique()
        if len(distinct) and not 0 <= int(distinct[0]) <= int(distinct[-1]) < self.samples:
            wrong = int(distinct[0] if distinct[0] < 0 else distinct[-1])
            raise MatchingError(
                f"there is no sample {wrong}: the table has samples 0 to {self.samples - 1}; build "
                "the objective for as many samples as the data set has"
            )
        return distinct

    @torch.no_grad()
    def merge(self) -> None:
        """Merge the tables of all processes; a collective call, a no-op for a single process.

        Correct if no sample was in the batches of two processes since the last merge: call it at
        the end of every epoch.
        """
        if process_count() == 1:
            return
        before = self.permutation if self._agreed is None else self._agreed
        change = self.permutation - before
        dist.all_reduce(change)
        self.permutation.copy_(before + change)
        self._agreed = None

    def _load_from_state_dict(
        self, state_dict: dict[str, Tensor], prefix: str, *rest: object
    ) -> None:
        super()._load_from_state_dict(state_dict, prefix, *rest)
        self._agreed = None  # all processes agree on what they load


def _whole(name: str, values: Tensor) -> Tensor:
    """Whole numbers as int64."""
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise MatchingError(f"{name} need whole numbers, got {values.dtype}; give int64")
    return values.long()
