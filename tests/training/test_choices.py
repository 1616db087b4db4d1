"""Kinds by name: ``compose(targets=..., assignment=..., solver=..., encoder=...)``."""

from pathlib import Path
from typing import Any

import pytest

from natlib.assignment import Bank, Cells, Stream
from natlib.errors import ConfigError
from natlib.objectives import NAT
from natlib.objectives.combined import Combined
from natlib.solvers import Greedy, Sinkhorn
from natlib.targets import Gaussian
from natlib.training import compose


def composed(*settings: str, preset: str = "nat", **choices: Any) -> tuple[Any, list[str]]:
    """A configuration, and what was said about it."""
    said: list[str] = []
    config = compose("image", preset=preset, settings=settings, tell=said.append, **choices)
    return config, said


def objective(*settings: str, preset: str = "nat", **choices: Any) -> NAT:
    """The objective of a configuration about which nothing was said."""
    config, said = composed(*settings, preset=preset, **choices)
    assert said == []
    assert isinstance(config.objective, NAT)
    return config.objective


def test_all_of_them() -> None:
    config, said = composed(
        encoder="resnet", targets="gaussian", assignment="bank", solver="sinkhorn"
    )
    assert said == []
    assert config.encoder.kind == "resnet"
    # The settings that the preset's kinds share with them stay.
    assert config.objective.targets == Gaussian(dim=64)
    assert config.objective.assignment == Bank(solver=Sinkhorn())
    assert config.objective.loss == objective().loss


def test_settings_lie_over_choices_and_choices_over_the_file(tmp_path: Any) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("objective: {assignment: {kind: bank, every: 3}, targets: one_hot}\n")
    found = objective(file=file, solver="greedy", targets="gaussian")
    assert found.assignment == Bank(solver=Greedy(), every=3)
    assert isinstance(found.targets, Gaussian)
    found = objective(
        "objective.assignment.slots=3",
        "objective.targets.scale=2",
        assignment="stream",
        solver="greedy",
        targets="gaussian",
    )
    assert found.assignment == Stream(solver=Greedy(), slots=3)
    assert found.targets == Gaussian(dim=64, scale=2.0)


def test_a_solver_chooses_stream_where_the_preset_has_none() -> None:
    assert isinstance(objective().assignment, Cells)
    config, said = composed(solver="greedy")
    assert said == [
        "The assignment 'cells' has no solver; objective.assignment is 'stream' in its place."
    ]
    assert config.objective.assignment == Stream(solver=Greedy())
    # Where it has one, or is chosen with one, nothing is said.
    assert objective(preset="digits", solver="greedy").assignment == Stream(solver=Greedy())
    assert objective(preset="nat2017", solver="greedy").assignment == Bank(solver=Greedy(), every=3)
    assert objective(assignment="bank", solver="greedy").assignment == Bank(solver=Greedy())


@pytest.mark.parametrize(
    ("settings", "choices"),
    [
        ([], {"assignment": "cells"}),
        (["objective.assignment=cells"], {}),
        (["objective.assignment.kind=cells"], {}),
    ],
)
def test_a_solver_beside_an_assignment_that_was_asked_for(
    settings: list[str], choices: dict[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(*settings, solver="greedy", **choices)
    assert str(caught.value) == (
        "the assignment 'cells' has no solver; leave out the solver, or choose the assignment "
        "'stream' or 'bank'"
    )


def test_of_a_combined_objective_the_first_part_that_has_such() -> None:
    config, said = composed("objective.parts.nat.objective.assignment.class_targets=null",
                            preset="semi", targets="gaussian", solver="greedy")  # fmt: skip
    assert said == []
    assert isinstance(config.objective, Combined)
    part = config.objective.parts["nat"].objective
    assert part.targets == Gaussian(dim=32)
    assert part.assignment == Stream(solver=Greedy())
    # A part without targets may come first.
    parts = "{a: {objective: supervised}, b: {objective: nat}, c: {objective: nat}}"
    settings = (f"objective={{kind: combined, parts: {parts}}}", "labels.fraction=1")
    config, _ = composed(*settings, targets="gaussian")
    kinds = {
        name: getattr(part.objective, "targets", None) and part.objective.targets.kind
        for name, part in config.objective.parts.items()
    }
    assert kinds == {"a": None, "b": "gaussian", "c": "uniform_sphere"}


@pytest.mark.parametrize(
    ("settings", "choices", "text"),
    [
        (
            ["objective=vicreg"],
            {"targets": "gaussian"},
            "the objective 'vicreg' has no targets; leave out the targets, or choose another "
            "objective (objective.kind=nat)",
        ),
        (
            ["objective=vicreg"],
            {"solver": "greedy"},
            "the objective 'vicreg' has no assignment; leave out the solver, or choose another "
            "objective (objective.kind=nat)",
        ),
        (
            ["objective=vicreg"],
            {"assignment": "bank"},
            "the objective 'vicreg' has no assignment; leave out the assignment, or choose "
            "another objective (objective.kind=nat)",
        ),
        (["objective=nta"], {"targets": "gaussian"}, "unknown objective 'nta'"),
        ([], {"solver": "gredy"}, "unknown solver 'gredy'; did you mean 'greedy'?"),
        ([], {"assignment": "cell"}, "unknown assignment 'cell'; did you mean 'cells'?"),
        ([], {"assignment": "cell", "solver": "greedy"}, "unknown assignment 'cell'"),
        ([], {"targets": "gausian"}, "unknown target distribution 'gausian'"),
        ([], {"encoder": "resnett"}, "unknown encoder 'resnett'; did you mean 'resnet'?"),
    ],
)
def test_refusals(settings: list[str], choices: dict[str, str], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        composed(*settings, **choices)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_objective_that_no_preset_names() -> None:
    # The preset of the docstrings sets no objective: NAT with its defaults.
    config = compose("text", targets="gaussian", solver="greedy")
    assert isinstance(config.objective, NAT)
    assert config.objective.targets.kind == "gaussian"
    assert config.objective.assignment == Stream(solver=Greedy())


def test_the_folder_of_a_checkpoint_is_an_encoder(tmp_path: Path) -> None:
    config = compose("text", encoder=str(tmp_path))
    assert config.encoder is not None
    assert (config.encoder.kind, config.encoder.pretrained) == ("text_transformer", tmp_path.name)


def test_a_modality_without_checkpoints_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the modality 'vector' has no encoder that reads"):
        compose("vector", encoder=str(tmp_path))
