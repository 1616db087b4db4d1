"""What solvers cost and what they find, measured on this machine."""

from natlib.benchmark.candidates import Answer, Candidate, candidates
from natlib.benchmark.features import FEATURES, Problem, make_problem
from natlib.benchmark.measurement import (
    Measurement,
    read_measurements,
    write_measurements,
)
from natlib.benchmark.measuring import measure, solvers
from natlib.benchmark.picture import DARK, LIGHT, Colours, check_drawable, draw, figure

__all__ = [
    "DARK",
    "FEATURES",
    "LIGHT",
    "Answer",
    "Candidate",
    "Colours",
    "Measurement",
    "Problem",
    "candidates",
    "check_drawable",
    "draw",
    "figure",
    "make_problem",
    "measure",
    "read_measurements",
    "solvers",
    "write_measurements",
]
