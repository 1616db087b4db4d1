"""Runs that are broken on purpose: the doctor finds out how."""

from pathlib import Path
from typing import Any

import pytest

from natlib.doctor import DIAGNOSES, diagnose
from natlib.errors import NonFiniteError
from tests.doctor.support import acts, nat, train

BANK = {"assignment": {"kind": "bank", "slots": 4}}
ONE_VIEW = {
    "views": 1,
    "assignment": {"kind": "bank", "slots": 1},
    "loss": {"alignment": 0, "target_weight": 1},
}

# How each run is broken, the diagnosis that finds it, and others that may follow from it.
BROKEN: dict[str, tuple[dict[str, Any], str, set[str]]] = {
    "only alignment counts": (
        {"objective": nat(loss={"target_weight": 1e-6, "alignment": 100.0})},
        "collapse",
        {"loss at the random line"},
    ),
    "one feature and a linear head": (
        {"objective": nat(head="linear"), "encoder": {"kind": "mlp", "widths": [16, 1]}},
        "dimensional collapse",
        {"collapse", "loss at the random line"},
    ),
    "a ReLU after the head": (
        {"objective": nat(head={"kind": "relu_head"})},
        "head normalised wrongly",
        {"collapse", "dimensional collapse", "loss at the random line"},
    ),
    "targets on the sphere, embeddings not": (
        {"objective": nat(targets={"kind": "free_sphere", "dim": 8})},
        "head normalised wrongly",
        set(),
    ),
    "embeddings on the sphere, targets not": (
        {"objective": nat(targets={"kind": "normalised_gaussian", "dim": 8})},
        "head normalised wrongly",
        set(),
    ),
    "views that have nothing to do with the sample": (
        {"objective": nat(), "data": {"look": "unrelated"}},
        "loss at the random line",
        {"collapse", "matching improves, features do not"},
    ),
    "the same in a bank": (
        {"objective": nat(**ONE_VIEW), "data": {"look": "unrelated"}},
        "churn stuck",
        {"loss at the random line", "collapse"},
    ),
    "a frozen encoder": (
        {"objective": nat(), "encoder": {"kind": "frozen"}},
        "matching improves, features do not",
        {"learning rate too low"},
    ),
    "a table that settles on a random encoder": (
        {"objective": nat(**BANK), "rate": 1e-9},
        "matching improves, features do not",
        {"learning rate too low", "loss at the random line"},
    ),
    "a learning rate of 1e-9": (
        {"objective": nat(), "rate": 1e-9},
        "learning rate too low",
        {"loss at the random line"},
    ),
    "a learning rate of 1e4": (
        {"objective": nat(), "rate": 1e4},
        "learning rate too high",
        {"collapse", "dimensional collapse", "loss at the random line"},
    ),
    "a solver that returns the identity": (
        {"objective": nat(assignment={"kind": "bank", "slots": 4, "solver": "rigid"})},
        "churn stuck",
        {"loss at the random line", "collapse"},
    ),
    "8 samples for 512 dimensions": (
        {
            "objective": nat(targets={"kind": "uniform_sphere", "dim": 512}),
            "batch_size": 8,
            "epochs": 2,
        },
        "too few samples per batch for d",
        set(),
    ),
    "one feature, which cannot tell what inputs can": (
        {
            "objective": nat(head="linear"),
            "encoder": {"kind": "mlp", "widths": [16, 1]},
            "evaluated": True,
        },
        "features below a baseline",
        {"collapse", "dimensional collapse", "loss at the random line"},
    ),
    "copies": ({"data": {"copies": 60}}, "duplicates in the data", set()),
    "views that equal the sample": (
        {"data": {"look": "identical"}},
        "views are identical",
        set(),
    ),
    "a slow solver": (
        {
            "objective": nat(assignment={"kind": "stream", "slots": 4, "solver": "sleepy"}),
            "epochs": 3,
        },
        "solver eats the step",
        set(),
    ),
    "slow samples": (
        {"data": {"slow": True}, "epochs": 3},
        "loader-bound",
        set(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_run_is_diagnosed(way: str, tmp_path: Path) -> None:
    settings, name, consequences = BROKEN[way]
    report = train(tmp_path / "run", **settings)
    found = acts(report)
    assert name in found, report.findings[name]
    assert found <= {name, "features below a baseline"} | consequences
    finding = report.findings[name]
    assert finding.next_step
    assert finding.evidence
    assert not report.healthy


def test_a_run_that_stopped_because_features_became_infinite(tmp_path: Path) -> None:
    wild = {"kind": "sgd", "learning_rate": 1e30}
    with pytest.raises(NonFiniteError):
        train(tmp_path / "run", nat(head="linear"), optimizer=wild)
    report = diagnose(tmp_path / "run")
    assert acts(report) == {"learning rate too high"}
    assert report.stopped_by is not None
    assert "NaN or infinite" in report.stopped_by
    assert report.findings["collapse"].verdict == "unknown"


def test_every_diagnosis_is_tested_on_a_broken_run() -> None:
    assert {name for _, name, _ in BROKEN.values()} == {each.name for each in DIAGNOSES}
