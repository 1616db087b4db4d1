"""Every registered part passes the checks that natlib ships."""

from typing import Any

import pytest

from natlib.assignment import Assignment, Bank, Cells, Stream
from natlib.data import Modality
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.objectives import NAT, Objective, Teacher
from natlib.solvers import Solver
from natlib.targets import Gaussian, LowDiscrepancy, Mixture, TargetDistribution
from natlib.testing import (
    check_assignment,
    check_encoder,
    check_modality,
    check_objective,
    check_solver,
    check_target,
)
from tests.core.families import MODALITIES, members
from tests.core.matchings import EVERY as EVERY_SOLVER
from tests.core.matchings import name

TARGETS = [
    *members(TargetDistribution),
    Gaussian(mean="drawn"),
    LowDiscrepancy(onto="gaussian", dim=5),
]
OBJECTIVES = [
    *members(Objective),
    NAT(assignment={"kind": "bank", "slots": 2}),
    NAT(views=3, match_on="first", assignment="cells"),
    NAT(
        views=1, assignment={"kind": "bank", "slots": 1}, loss={"alignment": 0, "reduction": "sum"}
    ),
    NAT(teacher=Teacher()),
    NAT(teacher=Teacher(momentum=0.9), match_on="first", assignment={"kind": "bank"}),
]


def kind(component: Any) -> str:
    return str(component.kind)


@pytest.mark.parametrize("targets", TARGETS, ids=kind)
def test_targets(targets: TargetDistribution) -> None:
    assert len(check_target(targets)) >= 15


@pytest.mark.parametrize("solver", EVERY_SOLVER, ids=name)
def test_solvers(solver: Solver) -> None:
    assert len(check_solver(solver)) >= 16


@pytest.mark.parametrize("objective", OBJECTIVES, ids=kind)
def test_objectives(objective: Objective) -> None:
    assert len(check_objective(objective)) >= 14


ASSIGNMENTS = [
    *members(Assignment),
    Stream(slots=1, solver="greedy"),
    Bank(slots=3, every=2),
    Bank(every=3, unit="step"),
    Cells(points=64, temperature=0.0),
]
BY_CLASS = [Stream(slots=2, class_targets="labelled"), Bank(slots=2, class_targets="equal")]


@pytest.mark.parametrize("assignment", ASSIGNMENTS, ids=str)
@pytest.mark.parametrize("targets", [None, Gaussian(dim=5)], ids=str)
def test_assignments(assignment: Assignment, targets: TargetDistribution | None) -> None:
    assert len(check_assignment(assignment, targets)) >= 14


@pytest.mark.parametrize("assignment", BY_CLASS, ids=str)
def test_assignments_by_class(assignment: Assignment) -> None:
    assert len(check_assignment(assignment, Mixture(dim=6))) >= 14


def core_encoders() -> list[EncoderRecipe]:
    recipes = members(EncoderRecipe)
    return [recipe for recipe in recipes if type(recipe).__module__.startswith("natlib.")]


@pytest.mark.parametrize("recipe", [*core_encoders(), MlpEncoder(widths=(3,))], ids=kind)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 4, 4)])
def test_encoders_that_fit_any_input(recipe: EncoderRecipe, shape: tuple[int, ...]) -> None:
    assert len(check_encoder(recipe, shape)) >= 12


@pytest.mark.parametrize("modality", MODALITIES)
def test_modalities_with_their_embedded_samples(modality: str) -> None:
    assert len(check_modality(Modality.registry.get(modality)())) >= 25


@pytest.mark.parametrize("modality", MODALITIES)
def test_default_encoders_of_modalities(modality: str) -> None:
    """On the inputs that they are for."""
    resolved = Modality.registry.get(modality)().resolved()
    samples = resolved.dataset("train")
    samples.preload(workers=0)
    batch = resolved.collate([samples[int(index)] for index in samples.usable[:12]])
    recipe = resolved.complete(resolved.default_encoder(False))
    assert len(check_encoder(recipe, resolved.input_shape, resolved.plain(batch))) >= 12
