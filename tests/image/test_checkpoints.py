"""Image encoders from local checkpoints give what the libraries give that wrote them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models
from safetensors.torch import save_file
from torch import Tensor

import natlib
from natlib.data import Modality
from natlib.encoders import EncoderRecipe
from natlib.encoders.pretrained import weights_replaced
from natlib.errors import ConfigError
from natlib.testing import check_encoder
from natlib_image import Image
from natlib_image.encoders.image_transformer import ImageTransformer
from natlib_image.encoders.timm_network import Timm
from natlib_image.encoders.torchvision import Torchvision

TINY: dict[str, dict[str, Any]] = {
    "vit": {"num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 8},
    "dinov2": {"num_attention_heads": 2, "image_size": 28, "patch_size": 7},
    "siglip_vision_model": {
        "num_attention_heads": 2, "intermediate_size": 32, "image_size": 32, "patch_size": 8,
    },
    "convnext": {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2, "image_size": 32},
}  # fmt: skip
PREPROCESSOR = {
    "size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32},
    "do_center_crop": True, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6],
}  # fmt: skip


def of_transformers(folder: Path, kind: str) -> torch.nn.Module:
    import transformers

    sizes = {} if kind == "convnext" else {"hidden_size": 16, "num_hidden_layers": 2}
    torch.manual_seed(3)
    config = transformers.AutoConfig.for_model(kind, **sizes, **TINY[kind])
    model = transformers.AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    return model


def of_timm(folder: Path, name: str) -> torch.nn.Module:
    import timm
    from timm.models import save_for_hf

    torch.manual_seed(3)
    net = timm.create_model(name).eval()
    save_for_hf(net, folder, safe_serialization=True)
    return net


def inputs(model: natlib.Embedder, count: int = 3) -> Tensor:
    own = torch.Generator().manual_seed(1)
    return torch.randn(count, *model.modality.input_shape, generator=own)


class TestTransformers:
    @pytest.mark.parametrize("kind", TINY)
    @pytest.mark.parametrize("size", [None, 48])
    def test_gives_what_transformers_gives(
        self, kind: str, size: int | None, tmp_path: Path
    ) -> None:
        theirs = of_transformers(tmp_path / kind, kind)
        modality = Image() if size is None else Image(size=size)
        model = natlib.Embedder(ImageTransformer(checkpoint=str(tmp_path / kind)), modality)
        assert model.modality.input_shape[-1] == (size or TINY[kind]["image_size"])
        images = inputs(model)
        more = (
            {"interpolate_pos_encoding": True} if (size and "ize" in kind) or kind == "vit" else {}
        )
        if kind == "siglip_vision_model":
            more = {"interpolate_pos_encoding": True}
        with torch.no_grad():
            output = theirs(pixel_values=images, **more)
            features = model.encoder(images)
        values = output.last_hidden_state
        if kind == "convnext":
            expected = output.pooler_output
        else:
            expected = values.mean(1) if kind.startswith("siglip") else values[:, 0]
        assert torch.allclose(features, expected, atol=1e-6)

    @pytest.mark.parametrize("kind", TINY)
    def test_keeps_the_contract_of_encoders(self, kind: str, tmp_path: Path) -> None:
        of_transformers(tmp_path / kind, kind)
        recipe = ImageTransformer(checkpoint=str(tmp_path / kind))
        side = TINY[kind]["image_size"]
        assert len(check_encoder(recipe, (3, side, side))) >= 12

    def test_poolings_stand_side_by_side(self, tmp_path: Path) -> None:
        theirs = of_transformers(tmp_path / "vit", "vit")
        recipe = ImageTransformer(
            checkpoint=str(tmp_path / "vit"), pooling=("cls", "mean", "pooler")
        )
        model = natlib.Embedder(recipe, "image")
        images = inputs(model)
        with torch.no_grad():
            output = theirs(pixel_values=images)
            features = model.encoder(images)
        values = output.last_hidden_state
        expected = torch.cat([values[:, 0], values[:, 1:].mean(1), output.pooler_output], 1)
        assert torch.allclose(features, expected, atol=1e-6)

    def test_preparation_is_that_of_the_checkpoint(self, tmp_path: Path) -> None:
        of_transformers(tmp_path / "vit", "vit")
        (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
        recipe = ImageTransformer(checkpoint=str(tmp_path / "vit"))
        asked = Image().for_encoder(recipe)
        assert (asked.size, asked.resize) == (32, 36)
        assert (asked.mean, asked.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
        # What is set stays, and the crop keeps its share.
        own = Image(size=64, mean=(0.0, 0.0, 0.0)).for_encoder(recipe)
        assert (own.size, own.resize, own.mean) == (64, 72, (0.0, 0.0, 0.0))

    @pytest.mark.parametrize(
        ("more", "mean", "std"),
        [
            ({"do_normalize": False}, 0.0, 1.0),
            ({"do_rescale": False}, 0.1 / 255, 0.4 / 255),
            ({"rescale_factor": 2 / 255}, 0.05, 0.2),
        ],
    )
    def test_scales_of_all_kinds(
        self, more: dict[str, Any], mean: float, std: float, tmp_path: Path
    ) -> None:
        of_transformers(tmp_path / "vit", "vit")
        values = PREPROCESSOR | {"image_mean": [0.1] * 3, "image_std": [0.4] * 3} | more
        (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps(values))
        asked = Image().for_encoder(ImageTransformer(checkpoint=str(tmp_path / "vit")))
        assert asked.mean == pytest.approx((mean,) * 3)
        assert asked.std == pytest.approx((std,) * 3)

    def test_no_class_token(self, tmp_path: Path) -> None:
        of_transformers(tmp_path / "s", "siglip_vision_model")
        recipe = ImageTransformer(checkpoint=str(tmp_path / "s"), pooling=("cls",))
        with pytest.raises(ConfigError, match="has no class token; use 'mean'"):
            natlib.Embedder(recipe, "image")


class TestTimm:
    @pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
    def test_gives_what_timm_gives(self, name: str, tmp_path: Path) -> None:
        theirs = of_timm(tmp_path / name, name)
        theirs.reset_classifier(0)  # type: ignore[operator]
        model = natlib.Embedder(tmp_path / name, "image")
        assert model.name == f"{name}, as it came"
        assert (model.modality.size, model.modality.mean) == (160, theirs.pretrained_cfg["mean"])
        images = inputs(model)
        with torch.no_grad():
            assert torch.allclose(model.encoder(images), theirs(images), atol=1e-6)
        stages = model.encoder.stages(images)
        assert torch.equal(stages["features"], model.encoder(images))
        assert len(stages) > 4

    def test_arguments_of_the_folder_count(self, tmp_path: Path) -> None:
        theirs = of_timm(tmp_path / "net", "test_resnet")
        theirs.reset_classifier(0, "max")  # type: ignore[operator]
        file = tmp_path / "net" / "config.json"
        config = json.loads(file.read_text())
        file.write_text(json.dumps(config | {"model_args": {"global_pool": "max"}}))
        model = natlib.Embedder(tmp_path / "net", "image")
        images = inputs(model)
        with torch.no_grad():
            assert torch.allclose(model.encoder(images), theirs(images), atol=1e-6)
        file.write_text(json.dumps(config | {"model_args": {"act_layer": "os.system"}}))
        with pytest.raises(ConfigError, match=r"has the argument 'act_layer', 'os\.system'"):
            natlib.Embedder(tmp_path / "net", "image")

    def test_a_file_needs_a_name(self, tmp_path: Path) -> None:
        of_timm(tmp_path / "net", "test_resnet")
        file = str(tmp_path / "net" / "model.safetensors")
        assert natlib.Embedder(Timm(name="test_resnet", checkpoint=file), "image").encoder.dim > 1
        with pytest.raises(ConfigError, match=r"does not say which network .* set encoder\.name"):
            natlib.Embedder(Timm(checkpoint=file), "image")

    def test_fresh_weights_follow_the_seed(self) -> None:
        assert len(check_encoder(Timm(name="test_resnet"), (3, 32, 32))) >= 12

    def test_five_channels(self) -> None:
        assert Timm(name="test_resnet").build((5, 32, 32))(torch.randn(2, 5, 32, 32)).shape[0] == 2

    @pytest.mark.parametrize(
        ("recipe", "text"),
        [
            (Timm(name="resnett18"), "timm has no network 'resnett18'; did you mean"),
            (Timm(), "timm needs the name of a network"),
        ],
    )
    def test_names(self, recipe: Timm, text: str) -> None:
        with pytest.raises(ConfigError, match=text):
            recipe.build((3, 32, 32))

    def test_weights_of_another_network(self, tmp_path: Path) -> None:
        of_timm(tmp_path / "net", "test_resnet")
        file = str(tmp_path / "net" / "model.safetensors")
        with pytest.raises(ConfigError, match="with the weights of") as caught:
            natlib.Embedder(Timm(name="test_vit", checkpoint=file), "image")
        assert "\n" not in str(caught.value)

    def test_pickled_weights(self, tmp_path: Path) -> None:
        net = of_timm(tmp_path / "net", "test_resnet")
        (tmp_path / "net" / "model.safetensors").unlink()
        torch.save(net.state_dict(), tmp_path / "net" / "pytorch_model.bin")
        with pytest.raises(ConfigError, match="is no safetensors file, and no folder with"):
            natlib.Embedder(tmp_path / "net", "image")


class TestTorchvision:
    NAME = "shufflenet_v2_x0_5"

    def write(self, folder: Path, **arguments: Any) -> tuple[str, torch.nn.Module]:
        torch.manual_seed(3)
        net = torchvision.models.get_model(self.NAME, weights=None, **arguments).eval()
        save_file(net.state_dict(), folder / "net.safetensors")
        return str(folder / "net.safetensors"), net

    @pytest.mark.parametrize("classes", [1000, 7])
    def test_gives_what_torchvision_gives(self, classes: int, tmp_path: Path) -> None:
        file, theirs = self.write(tmp_path, num_classes=classes)
        theirs.fc = torch.nn.Identity()
        model = natlib.Embedder(Torchvision(name=self.NAME, checkpoint=file), "image")
        assert (model.modality.size, model.modality.resize, model.name) == (
            224, 256, "net, as it came",
        )  # fmt: skip
        images = torch.randn(2, 3, 64, 64)
        with torch.no_grad():
            assert torch.allclose(model.encoder(images), theirs(images), atol=1e-6)

    def test_another_network(self, tmp_path: Path) -> None:
        file, _ = self.write(tmp_path)
        with pytest.raises(ConfigError, match="is of another network: it lacks"):
            Torchvision(name="resnet18", checkpoint=file).build((3, 64, 64))

    def test_no_safetensors(self, tmp_path: Path) -> None:
        torch.save({}, tmp_path / "net.pth")
        recipe = Torchvision(name=self.NAME, checkpoint=str(tmp_path / "net.pth"))
        with pytest.raises(ConfigError, match="expected a safetensors file"):
            recipe.build((3, 64, 64))


RECIPES = {
    "transformers": lambda path: (
        of_transformers(path, "vit") and ImageTransformer(checkpoint=str(path))
    ),
    "timm": lambda path: of_timm(path, "test_resnet") and Timm(checkpoint=str(path)),
}


@pytest.mark.parametrize("family", RECIPES)
def test_opens_without_the_checkpoint(family: str, tmp_path: Path) -> None:
    model = natlib.Embedder(RECIPES[family](tmp_path / "net"), "image")
    recipe = EncoderRecipe.resolve(model.recipe.model_dump(mode="json"))
    shutil.rmtree(tmp_path / "net")
    with weights_replaced():
        twin = recipe.build(model.modality.input_shape)
    twin.load_state_dict(model.encoder.state_dict())
    images = inputs(model)
    with torch.no_grad():
        assert torch.equal(twin.eval()(images), model.encoder(images))


def test_a_folder_of_neither(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"config\.json cannot be read: .* expected what timm, or save_pretrained"
    ):
        Modality.resolve("image").encoder_in(tmp_path)
