"""The presets for few labels, and runs that are evaluated on labels that training did not see."""

from pathlib import Path
from typing import Any

import pytest

import natlib
from natlib.assignment import Stream
from natlib.data import training_labels, training_samples
from natlib.evaluation import split_training_samples
from natlib.objectives import NAT, Combined, Objective, Supervised
from natlib.protocols import subject_of
from natlib.training import RunConfig, RunDirectory
from tests.training.support import toy_config

KINDS = ["audio", "image", "text", "vector"]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_preset_nat_with_classes_and_a_classifier(kind: str) -> None:
    source: dict[str, Any] = {"data": {"source": "somewhere"}}
    semi, nat = (natlib.compose(kind, preset=name, options=source) for name in ("semi", "nat"))
    assert (semi.data, semi.encoder, semi.training) == (nat.data, nat.encoder, nat.training)
    # The other presets nat have what won beside other losses, which has not been tried beside
    # classes.
    alone = natlib.compose("vector", preset="nat", options=source).objective
    assert isinstance(alone, NAT)
    assert alone.loss.repulsion is None
    assert isinstance(semi.objective, Combined)
    assert semi.objective == natlib.compose("image", preset="semi", options=source).objective
    slots, labels = (part.objective for part in semi.objective.parts.values())
    assert isinstance(slots, NAT)
    assert slots.assignment == Stream(slots=8, class_targets="labelled")
    assert slots.targets.dim == alone.targets.dim
    plain = {"targets": alone.targets, "assignment": Stream(slots=8)}
    assert slots.model_copy(update=plain) == alone
    assert labels == Supervised(views=2)
    assert semi.labels is not None
    assert nat.labels is None


def semi_config(**labels: Any) -> RunConfig:
    slots = {
        "kind": "nat",
        "targets": {"kind": "mixture"},
        "assignment": {"kind": "stream", "slots": 2, "class_targets": "labelled"},
    }
    parts = {"nat": {"objective": slots}, "labels": {"objective": "supervised"}}
    objective = Objective.resolve({"kind": "combined", "parts": parts})
    config = toy_config(objective, train=90, evaluate=True)
    data = config.data.model_copy(update={"test": 0})
    return RunConfig.model_validate(config.model_dump() | {"data": data, "labels": labels})


def test_what_is_set_aside_to_test_on_are_labels_that_training_did_not_see(tmp_path: Path) -> None:
    result = natlib.train(semi_config(fraction=0.9), tmp_path / "run")
    evaluation = result.evaluation
    assert evaluation is not None
    assert not evaluation.details.held_out
    config = RunDirectory(tmp_path / "run").read_config()
    assert config.labels is not None
    samples = training_samples(config.data, config.labels)
    seen = training_labels(samples, config.labels).index
    assert len(seen) == 81
    # Of each class a tenth is unseen, less than the fifth that is set aside otherwise.
    assert evaluation.details.test_samples == 9
    splits = split_training_samples(samples, config.evaluation.seed, seen)
    assert not set(splits.test_index.tolist()) & set(seen.tolist())
    # The same samples, in a later evaluation.
    assert subject_of(tmp_path / "run").splits().test_index.equal(splits.test_index)


def test_a_run_that_saw_all_labels_is_not_evaluated_on_them(tmp_path: Path) -> None:
    result = natlib.train(semi_config(), tmp_path / "run")
    assert result.evaluation is None
    assert result.not_evaluated is not None
    assert "training saw all labels that there are" in result.not_evaluated
