"""Conformance checks for authors of plug-ins; natlib runs them on its own components too.

Each function takes an instance, tests the contract of its family with many small checks, and
raises a :class:`ContractError` that says which check failed, what was received, what is expected
and where to look. It returns the names of the checks that passed. They do not need pytest:

    def test_contract() -> None:
        check_modality(MyModality(source="small"))
"""

from natlib.testing.assignments import check_assignment
from natlib.testing.contract import ContractError
from natlib.testing.encoders import check_encoder
from natlib.testing.modalities import check_modality
from natlib.testing.objectives import check_objective
from natlib.testing.solvers import check_solver
from natlib.testing.targets import check_target

__all__ = [
    "ContractError",
    "check_assignment",
    "check_encoder",
    "check_modality",
    "check_objective",
    "check_solver",
    "check_target",
]
