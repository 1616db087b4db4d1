"""Pretrained models from local folders: complete, quietly, and with one line where they are not."""

import json
import logging
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from natlib.encoders.pretrained import (
    checkpoint_is_gone,
    load_pretrained,
    quiet_transformers,
    read_architecture,
)
from natlib.errors import ConfigError

CLASSES = (transformers.BertConfig, transformers.BertModel)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=12,
    )
    with quiet_transformers():
        transformers.BertModel(config).save_pretrained(tmp_path / "bert")
    return tmp_path / "bert"


def test_weights_are_those_of_the_folder_and_settings_replace_its_own(folder: Path) -> None:
    model = load_pretrained(folder, settings={"layer_norm_eps": 0.5, "of_ours": 3})
    assert model.config.layer_norm_eps == 0.5  # type: ignore[union-attr]
    assert model.config.of_ours == 3  # type: ignore[union-attr]
    weights = load_file(folder / "model.safetensors")
    assert weights.keys() == {name for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, weights[name])
    assert read_architecture(folder)["model_type"] == "bert"


def test_weights_that_are_not_used_may_be_missing(folder: Path) -> None:
    file = folder / "model.safetensors"
    weights = load_file(file)
    save_file({n: w for n, w in weights.items() if "pooler" not in n}, file, {"format": "pt"})
    load_pretrained(folder, unused=("pooler",))
    with pytest.raises(ConfigError, match=r"lacks 2 weights \(pooler\.dense\.bias, \.\.\.\)"):
        load_pretrained(folder)


def test_weights_of_other_shapes_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 24}))
    with pytest.raises(ConfigError, match=r"have other shapes than its config\.json says"):
        load_pretrained(folder)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_files_that_are_missing_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    for read in (read_architecture, lambda place: load_pretrained(place)):
        with pytest.raises(ConfigError, match=rf"has no {name} \(found: "):
            read(folder)


def test_a_folder_that_is_gone_is_said_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "natlib"):
        assert not checkpoint_is_gone(folder)
        assert caplog.messages == []
        assert checkpoint_is_gone(folder / "moved")
    assert caplog.messages == [
        f"the checkpoint {folder / 'moved'} is gone; its weights are not read"
    ]


def test_transformers_is_as_talkative_afterwards_as_before() -> None:
    talk = transformers.utils.logging
    before = (talk.get_verbosity(), talk.is_progress_bar_enabled())
    with quiet_transformers():
        assert (talk.get_verbosity(), talk.is_progress_bar_enabled()) == (talk.ERROR, False)
    assert (talk.get_verbosity(), talk.is_progress_bar_enabled()) == before
    with pytest.raises(OSError, match="gone"), quiet_transformers():
        raise OSError("gone")
    assert (talk.get_verbosity(), talk.is_progress_bar_enabled()) == before
