"""A run on Gaussian blobs, made once."""

import shutil
from pathlib import Path

import pytest

import natlib
from natlib.protocols import Subject, subject_of
from natlib.training import AdamW, EvaluationConfig, RunConfig, TrainingConfig
from tests.evaluation.gaussian_blobs import GaussianBlobs

CONFIG = RunConfig(
    data=GaussianBlobs(train=90, test=30),
    objective=natlib.NAT(
        targets=natlib.UniformSphere(dim=4), assignment={"kind": "stream", "slots": 2}
    ),
    training=TrainingConfig(epochs=2, batch_size=30, device="cpu", workers=0, optimizer=AdamW()),
    evaluation=EvaluationConfig(batch_size=32, weight_decays=(1e-2, 1e-3)),
)


@pytest.fixture(scope="session")
def blob_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run; tests must not change it."""
    return natlib.train(CONFIG, tmp_path_factory.mktemp("blobs") / "run").run


@pytest.fixture
def run(blob_run: Path, tmp_path: Path) -> Path:
    """A run of a test's own."""
    return Path(shutil.copytree(blob_run, tmp_path / "run"))


@pytest.fixture
def subject(run: Path) -> Subject:
    return subject_of(run)
