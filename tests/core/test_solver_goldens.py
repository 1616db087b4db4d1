"""Matchings of ordinary costs, written down: a change that should not alter them has not.

The costs are those of points on a sphere, computed in float64 and rounded, so that processors
agree on them. If a change is meant to alter a matching, give the reason in the commit and replace
the digests: NATLIB_RECORD=1 pytest -s tests/core/test_solver_goldens.py
"""

import hashlib
import os

import numpy as np
import pytest
import torch

from natlib.solvers import Auction, Auto, Greedy, Lapjv, Scipy, Sinkhorn, Solver, Sparse

SOLVERS: dict[str, Solver] = {
    "lapjv": Lapjv(),
    "scipy": Scipy(),
    "sparse": Sparse(smallest=200),
    "auto": Auto(),
    "fast": Auto(quality="fast"),
    "greedy": Greedy(),
    "priced": Greedy(order="priced"),
    "auction": Auction(),
    "sinkhorn": Sinkhorn(),
}
EXACT = "a4d942fe9b62b98e"
GOLDEN: dict[str, str] = {
    "lapjv": EXACT,
    "scipy": EXACT,
    "sparse": EXACT,
    "auto": EXACT,
    "fast": EXACT,
    "greedy": "be903cc95779c844",
    "priced": "ce442693729044e2",
    "auction": "436101126c2f430c",
    "sinkhorn": "1a597db2488a4a9a",
}


def costs(b: int, k: int, d: int, collapsed: bool) -> torch.Tensor:
    g = np.random.default_rng([b, k, d])
    z, c = g.standard_normal((b, d)), g.standard_normal((k, d))
    if collapsed:
        z = 1 + 1e-3 * z
    z, c = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (z, c))
    return torch.from_numpy(0.5 - np.einsum("id,jd->ij", z, c))


def digest(solver: Solver) -> str:
    """Of the columns for square and wide costs, spread and nearly collapsed, in both types."""
    found = hashlib.sha256()
    for b, k, d in [(8, 8, 64), (32, 32, 16), (64, 64, 24), (64, 80, 8), (256, 256, 128)]:
        for collapsed in (False, True):
            for dtype in (torch.float32, torch.float64):
                cost = costs(b, k, d, collapsed).to(dtype)
                found.update(solver.solve(cost).columns.numpy().astype("<i8").tobytes())
                allowed = torch.arange(b)[:, None] % 4 <= torch.arange(k) % 4
                columns = solver.solve(cost, allowed).columns
                found.update(columns.numpy().astype("<i8").tobytes())
    return found.hexdigest()[:16]


@pytest.mark.parametrize("name", SOLVERS)
def test_matchings_of_points_on_a_sphere(name: str) -> None:
    found = digest(SOLVERS[name])
    if os.environ.get("NATLIB_RECORD"):
        print(f'\n    "{name}": "{found}",', end="")
    else:
        assert found == GOLDEN[name]
