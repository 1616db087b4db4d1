"""Two gloo processes equal one: gradients, statistics, tables and whole runs."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import natlib
from natlib.assignment import BankModule, Stream
from natlib.encoders import MlpEncoder
from natlib.objectives import NAT, NATModule
from natlib.runtime.progress import SilentProgress
from natlib.training.batch_norm import synchronise_batch_norm
from natlib.training.checkpoint import latest_checkpoint
from natlib.training.learner import Learner
from natlib.training.loop import Loop
from natlib.training.processes import Processes, training_processes
from tests.core.nat_parts import table_of
from tests.evaluation.gaussian_blobs import GaussianBlobs
from tests.processes import in_two_processes
from tests.training.support import go_on, toy_config
from tests.training.test_exact_resume import StopAfter, assert_same_run

BATCH = 15  # Halves of 8 and 7: a mean of means would be wrong.
OBJECTIVES: dict[str, dict[str, Any]] = {
    "stream": {"assignment": {"kind": "stream", "slots": 2}},
    "bank": {"assignment": {"kind": "bank", "slots": 2}},
    "sum": {
        "views": 1,
        "assignment": {"kind": "bank", "slots": 1},
        "loss": {"alignment": 0.0, "reduction": "sum"},
    },
    "teacher": {"teacher": {"momentum": 0.9}, "assignment": {"kind": "stream", "slots": 2}},
    "gaussian": {"targets": {"kind": "gaussian", "dim": 8}, "views": 3},
}


def learner_for(objective: NAT, batch_norm: bool = True) -> Learner:
    torch.manual_seed(0)
    encoder = MlpEncoder(widths=(16, 8)).build((12,))
    if not batch_norm:
        for name, module in list(encoder.named_modules()):
            if isinstance(module, nn.BatchNorm1d):
                parent = encoder.get_submodule(name.rpartition(".")[0])
                parent.add_module(name.rpartition(".")[2], nn.Identity())
    return Learner(encoder, objective.build(8, samples=40)).double()


class Halves(GaussianBlobs):
    """Views that do not depend on a random generator: each sample's own, fixed ones."""

    def views(self, batch: Any, count: int) -> list[Tensor]:
        plain = self.plain(batch).double()
        return [plain + 0.3 * torch.sin((v + 1) * 7 * plain) for v in range(count)]


def loop_for(
    objective: NAT,
    learner: Learner,
    processes: Processes,
    accumulate: int = 1,
    micro_batch: int | None = None,
) -> Loop:
    modality = Halves(train=40)
    samples = modality.dataset("train")
    assert samples is not None
    # One update of the whole set, so that both sides see the same samples.
    samples.usable = torch.arange(BATCH * accumulate)
    config = toy_config(
        batch_size=BATCH, epochs=1, accumulate=accumulate, micro_batch=micro_batch,
        optimizer={"kind": "sgd", "learning_rate": 1e-9},
    ).training  # fmt: skip
    return Loop(config, modality, samples, learner, objective.views, processes, 0)


# Whole batches through batch norm, and parts of them (7 and 8 samples are three parts each).
CASES = [
    (name, accumulate, micro_batch)
    for name in OBJECTIVES
    for accumulate in (1, 2)
    for micro_batch in (None, 3)
]


def objective_named(name: str) -> NAT:
    settings = {"targets": {"kind": "uniform_sphere", "dim": 8}} | OBJECTIVES[name]
    return NAT.model_validate(settings)


def all_updates(folder: Path) -> None:
    """One update of every case, in one pair of processes: starting them costs seconds."""
    with training_processes("cpu") as processes:
        for name, accumulate, micro_batch in CASES:
            objective = objective_named(name)
            learner = learner_for(objective, batch_norm=micro_batch is None)
            synchronise_batch_norm(learner, processes.device)
            loop = loop_for(objective, learner, processes, accumulate, micro_batch)
            for _ in loop.run(SilentProgress()):
                pass
            loop.close()
            learner.objective.merge()
            if processes.first:
                trained = [(n, p) for n, p in learner.named_parameters() if p.requires_grad]
                gradients = {n: p.grad for n, p in trained}
                saved = {"gradients": gradients, "state": learner.state_dict()}
                torch.save(saved, folder / f"{name}-{accumulate}-{micro_batch}.pt")


@pytest.fixture(scope="module")
def updated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("updates")
    in_two_processes(all_updates, folder)
    return folder


class Fixed(nn.Module):
    """Stands for a counter: gives out what it is told."""

    def __init__(self, slots: list[Tensor]) -> None:
        super().__init__()
        self.slots = slots

    def peek(self, count: int) -> Tensor:
        assert len(self.slots[0]) == count
        return self.slots[0]

    def take(self, count: int) -> Tensor:
        return self.slots.pop(0)


def reference(
    objective: NAT, accumulate: int, batch_norm: bool
) -> tuple[dict[str, Tensor], Tensor | None, Learner]:
    """One process, whole batches through encoder and head, each half matched by itself."""
    learner = learner_for(objective, batch_norm)
    learner.train()
    alone = Processes(0, 1, torch.device("cpu"))
    loop = loop_for(objective, learner, alone, accumulate)
    module = learner.objective
    assert isinstance(module, NATModule)
    halves = objective.build(8, samples=40).double()
    halves.head = nn.Identity()
    if isinstance(halves.assignment, BankModule):
        halves.assignment.table = table_of(module)
    taken = [0, 0]
    for batch_indices in loop._partition.batches(0):
        samples = [loop.samples[i] for i in batch_indices]
        batch = loop.modality.collate(samples)
        views = loop.modality.views(batch, objective.views)
        module.extra_inputs(views)
        z = [module.embed(learner.encoder(view)) for view in views]
        loss = torch.zeros((), dtype=torch.float64)
        parts = torch.arange(BATCH).tensor_split(2)
        for rank, part in enumerate(parts):
            if isinstance(objective.assignment, Stream):
                count = objective.assignment.slots * len(part)
                halves.assignment.counter = Fixed(
                    [rank * 2**48 + taken[rank] + torch.arange(count)]
                )  # type: ignore[assignment]
                taken[rank] += count
            if module._teacher_views is not None:
                halves._teacher_views = [z[part] for z in module._teacher_views]
            output = halves([view[part] for view in z], batch.index[part], epoch=0)
            share = 1.0 if module.loss_is_sum else len(part) / BATCH / accumulate
            loss = loss + output.loss * share
        loss.backward()
    gradients = {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}
    is_bank = isinstance(module.assignment, BankModule)
    return gradients, table_of(module).permutation if is_bank else None, learner


@pytest.mark.parametrize(("name", "accumulate", "micro_batch"), CASES)
def test_gradients_equal_those_of_one_process(
    name: str, accumulate: int, micro_batch: int | None, updated: Path
) -> None:
    objective = objective_named(name)
    two = torch.load(updated / f"{name}-{accumulate}-{micro_batch}.pt", weights_only=True)
    gradients, permutation, learner = reference(objective, accumulate, micro_batch is None)
    assert gradients.keys() == two["gradients"].keys()
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(two["gradients"][parameter], gradient, rtol=1e-9, atol=1e-12)
        assert gradient.abs().max() > 1e-6 or parameter.endswith("bias")
    if permutation is not None:
        assert torch.equal(two["state"]["objective.assignment.table.permutation"], permutation)
        fresh = learner_for(objective).objective
        assert isinstance(fresh, NATModule)
        assert not torch.equal(permutation, table_of(fresh).permutation)
    for buffer, value in learner.state_dict().items():
        if "running_" in buffer or buffer.endswith("num_batches_tracked"):
            torch.testing.assert_close(two["state"][buffer], value, rtol=1e-9, atol=1e-12)


def begin(run: Path, stop: int | None) -> None:
    config = toy_config(NAT(assignment={"kind": "bank", "slots": 2}), train=83, evaluate=True)
    natlib.train(config, run, progress=StopAfter(stop) if stop else None)


def test_two_processes_resume_exactly(tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    in_two_processes(begin, whole, None)
    in_two_processes(begin, part, 8)
    assert latest_checkpoint(part / "checkpoints").name == "step-000000008"
    in_two_processes(go_on, part)
    assert latest_checkpoint(part / "checkpoints").name == "step-000000024"
    assert_same_run(whole, part)
    written = [(run / "evaluations" / "standard.json").read_text() for run in (part, whole)]
    assert written[0] == written[1]
