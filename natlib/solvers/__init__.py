"""How to match: assignment solvers."""

from natlib.solvers.base import Matching, Solver, pairwise_cost
from natlib.solvers.greedy import Greedy
from natlib.solvers.lapjv import Lapjv
from natlib.solvers.scipy import Scipy

__all__ = ["Greedy", "Lapjv", "Matching", "Scipy", "Solver", "pairwise_cost"]
