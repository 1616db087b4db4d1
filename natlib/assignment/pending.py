"""A matching that may run in another thread while the next view is encoded."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from natlib.solvers import Matching, Solver, pairwise_cost

__all__ = ["PendingMatching", "start_matching"]

# One thread for all objectives of a process: solvers start threads of their own.
_background: list[ThreadPoolExecutor] = []


class PendingMatching:
    """A matching in progress; ``result`` waits for it.

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
        """Columns int64[..., b], on the device where the solver left them.

        Raises:
            MatchingError: the costs cannot be matched.
        """
        began = time.perf_counter()
        matching = self._solve() if self._future is None else self._future.result()
        self.waited += time.perf_counter() - began
        return matching.columns


@torch.no_grad()
def start_matching(
    solver: Solver,
    z_BD: Tensor,
    candidates_MBD: Tensor,
    *,
    overlap: bool,
    allowed: Tensor | None = None,
) -> PendingMatching:
    """Start to match points with candidates.

    For a solver that runs on the host, costs are copied from an accelerator through page-locked
    memory, and only the thread that solves waits for the copy.

    Args:
        solver: the solver.
        z_BD: Tensor[b, d], the points.
        candidates_MBD: Tensor[m, b, d], one set of candidates for each matching.
        overlap: whether to solve in another thread; the result is the same.
        allowed: bool[m, b, b], the pairs that may be matched; None for all.
    """
    device = z_BD.device
    if device.type == "cpu" or not overlap:
        return PendingMatching(lambda: solver.match(z_BD, candidates_MBD, allowed), overlap)
    if not solver.runs_on_host(len(z_BD), candidates_MBD.shape[1], device):
        # It only queues work for the accelerator; a second thread would gain nothing.
        return PendingMatching(lambda: solver.match(z_BD, candidates_MBD, allowed), False)
    cost_MBB = pairwise_cost(z_BD, candidates_MBD)
    host = _copy_to_host(cost_MBB)
    mask = None if allowed is None else _copy_to_host(allowed)
    copied = torch.cuda.Event()
    copied.record()

    def solve() -> Matching:
        copied.synchronize()
        return solver.solve(host, mask)

    return PendingMatching(solve, True)


def _copy_to_host(tensor: Tensor) -> Tensor:
    """An asynchronous copy on the host; wait for an event recorded after the call."""
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)
