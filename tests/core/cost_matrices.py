"""Cost matrices that a solver may meet, ordinary and degenerate."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

__all__ = ["FAMILIES", "lowest_cost", "make", "stack"]

Matrix = NDArray[np.float64]
Generator = np.random.Generator
DIM = 16


def _unit(x: Matrix) -> Matrix:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _targets(g: Generator, k: int) -> Matrix:
    return _unit(g.standard_normal((k, DIM)))


def _collapsed(spread: float) -> Callable[[Generator, int, int], Matrix]:
    def make_one(g: Generator, b: int, k: int) -> Matrix:
        z = _unit(np.ones((b, DIM)) + spread * g.standard_normal((b, DIM)))
        return -z @ _targets(g, k).T

    return make_one


def _duplicates(g: Generator, b: int, k: int) -> Matrix:
    few = max(1, b // 8)
    z, c = _unit(g.standard_normal((few, DIM))), _targets(g, max(1, k // 8))
    return -z[g.integers(0, len(z), b)] @ c[g.integers(0, len(c), k)].T


def _clustered(g: Generator, b: int, k: int) -> Matrix:
    z = _targets(g, 4)[g.integers(0, 4, b)] + 1e-4 * g.standard_normal((b, DIM))
    return -_unit(z) @ _targets(g, k).T


def _low_rank(rank: int) -> Callable[[Generator, int, int], Matrix]:
    return lambda g, b, k: -g.standard_normal((b, rank)) @ g.standard_normal((rank, k))


def _sorted_line(g: Generator, b: int, k: int) -> Matrix:
    """Points on a line: what raw ``lapjv`` in float64 does not finish."""
    difference = np.sort(g.random(b))[:, None] - np.sort(g.random(k))[None]
    return np.asarray(difference**2)


def _constants(g: Generator, b: int, k: int) -> Matrix:
    noise = 1e-3 * g.standard_normal((b, k))
    return 10 * g.standard_normal((b, 1)) + 10 * g.standard_normal((1, k)) + noise


FAMILIES: dict[str, Callable[[Generator, int, int], Matrix]] = {
    "random": lambda g, b, k: -_targets(g, b) @ _targets(g, k).T,
    "normal": lambda g, b, k: g.standard_normal((b, k)),
    "ties": lambda g, b, k: g.integers(0, 5, (b, k)).astype(float),
    "binary": lambda g, b, k: g.integers(0, 2, (b, k)).astype(float),
    "constant": lambda g, b, k: np.full((b, k), 0.37),
    "zero": lambda g, b, k: np.zeros((b, k)),
    "rank1": _low_rank(1),
    "rank2": _low_rank(2),
    "line": _sorted_line,
    "collapsed2": _collapsed(1e-2),
    "collapsed5": _collapsed(1e-5),
    "collapsed": _collapsed(0.0),
    "duplicates": _duplicates,
    "clustered": _clustered,
    "constants": _constants,
    "wild": lambda g, b, k: np.exp(8 * g.standard_normal((b, k))),
}


def make(family: str, b: int, k: int, seed: int = 0) -> Matrix:
    """Costs float64[b, k] of a family."""
    return FAMILIES[family](np.random.default_rng(seed), b, k)


def stack(families: Iterable[str], b: int, k: int, seed: int = 0) -> Matrix:
    """Costs float64[p, b, k], one problem of each family."""
    return np.stack([make(family, b, k, seed) for family in families])


def lowest_cost(cost: Matrix) -> float:
    """Of all matchings, by scipy; infinite costs forbid a pair."""
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].sum())
