"""Full-batch L-BFGS, which the convex problems of linear probes are solved with."""

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["minimise"]


def minimise(loss: Callable[[], Tensor], parameters: list[Tensor], iterations: int) -> None:
    """Change parameters in place until a loss stops falling.

    L-BFGS with a line search that satisfies the strong Wolfe conditions (Nocedal & Wright,
    "Numerical Optimization", 2006, section 7.2).

    Args:
        loss: the loss of the parameters as they are.
        parameters: leaves that require gradients.
        iterations: at most so many.
    """
    optimizer = torch.optim.LBFGS(
        parameters,
        max_iter=iterations,
        history_size=20,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def step() -> float:
        optimizer.zero_grad()
        total = loss()
        total.backward()
        return float(total.detach())

    with torch.enable_grad():
        optimizer.step(step)
