"""Encoders of sound: padding never shows, checkpoints are what they were."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import natlib
from natlib.encoders import Encoder, EncoderRecipe
from natlib.errors import ConfigError, NatlibError
from natlib_audio import Audio
from natlib_audio.encoders.convnet import AudioConvNet
from natlib_audio.encoders.pooling import downsample_mask, mean_and_peak, mean_over_time, nonpadding
from natlib_audio.encoders.resnet import AudioResNet
from natlib_audio.encoders.wav2vec import Wav2Vec

SPECTRUM, WAVE = (1, 16, 40), (1600,)
ON_SPECTRA: list[EncoderRecipe] = [
    AudioConvNet(widths=(4, 8), features=6),
    AudioConvNet(widths=(4,), features=6, frames=3),
    AudioResNet(),
]
SMALL: dict[str, Any] = {"layers": 2, "width": 16, "heads": 2, "channels": 8}
ON_WAVES: list[EncoderRecipe] = [Wav2Vec(**SMALL), Wav2Vec(architecture="hubert", **SMALL)]


def shape(recipe: EncoderRecipe) -> tuple[int, ...]:
    return WAVE if recipe.kind == "wav2vec" else SPECTRUM


def inputs(recipe: EncoderRecipe, *shares: float) -> Tensor:
    """Random inputs of which a share, from the beginning, is no padding."""
    own = torch.Generator().manual_seed(0)
    made = torch.randn(len(shares), *shape(recipe), generator=own)
    place = torch.arange(made.shape[-1]) / made.shape[-1]
    for row, share in zip(made, shares, strict=True):
        row *= place < share
    return made


def built(recipe: EncoderRecipe) -> Encoder:
    torch.manual_seed(0)
    return recipe.build(shape(recipe)).eval()


def checkpoint(folder: Path, kind: str = "wav2vec2", **values: Any) -> Path:
    """A folder as ``save_pretrained`` writes it."""
    import transformers

    settings = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 32, "conv_dim": [8, 8], "conv_stride": [5, 4],
        "conv_kernel": [10, 8], "num_conv_pos_embeddings": 8,
        "num_conv_pos_embedding_groups": 2, "feat_extract_norm": "layer", **values,
    }  # fmt: skip
    torch.manual_seed(5)
    config = transformers.AutoConfig.for_model(kind, **settings)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("recipe", ON_SPECTRA + ON_WAVES, ids=lambda recipe: recipe.kind)
class TestEveryEncoder:
    def test_shapes(self, recipe: EncoderRecipe) -> None:
        encoder = built(recipe)
        made = inputs(recipe, 1.0, 0.5, 0.8)
        with torch.no_grad():
            features = encoder(made)
            stages = encoder.stages(made)
        assert features.shape == (3, encoder.dim)
        assert torch.equal(stages["features"], features)
        assert len(stages) >= 3

    def test_neighbours_in_the_batch_do_not_matter(self, recipe: EncoderRecipe) -> None:
        encoder = built(recipe)
        made = inputs(recipe, 1.0, 0.3, 0.7)
        with torch.no_grad():
            together = encoder(made)
            for row in range(3):
                alone = encoder(made[row : row + 1])
                torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-4)

    def test_silence_is_finite(self, recipe: EncoderRecipe) -> None:
        assert torch.isfinite(built(recipe)(torch.zeros(2, *shape(recipe)))).all()

    def test_found_by_its_name_and_survives_a_file(self, recipe: EncoderRecipe) -> None:
        assert EncoderRecipe.resolve(recipe.model_dump(mode="json")) == recipe

    def test_other_inputs_are_refused(self, recipe: EncoderRecipe) -> None:
        other, wanted = (SPECTRUM, "waveform") if shape(recipe) == WAVE else (WAVE, "log_mel")
        with pytest.raises(ConfigError, match=f"data.representation={wanted}"):
            recipe.build(other)


@pytest.mark.parametrize("recipe", ON_WAVES, ids=lambda recipe: str(recipe.architecture))
def test_more_padding_changes_nothing(recipe: Wav2Vec) -> None:
    """The same wave with as much padding again: the same features."""
    encoder = built(recipe)
    made = inputs(recipe, 1.0, 0.6)
    longer = torch.nn.functional.pad(made, (0, WAVE[0]))
    with torch.no_grad():
        torch.testing.assert_close(encoder(longer), encoder(made), atol=1e-4, rtol=1e-3)


class TestPooling:
    def test_frames_of_nothing_but_zeros_are_padding(self) -> None:
        spectra = torch.zeros(3, 1, 2, 4)
        spectra[0, 0, 1, :2] = 1.0
        spectra[1, 0, 0, 3] = -1.0
        assert nonpadding(spectra).tolist() == [
            [True, True, False, False],
            [False, False, False, True],
            [True, True, True, True],
        ]

    def test_means_and_peaks_leave_padding_out(self) -> None:
        values = torch.tensor([[[1.0, 3.0, 100.0], [-2.0, -4.0, 0.0]]])
        valid = torch.tensor([[True, True, False]])
        assert mean_over_time(values, valid).tolist() == [[2.0, -3.0]]
        assert mean_and_peak(values, valid).tolist() == [[2.0, -3.0, 3.0, -2.0]]

    def test_a_coarser_frame_counts_if_it_covers_one_that_does(self) -> None:
        valid = torch.tensor([[True] * 3 + [False] * 5])
        assert downsample_mask(valid, 4).tolist() == [[True, True, False, False]]
        assert downsample_mask(valid, 8) is valid


class TestCheckpoints:
    @pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm", "data2vec-audio"])
    def test_gives_what_transformers_gives(self, kind: str, tmp_path: Path) -> None:
        import transformers

        folder = checkpoint(tmp_path / kind, kind)
        recipe = Wav2Vec(checkpoint=str(folder)).completed(WAVE[0])
        encoder = built(recipe)
        assert encoder.dim == 16
        waves = inputs(recipe, 1.0, 1.0)
        model = transformers.AutoModel.from_pretrained(folder).eval()
        with torch.no_grad():
            expected = model(waves).last_hidden_state.mean(1)
            torch.testing.assert_close(encoder(waves), expected, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("normalise", [True, False])
    def test_waves_are_prepared_as_its_feature_extractor_does(
        self, normalise: bool, tmp_path: Path
    ) -> None:
        import transformers

        folder = checkpoint(tmp_path / "net")
        extractor = transformers.Wav2Vec2FeatureExtractor(
            sampling_rate=8000, do_normalize=normalise, return_attention_mask=True
        )
        extractor.save_pretrained(folder)
        model = natlib.Embedder(folder, Audio(seconds=0.5))
        assert (model.modality.rate, model.modality.input_shape) == (8000, (4000,))
        own = torch.Generator().manual_seed(2)
        waves = [0.3 * torch.randn(count, generator=own).numpy() for count in (4000, 2500, 1500)]
        waves = [wave - wave.mean() for wave in waves]
        given = extractor(waves, sampling_rate=8000, padding=True, return_tensors="pt")
        batch = model.modality.collate(model.modality.samples(waves))
        assert torch.allclose(model.modality.plain(batch), given["input_values"], atol=1e-4)
        with torch.no_grad():
            theirs = model.encoder(given["input_values"])
        assert np.abs(model.embed(waves) - theirs.numpy()).max() < 1e-4

    def test_what_is_set_stays(self, tmp_path: Path) -> None:
        recipe = Wav2Vec(checkpoint=str(checkpoint(tmp_path / "net")))
        asked = Audio(rate=4000).for_encoder(recipe)
        assert (asked.rate, asked.representation) == (4000, "waveform")
        spectra = Audio(representation="log_mel")
        with pytest.raises(ConfigError, match="does not read"):
            spectra.check_encoder(recipe)

    def test_a_model_can_be_built_when_the_folder_is_gone(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        recipe = Wav2Vec(checkpoint=str(folder)).completed(WAVE[0])
        weights = built(recipe).state_dict()
        (folder / "model.safetensors").unlink()
        (folder / "config.json").unlink()
        folder.rmdir()
        fresh = built(recipe)
        assert {n: w.shape for n, w in fresh.state_dict().items()} == {
            n: w.shape for n, w in weights.items()
        }

    def test_inputs_that_are_too_short(self, tmp_path: Path) -> None:
        recipe = Wav2Vec(checkpoint=str(checkpoint(tmp_path / "a")))
        with pytest.raises(ConfigError, match="inputs of 20 values are too short"):
            recipe.completed(20)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ("{", "cannot be read"),
            ("[]", "names no model_type"),
            ('{"model_type": "bert"}', "is a bert; expected one of: wav2vec2, hubert"),
        ],
    )
    def test_a_config_of_something_else(self, content: str, words: str, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        (folder / "config.json").write_text(content)
        with pytest.raises(ConfigError, match=words):
            Wav2Vec(checkpoint=str(folder)).completed(WAVE[0])

    def test_weights_that_are_damaged(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        file = folder / "model.safetensors"
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(ConfigError, match="cannot be read"):
            Wav2Vec(checkpoint=str(folder)).build(WAVE)

    def test_weights_of_another_model(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
        with pytest.raises(ConfigError, match=r"lacks \d+ weights"):
            Wav2Vec(checkpoint=str(folder)).build(WAVE)
        (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 64}))
        with pytest.raises(ConfigError, match="have other shapes than its config"):
            Wav2Vec(checkpoint=str(folder)).build(WAVE)

    @pytest.mark.parametrize(
        "values",
        [
            {"num_hidden_layers": 10**7},
            {"intermediate_size": 10**9},
            {"conv_dim": [10**5, 10**5]},
            {"conv_stride": "evil"},
            {"conv_stride": [5, 0]},
            {"conv_stride": [5]},
            {"conv_kernel": None},
            {"conv_kernel": [10, {}]},
            {"hidden_size": []},
            {"model_type": ["wav2vec2"]},
        ],
        ids=str,
    )
    def test_a_config_that_somebody_wrote(self, values: dict[str, Any], tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | values))
        with pytest.raises(NatlibError) as caught:
            Wav2Vec(checkpoint=str(folder)).completed(WAVE[0]).build(WAVE)
        assert "\n" not in str(caught.value)

    def test_nothing_outside_the_folder_is_read(self, tmp_path: Path) -> None:
        folder = checkpoint(tmp_path / "a")
        (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
        index = {"weight_map": {"masked_spec_embed": "../outside.safetensors"}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(ConfigError, match=r"names '\.\./outside\.safetensors'; expected names"):
            Wav2Vec(checkpoint=str(folder)).completed(WAVE[0]).build(WAVE)
