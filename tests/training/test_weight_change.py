"""How far an update has moved the weights, against the weights of two checkpoints."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import natlib
from natlib.training.weight_change import weight_change
from tests.training.support import toy_config
from tests.training.test_run_files import recorded


def encoder_weights(checkpoint: Path) -> Tensor:
    """All that is trained in the encoder, in one vector."""
    state = load_file(checkpoint / "weights.safetensors")
    own = {name: value for name, value in state.items() if name.startswith("encoder.")}
    kept = [value for name, value in own.items() if "running" not in name and "num_" not in name]
    return torch.cat([value.flatten() for value in kept]).double()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_what_is_recorded_is_what_checkpoints_differ_by(optimizer: str, tmp_path: Path) -> None:
    settings = {"kind": optimizer, "learning_rate": 1e-2}
    config = toy_config(epochs=1, checkpoint_every_steps=1, keep_checkpoints=9, optimizer=settings)
    natlib.train(config, tmp_path / "run")
    folders = sorted((tmp_path / "run" / "checkpoints").iterdir())
    weights = [encoder_weights(folder) for folder in folders]
    # The first line was written after the first update, before which there is no checkpoint.
    lines = recorded(tmp_path / "run")[1:]
    assert len(lines) == len(weights) - 1 == 4
    for line, before, after in zip(lines, weights, weights[1:], strict=False):
        expected = float((after - before).norm() / after.norm())
        assert line["weight_change"] == pytest.approx(expected, rel=1e-4)


def test_without_weights_nothing_moves() -> None:
    assert float(weight_change([], [])) == 0.0
    nothing = nn.Parameter(torch.zeros(3))
    assert float(weight_change([nothing.detach().clone()], [nothing])) == 0.0
