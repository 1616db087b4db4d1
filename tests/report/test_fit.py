"""How well samples hit their targets: against the lines that training logs, and the table."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import natlib
from natlib import NAT, Bank, Cells, Stream, UniformSphere
from natlib.assignment import Assignment
from natlib.doctor import RunRecord, diagnose, diagnose_examined, examine
from natlib.errors import CheckpointError
from natlib.objectives import Combined, random_cosine, random_target_loss
from natlib.report.charts.axes import label
from natlib.report.fit import measure_fit, nat_part, read_table
from natlib.report.report import references
from natlib.report.sections.health import health
from natlib.report.sections.slots import changed_slots, slots
from natlib.report.sections.spectrum import spectrum
from natlib.report.sections.targets import targets
from natlib.report.subject import Subject, read_subject
from natlib.runs import RunLog, read_run_log
from natlib.training.checkpoint import complete_checkpoints

SPHERE = UniformSphere(dim=8)


def trained(folder: Path, objective: object) -> tuple[RunLog, Subject]:
    training = {"epochs": 3, "batch_size": 16, "workers": 0, "device": "cpu", "keep_checkpoints": 3}
    evaluation = {"weight_decays": [1.0], "max_train_samples": 48}
    options = {"training": training, "data": {"max_samples": 48}, "evaluation": evaluation}
    config = natlib.compose("vector", options=options)
    run = natlib.train(config.model_copy(update={"objective": objective}), folder / "run").run
    log = read_run_log(run)
    return log, read_subject(log, 40, lambda *_: None)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunLog, Subject]:
    return trained(
        tmp_path_factory.mktemp("bank"),
        NAT(targets=SPHERE, assignment=Bank(slots=2)),
    )


@pytest.mark.parametrize("assignment", [Stream(slots=4), Cells(points=256)], ids=str)
def test_random_points_have_the_cosine_that_training_logs(
    assignment: Assignment, tmp_path: Path
) -> None:
    log, subject = trained(tmp_path, NAT(targets=SPHERE, assignment=assignment))
    fit = measure_fit(log, subject)
    assert fit is not None
    line = float(random_cosine(assignment.build(SPHERE.build()), fit.batch))
    assert float(fit.random.mean()) == pytest.approx(line, abs=0.05)


def test_reference_lines_are_those_of_the_doctor(bank: tuple[RunLog, Subject]) -> None:
    log, subject = bank
    lines, record = references(log, subject), RunRecord(log.path)
    assert record.objective is not None
    (random,) = lines["loss_target"]
    assert random.value == random_target_loss(record.objective, record.batch)
    few = lines["effective_rank"][1]
    assert few.value == pytest.approx(0.6 * 8**0.5)


def test_the_effective_rank_is_that_of_the_doctor(
    bank: tuple[RunLog, Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = bank
    # The report looks at more samples than the doctor, of a set with more than either looks at.
    monkeypatch.setattr("natlib.report.subject.EXAMINED", 20)
    subject = read_subject(log, 40, lambda *_: None)
    found = examine(subject.modality, subject.samples, subject.model, 20, subject.seed, print)
    assert found.names == [subject.name_of(row) for row in subject.examined.tolist()]
    assert len(found.names) == 20
    rows = {row["name"]: row for row in spectrum(subject).values["rows"]}
    # 9 updates are too few for a verdict, and 40 would be enough.
    monkeypatch.setattr("natlib.doctor.record._FEWEST_UPDATES", 1)
    finding = diagnose_examined(RunRecord(log.path), found).findings["dimensional collapse"]
    assert rows["head"]["effective"] == label(finding.evidence["effective_rank"])
    assert rows["encoder"]["effective"] == label(finding.evidence["effective_rank_of_features"])
    assert finding.evidence["samples"] == 20


def test_the_health_section_is_what_the_doctor_says(bank: tuple[RunLog, Subject]) -> None:
    log, _ = bank
    report = diagnose(log.path)
    values = health(report).values
    shown = {finding["name"]: finding["verdict"] for finding in values["findings"]}
    told = {name: finding.verdict for name, finding in report.findings.items()}
    assert shown | dict.fromkeys(values["irrelevant"], "irrelevant") == told
    order = [finding["verdict"] for finding in values["findings"]]
    assert order == sorted(order, key=("act", "unknown", "fine").index)
    assert values["counts"] == {name: order.count(name) for name in ("act", "unknown", "fine")}


def test_a_bank_is_measured_with_the_targets_that_samples_own(
    bank: tuple[RunLog, Subject],
) -> None:
    log, subject = bank
    fit = measure_fit(log, subject)
    assert fit is not None
    assert fit.owned
    last = complete_checkpoints(log.path / "checkpoints")[-1]
    owned = load_file(last / "weights.safetensors")["objective.assignment.table.permutation"]
    z = subject.features["head"]
    for row, index in enumerate(subject.index.tolist()):
        slot = torch.tensor([int(owned[layer, index]) + layer * 2**32 for layer in range(2)])
        expected = torch.cosine_similarity(z[row].expand(2, -1), SPHERE.rows(slot), dim=-1).mean()
        assert float(fit.cosine[row]) == pytest.approx(float(expected), abs=1e-5)


def test_the_samples_shown_are_those_at_both_ends(bank: tuple[RunLog, Subject]) -> None:
    log, subject = bank
    fit = measure_fit(log, subject)
    assert fit is not None
    ends = targets(subject, fit).values["ends"]
    best = [cell["cosine"] for cell in ends["Highest cosine"]]
    worst = [cell["cosine"] for cell in ends["Lowest cosine"]]
    assert best == sorted(fit.cosine.tolist(), reverse=True)[: len(best)]
    assert worst == sorted(fit.cosine.tolist())[: len(worst)]


def test_slots_reassigned_between_checkpoints(bank: tuple[RunLog, Subject]) -> None:
    log, subject = bank
    changes = slots(log, subject).values["changes"]
    folders = complete_checkpoints(log.path / "checkpoints")
    tables = [
        load_file(f / "weights.safetensors")["objective.assignment.table.permutation"]
        for f in folders
    ]
    assert [(c["before"], c["after"]) for c in changes] == [(3, 6), (6, 9)]
    for change, before, after in zip(changes, tables, tables[1:], strict=False):
        assert change["share"] == pytest.approx(100 * float((before != after).float().mean()))
    read = [read_table(folder, "", len(subject.samples)) for folder in folders]
    assert read[0] is not None
    assert read[1] is not None
    assert torch.equal(changed_slots(read[0], read[1]), (tables[0] != tables[1]).sum(0))


def test_a_table_of_other_samples_is_refused_in_one_line(bank: tuple[RunLog, Subject]) -> None:
    folder = complete_checkpoints(bank[0].path / "checkpoints")[-1]
    with pytest.raises(CheckpointError, match="48 samples, and the data set has 50"):
        read_table(folder, "", 50)


def test_a_combined_objective_is_measured_by_its_nat_part(tmp_path: Path) -> None:
    parts = {
        "spread": {"objective": {"kind": "vicreg"}},
        "aim": {"objective": NAT(targets=SPHERE, assignment=Bank(slots=2))},
    }
    log, subject = trained(tmp_path, Combined.model_validate({"parts": parts}))
    found = nat_part(subject.model.objective)
    assert found is not None
    assert found[0] == "parts.aim"
    fit = measure_fit(log, subject)
    assert fit is not None
    assert fit.owned
    assert slots(log, subject).values["changes"]


def test_a_stream_has_no_table_and_an_objective_without_targets_no_fit(tmp_path: Path) -> None:
    log, subject = trained(tmp_path / "a", NAT(targets=SPHERE))
    fit = measure_fit(log, subject)
    assert fit is not None
    assert not fit.owned
    assert fit.cosine.shape == subject.index.shape
    assert "stream" in slots(log, subject).values["text"]
    log, subject = trained(tmp_path / "b", natlib.compose("vector", settings=[
        "objective.kind=vicreg"]).objective)  # fmt: skip
    assert measure_fit(log, subject) is None
    assert "no targets" in targets(subject, None).values["text"]
    assert json.dumps(slots(log, subject).values)
