"""What the tests of Pascal VOC share: a made-up set, and a run that has seen its images."""

from pathlib import Path

import pytest
import torch

import natlib

from .drawn_voc import write_voc


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of squares and discs; do not write into it."""
    root = tmp_path_factory.mktemp("drawn") / "VOCdevkit" / "VOC2007"
    return write_voc(root, {"train": 24, "val": 8, "test": 12})


@pytest.fixture(scope="session")
def drawn_run(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained on its images, for a moment; protocols may keep results there."""
    config = natlib.compose(
        "image",
        options={
            "data": {"source": str(drawn), "size": 32, "resize": 36},
            "encoder": {"kind": "convnet", "widths": [8, 16, 16]},
            "training": {"epochs": 1, "batch_size": 16, "workers": 0, "device": "cpu"},
            "evaluation": {"weight_decays": [0.01, 0.1], "batch_size": 16},
        },
    )
    with torch.random.fork_rng(devices=[]):
        return natlib.train(config, tmp_path_factory.mktemp("runs") / "drawn").run
