"""How well samples hit their targets: against the lines that training logs, and the table."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import natlib
from natlib import NAT, Gaussian, SemiDiscrete, UniformSphere
from natlib.errors import CheckpointError
from natlib.objectives import Combined, random_cell_line, random_matching_line
from natlib.objectives.nat_module import NATModule
from natlib.report.fit import deal, measure_fit, nat_part, read_table
from natlib.report.sections.slots import changed_slots, slots
from natlib.report.sections.targets import targets
from natlib.report.subject import Subject, read_subject
from natlib.runs import Recorded, read_recorded
from natlib.training.checkpoint import complete_checkpoints

SPHERE = UniformSphere(dim=8)


def trained(folder: Path, objective: object) -> tuple[Recorded, Subject]:
    training = {"epochs": 3, "batch_size": 16, "workers": 0, "device": "cpu", "keep_checkpoints": 3}
    judged = {"weight_decays": [0.001], "max_train_samples": 48}
    options = {"training": training, "data": {"max_samples": 48}, "evaluation": judged}
    config = natlib.compose("vector", options=options)
    run = natlib.train(config.model_copy(update={"objective": objective}), folder / "run").run
    recorded = read_recorded(run)
    return recorded, read_subject(recorded, 40, lambda *_: None)


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorded, Subject]:
    return trained(tmp_path_factory.mktemp("bank"), NAT(targets=SPHERE, ownership="bank", slots=2))


def module_of(objective: NAT) -> NATModule:
    module = objective.build(8, samples=64)
    assert isinstance(module, NATModule)
    return module


def test_random_points_get_what_training_logs_as_the_random_line() -> None:
    config = NAT(targets=UniformSphere(dim=16), slots=4)
    slot = 2**62 - 512 + torch.arange(512)
    near = [deal(module_of(config), z, n)[0] for n, z in enumerate(SPHERE_16.rows(slot).split(64))]
    line = float(random_matching_line(config.targets, config.solver, 64))
    assert float(torch.cat(near).mean()) == pytest.approx(line, abs=0.01)


SPHERE_16 = UniformSphere(dim=16)


def test_cells_too() -> None:
    method = SemiDiscrete(points=256)
    config = NAT(targets=SPHERE_16, semidiscrete=method)
    slot = 2**62 - 512 + torch.arange(512)
    near = [deal(module_of(config), z, n)[0] for n, z in enumerate(SPHERE_16.rows(slot).split(64))]
    line = float(random_cell_line(config.targets, method, 64))
    assert float(torch.cat(near).mean()) == pytest.approx(line, abs=0.03)


@pytest.mark.parametrize("distribution", [SPHERE, Gaussian(dim=8)])
@pytest.mark.parametrize("repulsion", [0.0, 1.0])
def test_distances_are_those_of_the_loss(
    distribution: natlib.TargetDistribution, repulsion: float
) -> None:
    # Of two equal views, the part of the loss is the mean squared distance.
    config = NAT(targets=distribution, slots=3, repulsion=repulsion)
    module = module_of(config)
    module.head = torch.nn.Identity()
    points = distribution.rows(2**61 + torch.arange(32))
    away = torch.cat([deal(module, points, number)[1] for number in range(8)])
    logged = torch.stack([module([points, points]).parts["target"] for _ in range(8)]).mean()
    assert float(away.mean()) == pytest.approx(float(logged), rel=0.1)


def test_a_bank_is_measured_with_the_targets_that_samples_own(
    bank: tuple[Recorded, Subject],
) -> None:
    recorded, subject = bank
    fit = measure_fit(recorded, subject)
    assert fit is not None
    assert fit.owned
    last = complete_checkpoints(recorded.path / "checkpoints")[-1]
    owned = load_file(last / "weights.safetensors")["objective.table.permutation"]
    z = subject.features["head"]
    for row, index in enumerate(subject.index.tolist()):
        slot = torch.tensor([int(owned[layer, index]) + layer * 2**32 for layer in range(2)])
        expected = torch.cosine_similarity(z[row].expand(2, -1), SPHERE.rows(slot), dim=-1).mean()
        assert float(fit.cosine[row]) == pytest.approx(float(expected), abs=1e-5)


def test_best_and_worst_are_the_ends(bank: tuple[Recorded, Subject]) -> None:
    recorded, subject = bank
    fit = measure_fit(recorded, subject)
    assert fit is not None
    ends = targets(subject, fit).values["ends"]
    best = [cell["cosine"] for cell in ends["Best"]]
    worst = [cell["cosine"] for cell in ends["Worst"]]
    assert best == sorted(fit.cosine.tolist(), reverse=True)[: len(best)]
    assert worst == sorted(fit.cosine.tolist())[: len(worst)]


def test_slots_that_changed_hands_between_checkpoints(bank: tuple[Recorded, Subject]) -> None:
    recorded, subject = bank
    changes = slots(recorded, subject).values["changes"]
    folders = complete_checkpoints(recorded.path / "checkpoints")
    tables = [load_file(f / "weights.safetensors")["objective.table.permutation"] for f in folders]
    assert [(c["before"], c["after"]) for c in changes] == [(3, 6), (6, 9)]
    for change, before, after in zip(changes, tables, tables[1:], strict=False):
        assert change["share"] == pytest.approx(100 * float((before != after).float().mean()))
    read = [read_table(folder, "", len(subject.samples)) for folder in folders]
    assert read[0] is not None
    assert read[1] is not None
    assert torch.equal(changed_slots(read[0], read[1]), (tables[0] != tables[1]).sum(0))


def test_a_table_of_other_samples_is_one_line(bank: tuple[Recorded, Subject]) -> None:
    folder = complete_checkpoints(bank[0].path / "checkpoints")[-1]
    with pytest.raises(CheckpointError, match="48 samples, and the data set has 50"):
        read_table(folder, "", 50)


def test_a_combined_objective_is_measured_by_its_nat_part(tmp_path: Path) -> None:
    parts = {
        "spread": {"objective": {"kind": "vicreg"}},
        "aim": {"objective": NAT(targets=SPHERE, ownership="bank", slots=2)},
    }
    recorded, subject = trained(tmp_path, Combined.model_validate({"parts": parts}))
    found = nat_part(subject.model.objective)
    assert found is not None
    assert found[0] == "parts.aim"
    fit = measure_fit(recorded, subject)
    assert fit is not None
    assert fit.owned
    assert slots(recorded, subject).values["changes"]


def test_a_stream_has_no_table_and_an_objective_without_targets_no_fit(tmp_path: Path) -> None:
    recorded, subject = trained(tmp_path / "a", NAT(targets=SPHERE))
    fit = measure_fit(recorded, subject)
    assert fit is not None
    assert not fit.owned
    assert fit.cosine.shape == subject.index.shape
    assert "stream" in slots(recorded, subject).values["text"]
    recorded, subject = trained(tmp_path / "b", natlib.compose("vector", settings=[
        "objective.kind=vicreg"]).objective)  # fmt: skip
    assert measure_fit(recorded, subject) is None
    assert "no targets" in targets(subject, None).values["text"]
    assert json.dumps(slots(recorded, subject).values)
