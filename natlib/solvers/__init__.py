"""Assignment solvers: match samples with targets, one-to-one, at the lowest cost."""

from natlib.solvers.auction import Auction
from natlib.solvers.auto import Auto
from natlib.solvers.base import Matching, Solution, Solver, pairwise_cost
from natlib.solvers.blockwise import Blockwise
from natlib.solvers.greedy import Greedy
from natlib.solvers.host import HostSolver
from natlib.solvers.lapjv import Lapjv
from natlib.solvers.local import LocalSolver
from natlib.solvers.problem import Problem
from natlib.solvers.scipy import Scipy
from natlib.solvers.sinkhorn import Plan, Sinkhorn
from natlib.solvers.sliced import Sliced
from natlib.solvers.sparse import Sparse

__all__ = [
    "Auction",
    "Auto",
    "Blockwise",
    "Greedy",
    "HostSolver",
    "Lapjv",
    "LocalSolver",
    "Matching",
    "Plan",
    "Problem",
    "Scipy",
    "Sinkhorn",
    "Sliced",
    "Solution",
    "Solver",
    "Sparse",
    "pairwise_cost",
]
