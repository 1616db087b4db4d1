"""Runs that work: no diagnosis asks for action."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import natlib
from natlib.data import Modality
from natlib.doctor import RunReport, diagnose
from natlib.objectives import Combined, Part
from tests.doctor.support import acts, nat, train

ONE_VIEW = {
    "views": 1,
    "assignment": {"kind": "bank", "slots": 1},
    "loss": {"alignment": 0, "target_weight": 1},
}


def paper(every: int) -> dict[str, Any]:
    """As in the paper, except for the number of epochs between matchings."""
    objective = nat(
        views=1,
        targets={"kind": "uniform_sphere", "dim": 64},
        head="linear",
        assignment={"kind": "bank", "slots": 1, "every": every},
        loss={"target_weight": 1, "alignment": 0, "reduction": "sum"},
    )
    return {
        "objective": objective,
        "optimizer": {"kind": "sgd", "learning_rate": 0.01},
        "schedule": {"kind": "constant"},
        "epochs": 18,
    }


CELLS = {"kind": "cells", "points": 512}
FIRST = {"match_on": "first", "assignment": {"kind": "stream", "slots": 4, "solver": "greedy"}}
PUSHED = {"loss": {"repulsion": {"weight": 1.0}}}
LEARNED = {"kind": "mean_prototypes", "count": 16, "dim": 8}
HEALTHY: dict[str, dict[str, Any]] = {
    "stream": {},
    "stream in 32 dimensions": {"objective": nat(targets="uniform_sphere")},
    "bank": {"objective": nat(assignment={"kind": "bank", "slots": 4})},
    "bank with one view": {"objective": nat(**ONE_VIEW)},
    "as in the paper": paper(3),
    "as in the paper, long after a matching": paper(9),
    "gaussian": {"objective": nat(targets={"kind": "gaussian", "dim": 8})},
    "prototypes": {"objective": nat(targets={"kind": "prototypes", "count": 16, "dim": 8})},
    "prototypes that learn": {"objective": nat(targets=LEARNED)},
    "one-hot": {"objective": nat(targets={"kind": "one_hot", "dim": 16})},
    "cells": {"objective": nat(assignment=CELLS)},
    "repulsion": {"objective": nat(**PUSHED)},
    "cells and repulsion": {"objective": nat(assignment=CELLS, **PUSHED)},
    "greedy, first view": {"objective": nat(**FIRST)},
    "combined": {
        "objective": Combined(parts={"a": Part(objective=nat()), "b": Part(objective="vicreg")})
    },
    "combined, NAT last": {
        "objective": Combined(parts={"a": Part(objective="vicreg"), "b": Part(objective=nat())})
    },
    "without NAT": {"objective": "vicreg"},
}


@pytest.mark.parametrize("way", HEALTHY)
def test_a_healthy_run(way: str, tmp_path: Path) -> None:
    report = train(tmp_path / "run", **HEALTHY[way])
    assert not acts(report), {name: report.findings[name] for name in acts(report)}
    assert report.healthy
    assert report.stopped_by is None
    if "long after" in way:
        line = report.findings["loss at the random line"].evidence
        assert line["loss_target"] > line["random_loss"]
        assert line["own_cosine"] > line["own_cosine_first"] + 0.1


def unknown(report: RunReport) -> set[str]:
    return {name for name, finding in report.findings.items() if finding.verdict == "unknown"}


SMALL = (
    "training.device=cpu", "training.workers=0", "training.log_every_steps=1",
    "training.batch_size=16", "training.epochs=8", "data.max_samples=80",
    "training.knn_every_epochs=null",
    "evaluation.final=false",
)  # fmt: skip


# Smaller networks, to save time.
SMALLER = {
    "audio": ("encoder={kind: audio_convnet, widths: [16, 32]}",),
    "image": ("encoder={kind: convnet, widths: [16, 32, 64]}",),
    "text": ("data.vocabulary=512", "encoder={kind: bag_of_ngrams, width: 64, buckets: 2048}"),
    "vector": (),
}


@pytest.mark.parametrize("kind", SMALLER)
def test_the_default_source_of_each_modality(kind: str, tmp_path: Path) -> None:
    config = natlib.compose(kind, settings=[*SMALL, *SMALLER[kind]])
    natlib.train(config, tmp_path / "run")
    report = diagnose(tmp_path / "run", samples=80)
    assert not acts(report), {name: report.findings[name] for name in acts(report)}
    assert report.findings["features below a baseline"].verdict == "irrelevant"
    # 40 updates are enough for all other diagnoses.
    assert unknown(report) == {"loss at the random line"}
    assert report.findings["churn stuck"].verdict == "irrelevant"


def test_what_is_unknown_is_said(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(run, nat(assignment={"kind": "bank", "slots": 4}), epochs=1)
    report = diagnose(run)
    early = {"churn stuck", "collapse", "learning rate too low", "loss at the random line"}
    assert early <= unknown(report)
    assert not acts(report)
    for name in early:
        assert report.findings[name].message.startswith("too early")
    shutil.rmtree(run / "model")
    (run / "metrics.jsonl").unlink()
    report = diagnose(run)
    # The samples are still there.
    fine = {name for name, finding in report.findings.items() if finding.verdict == "fine"}
    assert fine == {"duplicates in the data", "views are identical"}
    assert "no model yet" in report.findings["head normalised wrongly"].message


def test_a_metric_that_is_missing_is_unknown(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(run)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["weight_change"]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = diagnose(run)
    assert not acts(report)
    assert "weight_change" in report.findings["learning rate too high"].message


def test_every_modality_is_tested() -> None:
    mine = [row.kind for row in Modality.registry.listing() if row.origin.startswith("natlib ")]
    assert sorted(mine) == sorted(SMALLER)


def test_the_doctor_changes_nothing(tmp_path: Path) -> None:
    from tests.cli.command import content

    run = tmp_path / "run"
    first = train(run)
    before = content(run)
    assert diagnose(run).findings == first.findings
    assert content(run) == before
