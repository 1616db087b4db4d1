"""Folders of sentence-transformers give what that library gives, and nothing in them is run."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import natlib
from natlib.encoders.pretrained import weights_replaced
from natlib.errors import ConfigError
from natlib_text import Text
from natlib_text.encoders.transformer import TextTransformer
from tests.text.tiny_checkpoints import WIDTH, WORDS, write_modules

TEXTS = [
    "a storm at sea",
    "the ship sails home",
    "rain",
    "Old hills AND quiet towns",
    " ".join(WORDS * 3),  # longer than is read
]
MODES = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
POOLING = ("Pooling", {"word_embedding_dimension": WIDTH, "pooling_mode_mean_tokens": True})


def pooling(*modes: str) -> tuple[str, dict[str, Any]]:
    return "Pooling", {"embedding_dimension": WIDTH, "pooling_mode": list(modes)}


def dense(inputs: int, outputs: int, activation: str = "activation.Tanh", bias: bool = True) -> Any:
    return "Dense", {
        "in_features": inputs, "out_features": outputs, "bias": bias,
        "activation_function": f"torch.nn.modules.{activation}",
    }  # fmt: skip


NORMALIZE = ("Normalize", {})
FOLDERS: dict[str, tuple[Any, ...]] = {
    **{mode: (pooling(mode),) for mode in MODES},
    "all": (pooling(*MODES),),
    "flags": (POOLING, NORMALIZE),
    "dense": (pooling("mean"), dense(WIDTH, 5), NORMALIZE),
    "two": (
        pooling("mean", "max"),
        dense(2 * WIDTH, 7, "activation.ReLU", bias=False),
        ("Dropout", {"dropout": 0.5}),
        dense(7, 3, "linear.Identity"),
    ),
}


def embedder(folder: Path, **settings: Any) -> natlib.Embedder:
    recipe = TextTransformer(checkpoint=str(folder), **settings)
    return natlib.Embedder(recipe, Text(fit_samples=20))


class TestAgreement:
    """With the library itself, on texts of any length."""

    @pytest.mark.parametrize("name", FOLDERS)
    def test_vectors_are_equal(self, name: str, tmp_path: Path) -> None:
        library = pytest.importorskip("sentence_transformers")
        folder = write_modules(tmp_path / "model", *FOLDERS[name], do_lower_case=name == "cls")
        theirs = library.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
        ours = embedder(folder).embed(TEXTS)
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() < 1e-5

    def test_a_default_prompt_is_put_before_each_text(self, tmp_path: Path) -> None:
        library = pytest.importorskip("sentence_transformers")
        folder = write_modules(tmp_path / "model", POOLING)
        values = {"prompts": {"query": "query: ", "other": "x"}, "default_prompt_name": "query"}
        (folder / "config_sentence_transformers.json").write_text(json.dumps(values))
        model = embedder(folder)
        assert model.modality.model_dump()["prompt"] == "query: "
        theirs = library.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
        assert np.abs(model.embed(TEXTS) - theirs).max() < 1e-5
        other = natlib.Embedder(
            TextTransformer(checkpoint=str(folder)), Text(prompt="", fit_samples=9)
        )
        assert np.abs(other.embed(TEXTS) - theirs).max() > 1e-3

    def test_what_the_library_itself_has_saved(self, tmp_path: Path) -> None:
        library = pytest.importorskip("sentence_transformers")
        made = library.SentenceTransformer(
            str(write_modules(tmp_path / "model", *FOLDERS["dense"])), device="cpu"
        )
        made.save(str(tmp_path / "again"))
        ours = embedder(tmp_path / "again").embed(TEXTS)
        assert np.abs(ours - made.encode(TEXTS)).max() < 1e-5


def test_length_and_tokenizer_come_from_the_folder_and_can_be_set(tmp_path: Path) -> None:
    folder = write_modules(tmp_path / "model", POOLING)
    recipe = TextTransformer(checkpoint=str(folder))
    asked = Text().for_encoder(recipe)
    assert (asked.length, asked.tokenizer) == (10, str(folder))  # 12 with [CLS] and [SEP]
    assert Text(length=7).for_encoder(recipe).length == 7


def test_pooling_can_be_set(tmp_path: Path) -> None:
    folder = write_modules(tmp_path / "model", POOLING)
    by_mean, by_cls = embedder(folder), embedder(folder, pooling=("cls",), top=())
    assert by_mean.embed(TEXTS).shape == by_cls.embed(TEXTS).shape
    assert np.abs(by_mean.embed(TEXTS) - by_cls.embed(TEXTS)).max() > 1e-3


def test_opens_without_the_folder(tmp_path: Path) -> None:
    """Sizes of all layers are in the recipe, so that a trained model needs nothing else."""
    folder = write_modules(tmp_path / "model", *FOLDERS["two"])
    model = embedder(folder)
    recipe = type(model.recipe).model_validate_json(model.recipe.model_dump_json())
    shutil.rmtree(folder)
    with weights_replaced():
        twin = recipe.build(model.modality.input_shape)
    twin.load_state_dict(model.encoder.state_dict())
    assert twin.dim == model.encoder.dim == 3


class TestFaults:
    """One line each, whatever is wrong; and nothing that a folder names is imported."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return write_modules(tmp_path / "model", *FOLDERS["dense"])

    def refused(self, folder: Path, text: str) -> None:
        with pytest.raises(ConfigError) as caught:
            embedder(folder)
        assert text in str(caught.value)
        assert "\n" not in str(caught.value)

    def change(self, folder: Path, change: Any) -> None:
        file = folder / "modules.json"
        modules = json.loads(file.read_text())
        change(modules)
        file.write_text(json.dumps(modules))

    def test_code(self, folder: Path) -> None:
        self.change(folder, lambda modules: modules[1].update(type="os.system"))
        self.refused(folder, "names the class 'os.system', which is code that natlib does not run")

    def test_an_unknown_module(self, folder: Path) -> None:
        self.change(
            folder, lambda modules: modules[2].update(type="sentence_transformers.models.CNN")
        )
        self.refused(folder, "has a module 'CNN', which natlib does not have")

    def test_a_folder_elsewhere(self, folder: Path) -> None:
        self.change(folder, lambda modules: modules[1].update(path="../../etc"))
        self.refused(folder, "names the folder '../../etc'; expected one inside")

    def test_no_transformer(self, folder: Path) -> None:
        self.change(folder, lambda modules: modules.pop(0))
        self.refused(folder, "expected a Transformer")

    def test_no_list(self, folder: Path) -> None:
        (folder / "modules.json").write_text("{")
        self.refused(folder, "modules.json cannot be read")

    def test_an_activation_of_their_own(self, folder: Path) -> None:
        config = folder / "2_Dense" / "config.json"
        values = json.loads(config.read_text()) | {"activation_function": "evil.module.Act"}
        config.write_text(json.dumps(values))
        self.refused(folder, "the activation 'evil.module.Act', which natlib does not have")

    def test_pickled_weights(self, folder: Path) -> None:
        weights = folder / "2_Dense" / "model.safetensors"
        torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
        weights.unlink()
        self.refused(folder, "model.safetensors cannot be read")

    def test_weights_of_another_shape(self, folder: Path) -> None:
        weights = folder / "2_Dense" / "model.safetensors"
        save_file({"linear.weight": torch.zeros(2, 2), "linear.bias": torch.zeros(2)}, weights)
        self.refused(folder, "the layers after the pooling of")
