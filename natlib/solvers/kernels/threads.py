"""Solve a stack of problems in one thread or several, whichever is measured to be faster."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from natlib.runtime.autotune import Autotune

__all__ = ["solve_all"]

Result = TypeVar("Result")
Size = tuple[str, int, int, int, int]

_lock = threading.Lock()
_choices: dict[Size, Autotune[int]] = {}


def solve_all(
    kind: str,
    solve_one: Callable[[NDArray[Any], NDArray[np.bool_] | None], Result],
    problems: NDArray[Any],
    masks: Sequence[NDArray[np.bool_] | None],
) -> list[Result]:
    """Solve every problem of a stack [p, b, k]; the answer does not depend on how.

    Solvers release the interpreter lock, so that threads run in parallel. Yet the cores may be
    busy: threads of the training step, which spin while they wait for work, make several threads
    slower than one on some machines. So both are tried a few times for each solver and size, and
    the faster is kept.

    Args:
        kind: of the solver.
        solve_one: solves one problem with its mask.
        problems: [p, b, k].
        masks: p masks bool[b, k] or None.
    """
    most = min(len(problems), torch.get_num_threads())
    if most <= 1:
        return list(map(solve_one, problems, masks))
    choice = _choice(kind, problems.shape, most)
    threads = choice.next()
    began = time.perf_counter()
    if threads == 1:
        solved = list(map(solve_one, problems, masks))
    else:
        with ThreadPoolExecutor(threads, thread_name_prefix="natlib-solver") as pool:
            solved = list(pool.map(solve_one, problems, masks))
    choice.record(threads, time.perf_counter() - began)
    return solved


def _choice(kind: str, shape: tuple[int, ...], most: int) -> Autotune[int]:
    p, b, k = shape
    # Sizes within a factor of two share what was measured.
    size = (kind, p.bit_length(), b.bit_length(), k.bit_length(), most)
    with _lock:
        if size not in _choices:
            _choices[size] = Autotune([1, most])
        return _choices[size]
