"""A few labels: what each row sees, and runs that it cannot evaluate."""

from pathlib import Path
from typing import Any

import pytest
import torch

import natlib
from natlib.assignment import Stream
from natlib.data import LabelsConfig
from natlib.errors import ConfigError
from natlib.objectives import NAT, Combined, Part, Supervised, VICReg
from natlib.protocols import Semi, Subject, subject_of
from natlib.protocols.semi_training import METHODS, nat_of, semi_objective, train_with_labels
from natlib.targets import Mixture
from natlib.training.loop import Loop
from tests.protocols.conftest import CONFIG

QUICK: dict[str, Any] = {
    "finetune": {"epochs": 2, "min_updates": 0, "learning_rates": [0.01]},
    "fractions": (),
    "per_class": (4,),
    "seeds": 2,
    "epochs": 2,
}


def test_rows_and_what_they_chose(subject: Subject) -> None:
    result = Semi.model_validate(QUICK).run(subject)
    assert list(result.rows) == [
        "supervised, from scratch",
        "NAT, fine-tuned",
        "NAT, frozen",
        "as it began (random), frozen",
        "raw",
        "reduced",
        *METHODS.values(),
    ]
    assert all(len(row["4 per class"].seeds) == 2 for row in result.rows.values())
    assert result.details.more == {"labels": {"4 per class": 12}}
    chosen = result.details.chosen
    assert chosen[METHODS["classifier"]]["4 per class"] == [{}, {}]
    for method in ("class_targets", "both"):
        for said in chosen[METHODS[method]]["4 per class"]:
            assert 0 <= said["pseudo_label_accuracy"] <= 100


def test_training_sees_the_labels_of_the_part_and_no_others(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def noted(*arguments: Any) -> Loop:
        labels = arguments[7]
        seen.append((labels.visible.clone(), labels.known.clone(), arguments[8]))
        return Loop(*arguments)

    monkeypatch.setattr("natlib.protocols.semi_training.Loop", noted)
    splits = subject.splits()
    positions = torch.tensor([0, 1, 2, 30, 31, 32])
    objective = semi_objective(nat_of(subject.config.objective), "both", 3.0, 0.5)
    trained = train_with_labels(subject, objective, splits, positions, share=0.4, epochs=1, seed=0)
    ((visible, known, share),) = seen
    shown = splits.train_index[positions]
    assert (visible >= 0).nonzero().squeeze(1).tolist() == shown.tolist()
    assert torch.equal(visible[shown], splits.train_labels[positions])
    assert torch.equal(known[splits.train_index], splits.train_labels)
    assert share == 0.4
    assert not trained.encoder.training


def test_objectives() -> None:
    nat = NAT(assignment={"kind": "stream", "slots": 3})
    plain, slots, both = (semi_objective(nat, method, 2.0, 0.3) for method in METHODS)
    assert isinstance(plain, Combined)
    assert plain.parts["nat"].objective == nat
    assert plain.parts["labels"] == Part(objective=Supervised(views=2), weight=2.0)
    assert isinstance(slots, NAT)
    assert slots.assignment == Stream(slots=3, class_targets="labelled")
    assert isinstance(slots.targets, Mixture)
    assert slots.targets.dim == nat.targets.dim
    assert isinstance(both, Combined)
    assert both.parts["nat"].objective == slots
    assert nat_of(both) == slots


def test_only_nat_has_slots() -> None:
    with pytest.raises(ConfigError, match=r"trains NAT with a few labels, and .* is 'vicreg'"):
        nat_of(VICReg())


def test_a_run_that_has_seen_labels_is_no_start(tmp_path: Path) -> None:
    objective = Combined(
        parts={
            "nat": Part(objective=NAT(assignment={"kind": "stream", "slots": 1})),
            "labels": Part(objective=Supervised()),
        }
    )
    changed = {"objective": objective, "labels": LabelsConfig(fraction=0.5)}
    run = natlib.train(CONFIG.model_copy(update=changed), tmp_path / "run").run
    with pytest.raises(ConfigError, match="this run was trained with labels"):
        Semi.model_validate(QUICK).run(subject_of(run))
