"""The encoder as it began, to compare a trained one with."""

from pathlib import Path

import pytest
import torch

import natlib
from natlib.errors import CheckpointError
from natlib.evaluation import Evaluation
from natlib.protocols import subject_of
from natlib.training import Run, RunDirectory, start_of
from tests.training.support import toy_config


def test_random_weights_come_from_the_seed_of_training(tmp_path: Path) -> None:
    config = toy_config(seed=5)
    run = Run.start(config, tmp_path / "run")
    began = {name: value.clone() for name, value in run.loop.learner.encoder.state_dict().items()}
    run.train()
    start = start_of(run.config, run.directory)
    assert (start.weights, start.name) == (None, "as it began (random)")
    samples = run.loop.samples
    again = start.encoder(
        config.data, samples, samples.usable, device=torch.device("cpu")
    ).state_dict()
    for name, value in began.items():
        if "running" not in name and "num_batches" not in name:
            assert torch.equal(again[name], value), name


def test_weights_of_another_run_are_kept_and_named(tmp_path: Path) -> None:
    natlib.train(toy_config(seed=1), tmp_path / "first")
    natlib.train(
        toy_config(seed=2, evaluate=True), tmp_path / "second", init_from=tmp_path / "first"
    )
    first = natlib.load(tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "gone")
    directory = RunDirectory(tmp_path / "second")
    start = start_of(directory.read_config(), directory)
    assert start.name == "the run first, as it came"
    subject = subject_of(tmp_path / "second")
    train, _ = subject.training_samples()
    encoder = subject.start_encoders(train, train.usable)["start"]
    for name, value in first.encoder.state_dict().items():
        assert torch.equal(encoder.state_dict()[name], value), name
    written = (directory.evaluations / "standard.json").read_text()
    found = Evaluation.from_json(written)
    assert found.names["start"] == "the run first, as it came"


def test_damaged_weights_are_one_line(tmp_path: Path) -> None:
    natlib.train(toy_config(seed=1), tmp_path / "first")
    run = Run.start(toy_config(), tmp_path / "second", init_from=tmp_path / "first")
    run.train()
    start, samples = start_of(run.config, run.directory), run.loop.samples
    run.directory.start.write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"start\.safetensors: .*; restore the file"):
        start.encoder(run.config.data, samples, samples.usable, device=torch.device("cpu"))
