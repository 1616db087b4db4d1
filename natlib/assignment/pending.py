"""What is matched in a step, by a matching that may run while the next view is computed."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from natlib.objectives.pool import Pool, PoolEntries
from natlib.solvers import Matching, Solver, pairwise_cost

__all__ = ["Deal", "PendingMatching", "remember", "start_matching"]

# One thread for all objectives of a process: matchings follow each other, and the solver
# starts threads of its own for a stack.
_background: list[ThreadPoolExecutor] = []


class PendingMatching:
    """A matching that was asked for; ``result`` waits for it.

    Attributes:
        overlaps: whether another thread solves it.
        waited: seconds that the caller has spent on the matching so far.
    """

    def __init__(self, solve: Callable[[], Matching], overlap: bool) -> None:
        self.overlaps = overlap
        self.waited = 0.0
        self._solve = solve
        self._future: Future[Matching] | None = None
        if overlap:
            if not _background:
                _background.append(ThreadPoolExecutor(1, thread_name_prefix="natlib-matching"))
            self._future = _background[0].submit(solve)

    def result(self) -> Tensor:
        """Columns int64[..., b], where the solver left them.

        Raises:
            MatchingError: the costs cannot be matched.
        """
        began = time.perf_counter()
        matching = self._solve() if self._future is None else self._future.result()
        self.waited += time.perf_counter() - began
        return matching.columns


@dataclass
class Deal:
    """What is matched in a step, the batch before the pool.

    Attributes:
        anchor: Tensor[k, d].
        slots: int64[m, k], before the matching.
        rows: Tensor[m, k, d], their targets.
        index: int64[k].
        pending: None where slots stay as they are.
        classes: int64[m, k], of the slots, where these belong to classes.
        taken: slots that a stream has used up.
    """

    anchor: Tensor
    slots: Tensor
    rows: Tensor
    index: Tensor
    pending: PendingMatching | None
    classes: Tensor | None
    taken: int


@torch.no_grad()
def start_matching(
    solver: Solver,
    z_BD: Tensor,
    candidates_MKD: Tensor,
    *,
    overlap: bool,
    allowed: Tensor | None = None,
) -> PendingMatching:
    """Begin to match points with candidates.

    A solver that works in the memory of the host gets its costs from an accelerator through
    page-locked memory: nothing but that copy is waited for, and in another thread.

    Args:
        solver: what matches.
        z_BD: Tensor[b, d], the points.
        candidates_MKD: Tensor[m, k, d], one set of candidates for each matching.
        overlap: solve in another thread; the same answer, only sooner or later.
        allowed: bool[m, b, k], the pairs that may be matched; None for all.
    """
    device = z_BD.device
    if device.type == "cpu" or not overlap:
        return PendingMatching(lambda: solver.match(z_BD, candidates_MKD, allowed), overlap)
    if not solver.runs_on_host(len(z_BD), candidates_MKD.shape[1], device):
        # It gives the accelerator its work by itself; a second thread would gain nothing.
        return PendingMatching(lambda: solver.match(z_BD, candidates_MKD, allowed), False)
    cost_MBK = pairwise_cost(z_BD, candidates_MKD)
    host = _on_its_way(cost_MBK)
    mask = None if allowed is None else _on_its_way(allowed)
    copied = torch.cuda.Event()
    copied.record()

    def solve() -> Matching:
        copied.synchronize()
        return solver.solve(host, mask)

    return PendingMatching(solve, True)


def remember(pool: Pool, deal: Deal, slots_MK: Tensor, batch: int, *, kept: bool) -> None:
    """Put the batch into the pool, behind what is there.

    Args:
        pool: what was in the matching behind the batch.
        deal: the matching.
        slots_MK: int64[m, k], after it.
        batch: b.
        kept: whether samples keep their slots, so that one must not stand in the pool twice.
    """
    slots_MK = slots_MK[: pool.slots.shape[1]]
    index_B = deal.index[:batch]
    queue = pool.entries(without=index_B if kept else None)
    if len(deal.index) > batch:
        # What was in the matching too owns other slots now.
        queue = replace(queue, slots=slots_MK[:, batch:])
    pool.fill(
        PoolEntries(
            torch.cat([queue.anchors, deal.anchor[:batch].to(queue.anchors)]),
            torch.cat([queue.slots, slots_MK[:, :batch]], dim=1),
            torch.cat([queue.index, index_B]),
        )
    )


def _on_its_way(tensor: Tensor) -> Tensor:
    """A copy on the host, to be used after an event that is recorded now."""
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)
