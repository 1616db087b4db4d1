"""From unfinished matchings and poor prices to one-to-one matchings."""

import numpy as np
import pytest
import torch

from natlib.solvers import Problem
from natlib.solvers.kernels.auction_from_prices import auction_from_prices, complete_matchings
from natlib.solvers.kernels.normalise_costs import normalise_costs
from tests.core.cost_matrices import FAMILIES, lowest_cost, make


def test_rows_keep_their_columns_and_the_others_get_free_ones() -> None:
    columns = torch.tensor([[2, -1, 0, -1], [3, 1, 0, 2]])
    full = complete_matchings(columns, None, 5)
    assert full[0, [0, 2]].tolist() == [2, 0]
    assert full[1].tolist() == [3, 1, 0, 2]
    assert len(full[0].unique()) == 4
    assert int(full.max()) < 5
    assert columns[0, 1] == -1


def test_a_row_makes_way_where_the_mask_leaves_no_other_choice() -> None:
    allowed = torch.tensor([[[True, True], [True, False]]])
    assert complete_matchings(torch.tensor([[0, -1]]), allowed, 2).tolist() == [[1, 0]]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(20, 20), (15, 20)])
def test_any_prices_lead_to_a_matching_with_the_same_promise(
    family: str, shape: tuple[int, int]
) -> None:
    """In a wide problem too, where columns that start dear may stay unsold."""
    cost = torch.from_numpy(make(family, *shape))[None]
    generator = torch.Generator().manual_seed(0)
    price = 3 * torch.randn(1, shape[1], generator=generator, dtype=torch.float64)
    normalised = normalise_costs(cost)
    solution = auction_from_prices(Problem(cost), normalised, [0.05], price=price)
    assert solution.converged
    assert solution.gap is not None
    assert len(solution.columns[0].unique()) == shape[0]
    paid = float(cost[0].gather(1, solution.columns[0, :, None]).sum())
    rounding = 1e-9 * float(cost.abs().max())
    assert paid - lowest_cost(cost[0].numpy()) <= float(solution.gap) + rounding
    assert float(solution.gap) <= shape[0] * 0.0501 * float(normalised.unit) + rounding


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("factor", [1e-30, 1.0, 1e30])
@pytest.mark.parametrize("shape", [(12, 12), (9, 12)])
def test_evened_out_costs_are_the_same_problem(
    shape: tuple[int, int], factor: float, dtype: torch.dtype
) -> None:
    cost = torch.from_numpy(np.stack([make("random", *shape), make("line", *shape)])).to(dtype)
    normalised = normalise_costs(cost * factor)
    square = normalised.cost.double().square().mean((1, 2)).sqrt()
    torch.testing.assert_close(square, torch.ones(2).double(), rtol=1e-5, atol=0)
    back = normalised.cost.double() * normalised.unit[:, None, None]
    back = back + normalised.row.double().unsqueeze(-1) + normalised.shift.double().unsqueeze(-2)
    back = back / normalised.scale[:, None, None] / factor
    torch.testing.assert_close(back, cost.double(), rtol=0, atol=1e-6)
    price = torch.randn(2, shape[1], generator=torch.Generator().manual_seed(1)).double()
    # The cheapest column at a price is the same for both.
    there = (normalised.cost + price.unsqueeze(1)).argmin(-1)
    here = (cost.double() + normalised.prices(price).unsqueeze(1) / factor).argmin(-1)
    assert torch.equal(there, here)
