"""Problems and lowest costs from the test suites of scipy, lap and lapjv.

The matrices and the numbers are facts from ``scipy/sparse/csgraph/tests/test_matching.py``
(scipy 1.15), ``lap/tests`` (lap 0.5) and ``test.py`` (lapjv 1.3). An infinite cost forbids a pair.
"""

import numpy as np
import pytest
import torch

from natlib.errors import MatchingError
from natlib.solvers import Solver
from tests.core.cost_matrices import Matrix, lowest_cost
from tests.core.matchings import EVERY, check_matching, name, slack

INF = float("inf")
EIGHT = [
    [1000, 2, 11, 10, 8, 7, 6, 5],
    [6, 1000, 1, 8, 8, 4, 6, 7],
    [5, 12, 1000, 11, 8, 12, 3, 11],
    [11, 9, 10, 1000, 1, 9, 8, 10],
    [11, 11, 9, 4, 1000, 2, 10, 9],
    [12, 8, 5, 2, 11, 1000, 11, 9],
    [10, 11, 12, 10, 9, 12, 1000, 3],
    [10, 10, 10, 10, 6, 3, 1, 1000],
]
SCIPY: list[tuple[list[list[float]], float]] = [
    ([[400, 150, 400], [400, 450, 600], [300, 225, 300]], 850),
    ([[400, 150, 400, 1], [400, 450, 600, 2], [300, 225, 300, 3]], 452),
    ([[10, 10, 8], [9, 8, 1], [9, 7, 4]], 18),
    ([[10, 10, 8, 11], [9, 8, 1, 1], [9, 7, 4, 10]], 15),
    ([[10, INF, INF], [INF, INF, 1], [INF, 7, INF]], 18),
]
LAP: list[tuple[list[list[float]], float]] = [
    (EIGHT, 17),
    ([row[:3] for row in EIGHT[:3]], 8),
    ([row[:4] for row in EIGHT[:2]], 3),
    ([[1000, 4, 1], [1, 1000, 3], [5, 1, 1000]], 3),
    ([[5, 1000, 3], [1000, 2, 2], [1, 5, 1000]], 6),
    ([[1000, 1001, 1000], [1000, 1000, 1001], [1, 2, 3]], 2001),
    ([[10, 10, 13], [4, 8, 8], [8, 5, 8]], 22),
    ([[11, 10, 6], [10, 11, 11], [11, 12, 15]], 28),
    ([[12, 4, 9], [16, 15, 14], [19, 13, 17]], 37),
    ([[2, 5, 7], [7, 10, 12], [1, 5, 9]], 18),
    ([[10, 6, 14, 1], [17, 18, 17, 15], [14, 17, 15, 8], [11, 13, 11, 4]], 41),
    (
        [
            [11, 20, INF, INF, INF],
            [12, INF, 12, INF, INF],
            [INF, 11, 10, 15, 9],
            [15, INF, INF, 22, INF],
            [13, INF, INF, INF, 15],
        ],
        71,
    ),
    ([[1000, 4, 1, INF], [1, 1000, 3, INF], [5, 1, 1000, INF], [INF, INF, INF, 0]], 3),
]
# Of lap's own; no matching is possible.
INFEASIBLE: list[list[list[float]]] = [
    [[0, 0, 0, INF, INF], *[[INF, INF, INF, 0, 0]] * 3, [0, 0, 0, INF, INF]],
    [
        [19, 22, 16, INF, INF],
        [INF, INF, INF, 4, 13],
        [INF, INF, INF, 3, 14],
        [INF, INF, INF, 10, 12],
        [11, 14, 13, INF, INF],
    ],
    [
        [0, INF, 0, 0, INF],
        [INF, INF, 0, 0, 0],
        [INF, INF, INF, 0, INF],
        [INF, INF, INF, 0, 0],
        [0, INF, 0, INF, INF],
    ],
    [
        [0, 0, 0, 0, INF],
        [INF, INF, 0, 0, 0],
        [INF, INF, INF, INF, INF],
        [INF, INF, INF, 0, 0],
        [0, 0, 0, INF, INF],
    ],
    [[INF] * 5] * 5,
]


def whole_numbers(size: int, hard: bool) -> Matrix:
    """lap's random matrices of the numbers 1 to 100; hard ones with constants on top."""
    generator = np.random.RandomState(1299821)
    cost = generator.randint(1, 101, size=(size, size))
    if hard:
        for row in cost:
            row += generator.randint(0, 100)
        for column in cost.T:
            column += generator.randint(0, 100)
    return cost.astype(np.float64)


def dots_on_a_grid(size: int) -> Matrix:
    """lapjv's: random dots in a square are dealt to the points of a grid."""
    dots = np.random.RandomState(777).random_sample((size, 2))
    line = np.linspace(0, 1, round(np.sqrt(size)))
    grid = np.dstack(np.meshgrid(line, line)).reshape(-1, 2)
    cost = np.square(dots[:, None] - grid[None]).sum(-1)
    return np.asarray(cost * 100_000 / cost.max())


CASES: list[tuple[str, Matrix, float]] = [
    *((f"scipy {n}", np.array(cost, float), lowest) for n, (cost, lowest) in enumerate(SCIPY)),
    *((f"lap {n}", np.array(cost, float), lowest) for n, (cost, lowest) in enumerate(LAP)),
    ("lap 100", whole_numbers(100, hard=False), 198),
    ("lap 100 hard", whole_numbers(100, hard=True), 11_399),
    ("lap 1000", whole_numbers(1000, hard=False), 1000),
    ("lap 1000 hard", whole_numbers(1000, hard=True), 101_078),
]
exact_ones = pytest.mark.parametrize("solver", [s for s in EVERY if s.exact], ids=name)
each_case = pytest.mark.parametrize(
    ("cost", "lowest"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)


@each_case
def test_the_numbers_are_right(cost: Matrix, lowest: float) -> None:
    assert lowest_cost(cost) == lowest


@exact_ones
@each_case
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_whole_numbers_are_matched_exactly(
    solver: Solver, cost: Matrix, lowest: float, dtype: torch.dtype
) -> None:
    values = torch.from_numpy(cost).to(dtype)
    allowed = values.isfinite()
    matching = solver.solve(values, None if allowed.all() else allowed)
    # Large ones are hard in float32: a millionth of the cost is a whole number.
    tolerance = slack(values) if len(cost) > 500 else 0.0
    assert lowest <= float(matching.cost) <= lowest + tolerance
    if len(cost) < 500:
        check_matching(solver, matching, values, allowed)


# The matching that lapjv's test expects, as computed by another program.
EXPECTED = """
    32 51 99 77 62 1 35 69 57 42 13 24 96 26 82 52 65 6 95 7 63 47 28 45 74 61 34 14 94 31 25 3 71
    49 58 83 91 93 23 98 36 40 4 97 21 92 89 90 29 46 79 2 76 84 72 64 33 37 41 15 59 85 70 78 81
    20 18 30 8 66 38 87 44 67 68 39 86 54 11 50 16 17 56 0 5 80 10 48 60 73 53 75 55 19 22 12 9 88
    43 27
"""


@exact_ones
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_dots_on_a_grid(solver: Solver, dtype: torch.dtype) -> None:
    cost = torch.from_numpy(dots_on_a_grid(100)).to(dtype)
    found = solver.solve(cost).columns.tolist()
    assert found == [int(column) for column in EXPECTED.split()]
    large = torch.from_numpy(dots_on_a_grid(400)).to(dtype)
    check_matching(solver, solver.solve(large), large)


@pytest.mark.parametrize("solver", EVERY, ids=name)
@pytest.mark.parametrize("cost", INFEASIBLE)
def test_what_cannot_be_matched_is_an_error(solver: Solver, cost: list[list[float]]) -> None:
    values = torch.tensor(cost)
    with pytest.raises(MatchingError, match=r"row \d"):
        solver.solve(values, values.isfinite())
