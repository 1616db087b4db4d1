"""Whole runs with a teacher: state, resume, start from other weights, several processes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import natlib
from natlib.objectives import NAT, Combined, NATModule, Part, Teacher, VICReg
from natlib.training import SilentProgress
from natlib.training.batch_norm import synchronise_batch_norm
from natlib.training.loop import Loop
from natlib.training.processes import Processes, training_processes
from tests.processes import in_two_processes
from tests.training.support import go_on, toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run, final_state, metrics
from tests.training.test_two_processes import Halves, learner_for

WITH_TEACHER = NAT(teacher=Teacher(momentum=0.7), assignment={"kind": "stream", "slots": 2})


def test_a_run_equals_averages_of_its_checkpoints(tmp_path: Path) -> None:
    config = toy_config(WITH_TEACHER, epochs=2, checkpoint_every_steps=1, keep_checkpoints=20)
    natlib.train(config, tmp_path / "run")
    kept = sorted((tmp_path / "run" / "checkpoints").iterdir())
    states = [load_file(folder / "weights.safetensors") for folder in kept]
    assert len(states) == 10
    pairs = {
        name: name.replace("objective.teacher.encoder", "encoder").replace("teacher.head", "head")
        for name in states[0]
        if "teacher" in name and name.endswith(("weight", "bias"))
    }
    assert any("head" in name for name in pairs)
    for number in range(1, 10):
        momentum = WITH_TEACHER.teacher.momentum_at(number / 10)  # type: ignore[union-attr]
        for mine, theirs in pairs.items():
            expected = momentum * states[number - 1][mine] + (1 - momentum) * states[number][theirs]
            torch.testing.assert_close(states[number][mine], expected)
            assert not torch.equal(states[number][mine], states[number][theirs])


def test_the_saved_model_has_no_teacher(tmp_path: Path) -> None:
    natlib.train(toy_config(WITH_TEACHER), tmp_path / "run")
    assert any("teacher" in name for name in final_state(tmp_path / "run")[0])
    model = natlib.load(tmp_path / "run")
    assert not any("teacher" in name for name in model.objective.state_dict())
    rows = model.embed_set(model.modality.dataset("train"), output="head").vectors
    assert rows.shape == (80, 32)


def combination() -> Combined:
    second = NAT(
        views=3,
        teacher=Teacher(momentum=0.5),
        match_on="first",
        assignment={"kind": "stream", "slots": 1},
    )
    return Combined(
        views=3,
        parts={
            "spread": Part(objective=VICReg()),
            "nat": Part(objective=WITH_TEACHER),
            "other": Part(objective=second),
        },
    )


def test_a_combination_resumes_exactly(tmp_path: Path) -> None:
    config = toy_config(combination(), accumulate=2)
    natlib.train(config, tmp_path / "whole")
    natlib.train(config, tmp_path / "part", progress=StopAfter(5))
    natlib.resume(tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "part")


def test_it_starts_from_the_weights_of_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    natlib.train(toy_config(NAT(assignment={"kind": "stream", "slots": 2})), tmp_path / "before")
    before = final_state(tmp_path / "before")[0]
    begun: list[dict[str, Tensor]] = []
    take = NATModule.on_start

    def watched(self: NATModule, encoder: torch.nn.Module) -> None:
        take(self, encoder)
        begun.append({name: value.clone() for name, value in self.state_dict().items()})

    monkeypatch.setattr(NATModule, "on_start", watched)
    natlib.train(toy_config(WITH_TEACHER), tmp_path / "run", init_from=tmp_path / "before")
    (state,) = begun
    copies = [name for name in state if name.startswith("teacher.")]
    assert len(copies) > 10
    for name in copies:
        of = name.removeprefix("teacher.")
        theirs = before[of] if of.startswith("encoder") else before[f"objective.{of}"]
        assert torch.equal(state[name], theirs)


def begin(run: Path, stop: int | None) -> None:
    config = toy_config(WITH_TEACHER, epochs=2, train=83)
    natlib.train(config, run, progress=StopAfter(stop) if stop else None)


def test_two_processes_resume_exactly(tmp_path: Path) -> None:
    in_two_processes(begin, tmp_path / "whole", None)
    in_two_processes(begin, tmp_path / "part", 7)
    in_two_processes(go_on, tmp_path / "part")
    assert_same_run(tmp_path / "whole", tmp_path / "part")


def trained(processes: Processes, folder: Path | None) -> dict[str, Tensor]:
    """Six updates in float64, of views that are not random."""
    # Targets weigh nothing, since each process matches by itself: what is left is the teacher.
    objective = NAT(
        teacher=Teacher(momentum=0.6),
        assignment={"kind": "stream", "slots": 1},
        loss={"target_weight": 1e-12},
    )
    learner = learner_for(objective)
    synchronise_batch_norm(learner, processes.device)
    modality = Halves(train=41)
    samples = modality.dataset("train")
    config = toy_config(
        epochs=2, batch_size=15, optimizer={"kind": "sgd", "learning_rate": 0.5}
    ).training
    loop = Loop(config, modality, samples, learner, 2, processes, 0)
    begun = {name: value.clone() for name, value in learner.state_dict().items()}
    for _ in loop.run(SilentProgress()):
        pass
    loop.close()
    assert loop.position.step == 6
    if folder is not None:
        torch.save(learner.state_dict(), folder / f"{processes.rank}.pt")
    weights = [name for name in begun if "teacher" in name and name.endswith("weight")]
    assert all((learner.state_dict()[n] - begun[n]).abs().max() > 1e-4 for n in weights)
    return learner.state_dict()


def train_in_one_of_two(folder: Path) -> None:
    with training_processes("cpu") as processes:
        trained(processes, folder)


def test_two_processes_have_the_teacher_of_one(tmp_path: Path) -> None:
    in_two_processes(train_in_one_of_two, tmp_path)
    alone = trained(Processes(0, 1, torch.device("cpu")), None)
    others = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    names = [name for name in alone if name.startswith(("encoder", "objective.teacher"))]
    assert sum("running_mean" in name for name in names) >= 3
    for name in names:
        assert torch.equal(others[0][name], others[1][name]), name
        torch.testing.assert_close(others[0][name], alone[name], rtol=1e-8, atol=1e-10)
