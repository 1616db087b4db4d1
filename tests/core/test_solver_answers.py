"""What a plug-in's solver returns: other whole numbers are taken, anything else is named."""

from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from natlib.errors import MatchingError
from natlib.solvers import HostSolver, Problem, Solution, Solver

COST = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))


class OnTensors(Solver):
    """Not registered: answers with what the test sets."""

    kind: Literal["on_tensors"] = "on_tensors"
    answer: Any = None
    """What it returns."""

    @property
    def exact(self) -> bool:
        return False

    def _solve(self, problem: Problem) -> Solution:
        return Solution(self.answer, gap=torch.zeros(2))


class OnMatrices(HostSolver):
    """The same for a solver of matrices."""

    kind: Literal["on_matrices"] = "on_matrices"
    answer: Any = None
    """What it returns for each matrix."""

    @property
    def exact(self) -> bool:
        return False

    def _solve_matrix(
        self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], float | None]:
        return self.answer, None


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16"])
def test_other_whole_numbers_are_taken(dtype: str) -> None:
    columns = np.array([2, 0, 3], dtype)
    for solver in (
        OnMatrices(answer=columns),
        OnTensors(answer=torch.from_numpy(columns).expand(2, 3)),
    ):
        found = solver.solve(COST)
        assert found.columns.dtype == torch.int64
        assert found.columns.tolist() == [[2, 0, 3]] * 2
        assert found.gap.dtype == torch.float64
        expected = COST[:, torch.arange(3), torch.tensor([2, 0, 3])].double().sum(-1)
        torch.testing.assert_close(found.cost, expected)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([0.0, 1.0, 2.0], r"type (torch\.)?float64 and shape \[(2, )?3\]"),
        ([True, False, True], "type (torch.)?bool"),
        ([1j, 2j, 0j], "type (torch.)?complex128"),
        ([0, 1], r"shape \[(2, )?2\]"),
        ([[0, 1, 2]], r"shape \[(2, )?1, 3\]"),
        ([0, 1, 4], "columns from 0 to 4 for costs with 4 columns; number them from 0 to 3"),
        ([0, -1, 2], "columns from -1 to 2 for costs with 4 columns"),
    ],
)
def test_what_is_no_column_is_named(answer: list[Any], message: str) -> None:
    array = np.array(answer)
    for solver in (
        OnMatrices(answer=array),
        OnTensors(answer=torch.from_numpy(array).expand(2, *array.shape)),
    ):
        with pytest.raises(
            MatchingError, match=f"solver '{solver.kind}' returned.*{message}"
        ) as caught:
            solver.solve(COST)
        assert "\n" not in str(caught.value)


def test_answers_of_different_lengths_are_named() -> None:
    class Uneven(OnMatrices):
        def _solve_matrix(
            self, cost: NDArray[Any], allowed: NDArray[np.bool_] | None
        ) -> tuple[NDArray[np.int64], float | None]:
            return np.arange(3 if cost[0, 0] == COST[0, 0, 0] else 2), None

    with pytest.raises(MatchingError, match=r"shape \[2\] for 3 rows; return whole numbers"):
        Uneven().solve(COST)
