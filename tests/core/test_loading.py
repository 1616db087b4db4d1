"""Processes that decode."""

import os
import signal
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as multiprocessing

from natlib.data import Batch, load_batches
from tests.evaluation.gaussian_blobs import GaussianBlobs


class Lazy:
    """Samples that are not in memory, of which some take until something is there."""

    def __init__(self, samples: Any, gate: Path) -> None:
        self._samples = samples
        self._gate = gate
        self.in_memory = False

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Any:
        while index >= 8 and not self._gate.exists():
            os.sched_yield()
        return self._samples[index]


def test_ctrl_c_in_a_terminal_leaves_the_workers_at_work(tmp_path: Path) -> None:
    """A terminal sends it to all processes; the one that trains finishes its update first."""
    before = multiprocessing.active_children()
    modality, gate = GaussianBlobs(train=16), tmp_path / "gate"
    samples: Any = Lazy(modality.dataset("train"), gate)
    batches = load_batches(
        modality,
        samples,
        iter(torch.arange(16).split(4)),  # type: ignore[arg-type]
        device=torch.device("cpu"),
        workers=2,
    )
    # One from each, so that both have begun.
    first: list[Batch] = [next(batches), next(batches)]
    workers = [each for each in multiprocessing.active_children() if each not in before]
    assert len(workers) == 2
    for worker in workers:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGINT)
    gate.touch()
    assert torch.cat([batch.index for batch in (*first, *batches)]).tolist() == list(range(16))
