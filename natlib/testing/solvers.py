"""The contract of solvers."""

from functools import partial

import torch
from torch import Tensor

from natlib.errors import MatchingError
from natlib.solvers import Matching, Solver, pairwise_cost
from natlib.testing.component import COMPONENT_CHECKS
from natlib.testing.contract import Named, expect, refuses, run_checks, threads
from natlib.testing.costs import SHAPES, costs_of, lowest_cost

__all__ = ["check_solver"]

_INHERIT = "leave solve() as the family has it, and solve in _solve()"


def check_solver(solver: Solver) -> tuple[str, ...]:
    """Check that matchings are one-to-one, report true costs and gaps, and are deterministic.

    A solver with a field ``seed`` may match a problem differently in a stack than by itself; its
    columns are not compared there.

    Args:
        solver: the solver, with any values.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: a check fails; the message says which.
    """
    return run_checks(solver, solver, (*COMPONENT_CHECKS, *_CHECKS))


def _promised(matched: Tensor) -> float:
    """The largest gap of an exact solver, by the sizes of the costs of its pairs [b].

    See :class:`natlib.solvers.Matching`.
    """
    typical = matched.sort().values[len(matched) // 2]
    return 1e-4 * float(typical) * len(matched)


def _check_matching(
    solver: Solver, matching: Matching, cost: Tensor, allowed: Tensor | None = None
) -> None:
    """Check the matchings of a stack of costs [p, b, k]."""
    count, b, k = cost.shape
    what = f"{count} problems of {b} rows and {k} columns in {cost.dtype}"
    shapes = [list(t.shape) for t in (matching.columns, matching.cost, matching.gap)]
    expect(
        shapes == [[count, b], [count], [count]] and matching.columns.dtype == torch.int64,
        f"{what}: columns, cost and gap have the shapes {shapes}",
        f"int64 {[count, b]}, {[count]} and {[count]}",
        _INHERIT,
    )
    expect(
        matching.exact is solver.exact,
        f"{what}: exact is {matching.exact}",
        f"{solver.exact}, as the solver says",
        _INHERIT,
    )
    for number in range(count):
        values, columns = cost[number].double(), matching.columns[number]
        where = f"{what}, problem {number}"
        expect(
            len(columns.unique()) == b and columns.min() >= 0 and columns.max() < k,
            f"{where}: columns are {columns.tolist()[:16]}",
            f"each in [0, {k}), and none twice",
            "return the column of each row",
        )
        mask = None if allowed is None else allowed[number]
        total = values.gather(1, columns[:, None]).sum()
        if mask is not None:
            expect(
                mask.gather(1, columns[:, None]).all(),
                f"{where}: a pair is matched that is not allowed",
                "allowed pairs only",
                "heed problem.allowed in _solve()",
            )
            values = values.masked_fill(~mask, 0.0)
        reported, gap = float(matching.cost[number]), float(matching.gap[number])
        matched = values.gather(1, columns[:, None]).squeeze(1).abs()
        rounding = 1e-12 * float(matched.sum()) + 1e-300
        expect(
            abs(reported - float(total)) <= rounding,
            f"{where}: the reported cost is {reported:.9g}, the matched pairs cost {total:.9g}",
            "the sum of the costs of the matched pairs",
            _INHERIT,
        )
        lowest = lowest_cost(cost[number], mask)
        promised = _promised(matched) + rounding
        slack = promised if solver.exact else rounding
        expect(
            gap >= 0 and reported - gap <= lowest + slack,
            f"{where}: cost {reported:.9g} with a gap of {gap:.3g}, while the best matching costs "
            f"{lowest:.9g}",
            "no matching that is cheaper than cost - gap",
            "return a true bound, infinity where there is none",
        )
        expect(
            gap <= promised or not solver.exact,
            f"{where}: an exact solver reports a gap of {gap:.3g}",
            "0, or what rounding may have cost",
            "set exact to False, or solve exactly",
        )


def _valid(solver: Solver) -> None:
    for seed, (b, k) in enumerate(SHAPES):
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            cost = costs_of(b, k, seed).to(dtype)
            _check_matching(solver, solver.solve(cost), cost)


def _masks(solver: Solver) -> None:
    for b, k in ((2, 2), (12, 12), (9, 14)):
        cost = costs_of(b, k)
        drawn = torch.rand(cost.shape, generator=torch.Generator().manual_seed(b)) < 0.4
        drawn[:, torch.arange(b), torch.arange(b)] = True
        _check_matching(solver, solver.solve(cost, drawn), cost, drawn)
        shared = drawn[0]
        _check_matching(solver, solver.solve(cost, shared), cost, shared.expand_as(cost))
    impossible = torch.ones(3, 4, dtype=torch.bool)
    impossible[:2] = torch.tensor([True, False, False, False])
    refuses(
        lambda: solver.solve(torch.zeros(3, 4), impossible),
        MatchingError,
        "a mask that leaves two rows one column",
        _INHERIT,
    )


def _useful(solver: Solver) -> None:
    for b, k in ((30, 30), (10, 40)):
        cost = torch.stack([costs_of(b, k, seed)[:2] for seed in range(4)])
        gain = cost.mean(-1).sum(-1) - solver.solve(cost).cost
        expect(
            gain.mean() > 0,
            f"{b} rows and {k} columns cost {-gain.mean():.3g} more than a random matching",
            "less, on average",
            "minimise the cost, not the similarity",
        )


def _deterministic(solver: Solver) -> None:
    cost = costs_of(40, 40).float()
    with threads(1):
        alone = solver.solve(cost)
    with threads(2):
        together = solver.solve(cost)
    twin = type(solver).model_validate_json(solver.model_dump_json()).solve(cost)
    layout = solver.solve(cost.mT.contiguous().mT)
    for name, other in (("with two threads", together), ("of a copy", twin), ("in memory", layout)):
        expect(
            torch.equal(other.columns, alone.columns),
            f"the same costs are matched differently ({name})",
            "the same answer every time",
            "draw from no global generator, and break ties in a fixed order",
        )


def _stacks(solver: Solver) -> None:
    cost = costs_of(7, 15)[:6].view(2, 3, 7, 15)
    whole = solver.solve(cost)
    for i in range(2):
        for j in range(3):
            single = solver.solve(cost[i, j])
            expect(
                single.columns.shape == (7,) and single.cost.ndim == 0,
                f"one problem has columns {list(single.columns.shape)}",
                "the shape of the costs without the last dimension",
                _INHERIT,
            )
            expect(
                "seed" in type(solver).model_fields
                or torch.equal(single.columns, whole.columns[i, j]),
                f"problem [{i}, {j}] of a stack is matched differently than by itself",
                "the same matching",
                "solve the problems of a stack independently",
            )


def _without_side_effects(solver: Solver) -> None:
    cost = costs_of(6, 9).requires_grad_()
    before = cost.detach().clone()
    matching = solver.solve(cost)
    expect(
        torch.equal(cost.detach(), before),
        "the costs were modified",
        "the same values as before",
        "work on a copy",
    )
    expect(
        not matching.cost.requires_grad and not matching.gap.requires_grad,
        "cost or gap require a gradient",
        "none: a matching is a decision",
        _INHERIT,
    )


def _invariant(solver: Solver) -> None:
    g = torch.Generator().manual_seed(6)
    cost = costs_of(14, 14)[1]
    row = torch.randn(14, 1, generator=g, dtype=torch.float64)
    column = torch.randn(1, 14, generator=g, dtype=torch.float64)
    plain = solver.solve(cost)
    changes = {
        "a constant for each row": cost + row,
        "a constant for each column": cost + column,
        "a factor": 3.7 * cost,
        "a small factor": 1e-30 * cost,
        "a large factor": 1e30 * cost,
    }
    for name, other in changes.items():
        found = solver.solve(other).columns
        expect(
            torch.equal(found, plain.columns),
            f"{name} changes the answer",
            "the same matching: constants and factors do not change which one is cheapest",
            "scale tolerances with the costs, and centre rows and columns",
        )


def _empty(solver: Solver) -> None:
    for shape in ((0, 0), (0, 5), (3, 0, 4), (0, 2, 2)):
        matching = solver.solve(torch.zeros(shape))
        expect(
            matching.columns.shape == shape[:-1],
            f"costs {list(shape)} have columns {list(matching.columns.shape)}",
            f"{list(shape[:-1])}",
            _INHERIT,
        )


def _errors(solver: Solver) -> None:
    for bad in (torch.nan, torch.inf, -torch.inf):
        cost = torch.zeros(5, 6)
        cost[3, 2] = bad
        error = refuses(partial(solver.solve, cost), MatchingError, f"a cost of {bad}", _INHERIT)
        expect("row 3" in str(error), f"the error says '{error}'", "the row", _INHERIT)
    refuses(lambda: solver.solve(torch.zeros(4, 3)), MatchingError, "4 rows, 3 columns", _INHERIT)
    refuses(lambda: solver.solve(torch.zeros(4)), MatchingError, "a vector of costs", _INHERIT)


def _points(solver: Solver) -> None:
    g = torch.Generator().manual_seed(7)
    z = torch.randn(10, 4, generator=g, dtype=torch.float64)
    c = torch.randn(3, 10, 4, generator=g, dtype=torch.float64)
    # Points broadcast against a stack of candidates, as the slots of m layers need.
    matching = solver.match(z, c)
    _check_matching(solver, matching, pairwise_cost(z, c))


_CHECKS: tuple[Named[Solver], ...] = (
    ("one-to-one, true cost and gap", _valid),
    ("masks", _masks),
    ("better than chance", _useful),
    ("deterministic", _deterministic),
    ("stacks", _stacks),
    ("costs are not modified", _without_side_effects),
    ("constants and factors", _invariant),
    ("empty problems", _empty),
    ("errors", _errors),
    ("points", _points),
)
