import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from natlib.encoders import MlpEncoder
from natlib.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DeviceError,
    NatlibError,
    RunNotFoundError,
)
from natlib.model import files as model_io
from natlib.model import load, save_model
from natlib.objectives import NAT
from natlib.runtime import storage
from natlib.targets import Gaussian
from natlib.training.config import RunConfig
from tests.evaluation.gaussian_blobs import FEATURES, GaussianBlobs, blobs

RECIPE = MlpEncoder(widths=(16, 8))
STREAM = NAT(targets=Gaussian(dim=5))
BANK = NAT(views=1, targets=Gaussian(dim=5), assignment={"kind": "bank", "slots": 2})


def trained(objective=STREAM, seed=0, shift=0.5):
    """Encoder and objective module whose weights and statistics are not the initial ones."""
    torch.manual_seed(seed)
    config = RunConfig(data=GaussianBlobs(shift=shift), encoder=RECIPE, objective=objective)
    encoder, head = RECIPE.build((FEATURES,)), objective.build(8, samples=90)
    vectors = blobs(90).vectors
    views = [encoder(vectors + 0.1 * v) for v in range(objective.views)]
    head(views, torch.arange(90)).loss.backward()
    with torch.no_grad():
        for weight in (*encoder.parameters(), *head.parameters()):
            weight -= 0.1 * weight.grad
    return encoder, head, config


def save(folder, parts):
    encoder, objective, config = parts
    save_model(
        folder,
        encoder,
        objective,
        recipe=config.encoder,
        objective=config.objective,
        modality=config.data,
    )


@pytest.fixture(params=[STREAM, BANK], ids=["stream", "bank"])
def parts(request):
    return trained(request.param)


@pytest.fixture
def run(tmp_path):
    save(tmp_path / "run" / "model", trained())
    return tmp_path / "run"


def expected_embeddings(parts, vectors):
    encoder, objective, config = parts
    encoder.eval()
    objective.eval()
    with torch.no_grad():
        features = encoder(vectors + config.data.shift)
        return features.numpy(), objective.embed(features).numpy()


class TestRoundTrip:
    def test_embeddings_are_identical(self, tmp_path, parts):
        save(tmp_path / "model", parts)
        vectors = blobs(40, seed=3).vectors
        features, heads = expected_embeddings(parts, vectors)
        model = load(tmp_path)
        assert np.array_equal(model.embed(vectors.numpy(), batch_size=40), features)
        assert np.array_equal(model.embed(vectors.numpy(), batch_size=40, output="head"), heads)

    def test_everything_is_restored(self, tmp_path, parts):
        save(tmp_path / "model", parts)
        encoder, _, config = parts
        model = load(tmp_path)
        assert model.modality == config.data
        assert model.recipe == config.encoder
        assert model.objective.config == config.objective
        for name, value in encoder.state_dict().items():
            assert torch.equal(model.encoder.state_dict()[name], value)
        assert not model.encoder.training
        assert not model.objective.training

    def test_a_run_folder_and_its_model_folder_load_alike(self, run):
        vectors = blobs(4).vectors.numpy()
        first, second = load(run), load(str(run / "model"))
        assert np.array_equal(first.embed(vectors), second.embed(vectors))

    def test_a_copied_model_folder_needs_nothing_else(self, run, tmp_path):
        shutil.copytree(run / "model", tmp_path / "elsewhere")
        vectors = blobs(4).vectors.numpy()
        assert np.array_equal(load(tmp_path / "elsewhere").embed(vectors), load(run).embed(vectors))

    def test_the_table_of_a_bank_is_not_part_of_the_model(self, tmp_path):
        save(tmp_path / "model", trained(BANK))
        names = set(load_file(tmp_path / "model" / "head.safetensors"))
        assert {"head.0.weight", "head.3.bias"} <= names
        assert not [name for name in names if name.startswith(("table", "counter"))]

    def test_the_folder_holds_safetensors_and_json_only(self, run):
        files = sorted(path.name for path in (run / "model").iterdir())
        assert files == ["encoder.safetensors", "head.safetensors", "model.json"]
        assert sorted(path.name for path in run.iterdir()) == ["model"]
        for file in (run / "model").glob("*.safetensors"):
            # An eight-byte length and a json header, not a pickle or a zip of pickles.
            content = file.read_bytes()
            json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])

    def test_loading_unpickles_nothing(self, run, monkeypatch):
        def refuse(*args, **kwargs):
            raise AssertionError("something was unpickled")

        monkeypatch.setattr("pickle.load", refuse)
        monkeypatch.setattr("pickle.loads", refuse)
        monkeypatch.setattr("pickle.Unpickler", refuse)
        monkeypatch.setattr("torch.load", refuse)
        load(run)

    def test_model_json_says_how_inputs_are_prepared(self, run):
        description = json.loads((run / "model" / "model.json").read_text())
        assert description["modality"]["shift"] == 0.5
        assert description["encoder"] == {"kind": "mlp", "widths": [16, 8]}
        assert description["objective"]["targets"]["dim"] == 5
        assert description["input_shape"] == [FEATURES]
        assert description["feature_dim"] == 8

    def test_tensors_that_share_memory_can_be_saved(self, tmp_path):
        encoder, objective, config = trained()
        norm = encoder.body["layer1"][1]
        norm.bias = norm.weight
        save(tmp_path / "model", (encoder, objective, config))
        assert torch.equal(load(tmp_path).encoder.body["layer1"][1].bias, norm.weight)

    def test_random_state_stays_as_it_was(self, run):
        torch.manual_seed(9)
        state = torch.get_rng_state()
        load(run).embed(blobs(3).vectors.numpy())
        assert torch.equal(torch.get_rng_state(), state)


class TestEmbed:
    def test_paths_are_read(self, run, tmp_path):
        vectors = blobs(3).vectors.numpy()
        paths = []
        for number, vector in enumerate(vectors):
            paths.append(tmp_path / f"{number}.npy")
            np.save(paths[-1], vector)
        model = load(run)
        assert np.array_equal(model.embed(paths), model.embed(list(vectors)))

    def test_batches_do_not_change_the_result(self, run):
        vectors = blobs(11).vectors.numpy()
        model = load(run)
        whole = model.embed(vectors)
        assert whole.shape == (11, 8)
        assert whole.dtype == np.float32
        assert np.allclose(model.embed(vectors, batch_size=4), whole, atol=1e-6)

    @pytest.mark.parametrize(("output", "width"), [("encoder", 8), ("head", 5)])
    def test_nothing_gives_no_rows(self, run, output, width):
        assert load(run).embed([], output=output).shape == (0, width)

    def test_an_unreadable_item_is_named(self, run):
        with pytest.raises(DataError, match=r"shape \(3,\)"):
            load(run).embed([np.zeros(3)])

    def test_a_single_path_is_not_a_list(self, run):
        with pytest.raises(DataError, match="takes a list"):
            load(run).embed("0.npy")

    def test_an_unknown_output_is_refused(self, run):
        with pytest.raises(ConfigError, match="expected 'encoder' or 'head'"):
            load(run).embed([], output="logits")

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
    def test_a_missing_device_is_an_error_of_one_line(self, run):
        with pytest.raises(DeviceError, match="use 'cpu'") as caught:
            load(run, device="cuda")
        assert "\n" not in str(caught.value)
        with pytest.raises(DeviceError, match="use 'cpu'"):
            load(run).embed([], device="nonsense")

    def test_modes_stay_as_they_were(self, run):
        model = load(run)
        model.encoder.train()
        model.embed(blobs(3).vectors.numpy())
        assert model.encoder.training

    def test_a_sample_set_is_embedded_without_what_cannot_be_read(self, run):
        model = load(run)
        samples = blobs(12)
        samples.broken = {2, 7}
        embedded = model.embed_set(samples, batch_size=5)
        readable = [i for i in range(12) if i not in (2, 7)]
        assert embedded.index.tolist() == readable
        expected = model.embed(samples.vectors.numpy()[readable])
        assert np.allclose(embedded.vectors, expected, atol=1e-6)
        heads = model.embed_set(samples, output="head").vectors
        expected = model.embed(samples.vectors.numpy()[readable], output="head")
        assert np.allclose(heads, expected, atol=1e-6)


class TestMissingAndDamaged:
    def check(self, run, kind, match):
        with pytest.raises(kind, match=match) as caught:
            load(run)
        assert "\n" not in str(caught.value)
        assert isinstance(caught.value, NatlibError)

    def test_no_such_run(self, tmp_path):
        self.check(tmp_path / "none", RunNotFoundError, "there is no run at .*none")

    def test_a_run_before_its_first_epoch(self, tmp_path):
        (tmp_path / "config.yaml").write_text("")
        self.check(tmp_path, RunNotFoundError, r"found: config.yaml\); .* first")

    def test_a_file_in_place_of_a_run(self, tmp_path):
        (tmp_path / "run").write_text("")
        self.check(tmp_path / "run", RunNotFoundError, "is a file")

    def test_the_present_folder_without_a_model(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.check(".", RunNotFoundError, "found: nothing")

    @pytest.mark.parametrize("text", ["{", "[]", "{}", "", '{"format": 1, "sha256": 3}'])
    def test_broken_json(self, run, text):
        (run / "model" / "model.json").write_text(text)
        self.check(run, ConfigError, "model.json is damaged")

    def change(self, run, **changes):
        file = run / "model" / "model.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    def test_another_format(self, run):
        self.change(run, format=1, natlib="0.1")
        self.check(run, ConfigError, "format 1, this natlib reads format 2; use natlib 0.1")

    def test_an_unknown_component(self, run):
        self.change(run, encoder={"kind": "mlpp", "widths": [3]})
        self.check(run, ConfigError, "encoder: unknown encoder 'mlpp'; did you mean 'mlp'")

    def test_an_unknown_setting(self, run):
        self.change(run, modality={"kind": "gaussian_blobs", "shfit": 1})
        self.check(run, ConfigError, "modality: unknown key 'shfit'; did you mean 'shift'")

    def test_a_wrong_input_shape(self, run):
        self.change(run, input_shape="wide")
        self.check(run, ConfigError, "no valid 'input_shape'")

    def test_a_part_that_is_missing(self, run):
        file = run / "model" / "model.json"
        description = json.loads(file.read_text())
        del description["objective"]
        file.write_text(json.dumps(description))
        self.check(run, ConfigError, "has no 'objective'")

    @pytest.mark.parametrize("name", ["encoder.safetensors", "head.safetensors"])
    def test_missing_tensors(self, run, name):
        (run / "model" / name).unlink()
        self.check(run, CheckpointError, f"{name} cannot be read")

    @pytest.mark.parametrize("name", ["encoder.safetensors", "head.safetensors"])
    def test_a_flipped_byte(self, run, name):
        file = run / "model" / name
        content = bytearray(file.read_bytes())
        content[-5] ^= 1
        file.write_bytes(content)
        self.check(run, CheckpointError, f"{name} is not the file that model.json describes")

    def test_files_of_two_saves(self, run, tmp_path):
        save(tmp_path / "other", trained(seed=1))
        shutil.copy(tmp_path / "other" / "head.safetensors", run / "model")
        self.check(run, CheckpointError, "a save was under way")

    def rewrite(self, run, name, change):
        """Write other tensors and make model.json agree."""
        file = run / "model" / name
        tensors = load_file(file)
        change(tensors)
        save_file(tensors, file)
        description = json.loads((run / "model" / "model.json").read_text())
        digests = description["sha256"] | {name: storage.digest(file)}
        self.change(run, sha256=digests)

    def test_a_tensor_that_is_missing(self, run):
        self.rewrite(run, "head.safetensors", lambda t: t.pop("head.0.weight"))
        self.check(run, CheckpointError, r"lacks 'head.0.weight' \(1 tensors missing, 0 unknown\)")

    def test_a_tensor_too_many(self, run):
        self.rewrite(run, "encoder.safetensors", lambda t: t.update(extra=torch.ones(1)))
        self.check(run, CheckpointError, "holds an unknown 'extra'")

    def test_a_tensor_of_another_shape(self, run):
        name = "body.layer2.0.weight"
        self.rewrite(run, "encoder.safetensors", lambda t: t.update({name: torch.ones(8, 15)}))
        self.check(run, CheckpointError, rf"'{name}' .* has shape \[8, 15\], .* needs \[8, 16\]")


class Killed(BaseException):
    """Stands for a kill: nothing that cleans up after errors catches it."""


STEPS = {
    "save_tensors": model_io, "digest": model_io, "flush": storage, "mkdir": Path,
    "write_text": Path, "rename": os, "rmtree": shutil,
}  # fmt: skip


def saved_and_killed(monkeypatch, folder, parts, step, call):
    """Save, dying just before the ``call``-th call of ``step``; whether it came to that."""
    calls = 0

    def dying(real):
        def wrapper(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == call:
                raise Killed
            return real(*args, **kwargs)

        return wrapper

    place = STEPS[step]
    with monkeypatch.context() as patch:
        patch.setattr(place, step, dying(getattr(place, step)))
        try:
            save(folder, parts)
        except Killed:
            return True
    return False


class TestKilled:
    @pytest.mark.parametrize("step", STEPS)
    def test_a_save_killed_anywhere_leaves_a_complete_model(self, tmp_path, monkeypatch, step):
        vectors = blobs(5).vectors
        old, new = trained(seed=0), trained(seed=1)
        before, after = (expected_embeddings(parts, vectors)[0] for parts in (old, new))
        assert not np.allclose(before, after)
        kills = 0
        for call in range(1, 10):
            folder = tmp_path / str(call) / "model"
            save(folder, old)
            killed = saved_and_killed(monkeypatch, folder, new, step, call)
            for path in (folder.parent, folder):
                embedded = load(path).embed(vectors.numpy())
                is_new = np.array_equal(embedded, after)
                assert is_new or np.array_equal(embedded, before)
                assert killed or is_new
            # Whatever was left lying about does not disturb the next save, nor a kill of it.
            saved_and_killed(monkeypatch, folder, new, step, call)
            assert load(folder.parent).encoder.dim == 8
            save(folder, new)
            assert np.array_equal(load(folder).embed(vectors.numpy()), after)
            assert [path.name for path in folder.parent.iterdir()] == ["model"]
            kills += killed
            if not killed:
                break
        assert kills >= 1

    def test_two_kills_in_a_row_leave_the_last_complete_model(self, tmp_path, monkeypatch):
        folder, parts = tmp_path / "model", trained()
        save(folder, parts)
        assert saved_and_killed(monkeypatch, folder, trained(seed=1), "rename", 2)
        assert not folder.exists()
        assert saved_and_killed(monkeypatch, folder, trained(seed=2), "rename", 1)
        vectors = blobs(5).vectors
        expected, _ = expected_embeddings(parts, vectors)
        assert np.array_equal(load(folder).embed(vectors.numpy()), expected)

    def test_a_first_save_that_is_killed_leaves_no_half_model(self, tmp_path, monkeypatch):
        assert saved_and_killed(monkeypatch, tmp_path / "model", trained(), "write_text", 1)
        with pytest.raises(RunNotFoundError, match="holds no model"):
            load(tmp_path)

    def test_a_full_disk_is_an_error_and_keeps_the_old_model(self, run, monkeypatch):
        vectors = blobs(5).vectors.numpy()
        before = load(run).embed(vectors)

        def full(*args, **kwargs):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(model_io, "save_tensors", full)
            with pytest.raises(CheckpointError, match="No space left on device; free some space"):
                save(run / "model", trained(seed=1))
        assert np.array_equal(load(run).embed(vectors), before)


def test_head_state_leaves_out_nothing_but_slots():
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(2, 3)
            self.inner = BANK.build(2, samples=4)
            self.register_buffer("centre", torch.zeros(3))

    names = set(model_io.head_state(Other()))
    assert {"head.weight", "head.bias", "centre", "inner.head.0.weight"} <= names
    assert "inner.table.permutation" not in names
