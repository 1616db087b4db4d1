"""Image encoders: dimensions, stages, and what each is made of."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import ndimage
from torch import nn

from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError
from natlib_image.encoders.alexnet import AlexNet
from natlib_image.encoders.convnet import ConvNet
from natlib_image.encoders.resnet import ResNet
from natlib_image.encoders.sobel import Sobel
from natlib_image.encoders.torchvision import Torchvision

SMALL = (3, 32, 32)
# The families of torchvision whose builders or classifiers differ.
FAMILIES = {
    "alexnet": (64, 4096),
    "densenet121": (32, 1024),
    "efficientnet_b0": (32, 1280),
    "googlenet": (32, 1024),
    "maxvit_t": (224, 512),
    "mnasnet0_5": (32, 1280),
    "mobilenet_v3_small": (32, 1024),
    "regnet_x_400mf": (32, 400),
    "resnet18": (32, 512),
    "shufflenet_v2_x0_5": (32, 1024),
    "squeezenet1_1": (32, 512),
    "swin_t": (32, 768),
    "vit_b_32": (32, 768),
}
"""Side of an input, and number of features."""


def layers(module: nn.Module, kind: type[nn.Module]) -> list[Any]:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("recipe", "shape", "names"),
    [
        (ConvNet(), SMALL, ["conv1", "conv2", "conv3", "conv4", "conv5", "pool"]),
        (ConvNet(widths=(8, 12)), (1, 9, 13), ["conv1", "conv2", "pool"]),
        (ResNet(small_stem=True), SMALL, ["stem", *[f"layer{n}" for n in range(1, 5)], "pool"]),
        (ResNet(depth=50), (3, 64, 64), ["stem", *[f"layer{n}" for n in range(1, 5)], "pool"]),
        (
            AlexNet(),
            (3, 63, 63),
            ["sobel", *[f"conv{n}" for n in range(1, 6)], "fc6", "fc7"],
        ),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_stages_lead_to_the_features(
    recipe: EncoderRecipe, shape: tuple[int, ...], names: list[str]
) -> None:
    torch.manual_seed(0)
    encoder = recipe.build(shape).eval()
    inputs = torch.randn(2, *shape)
    features = encoder(inputs)
    stages = encoder.stages(inputs)
    assert features.shape == (2, encoder.dim)
    assert list(stages) == names
    assert torch.equal(stages[names[-1]], features)
    encoder.train()(inputs).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@pytest.mark.parametrize("kind", ["alexnet", "convnet", "resnet", "torchvision"])
def test_registered(kind: str) -> None:
    assert EncoderRecipe.resolve(kind).kind == kind


class TestConvNet:
    def test_made_of(self) -> None:
        convolutions = layers(ConvNet().build(SMALL), nn.Conv2d)
        assert [c.out_channels for c in convolutions] == [32, 64, 128, 256, 256]
        assert [c.stride for c in convolutions] == [(s, s) for s in (1, 2, 2, 2, 1)]
        assert {c.kernel_size for c in convolutions} == {(3, 3)}

    def test_features_are_the_mean_over_places(self) -> None:
        encoder = ConvNet().build(SMALL).eval()
        stages = encoder.stages(torch.randn(2, *SMALL))
        assert torch.allclose(stages["pool"], stages["conv5"].mean((2, 3)))

    def test_sees_gradients_only(self) -> None:
        encoder = ConvNet(widths=(4, 8), sobel=True).build(SMALL).eval()
        inputs = torch.randn(2, *SMALL)
        stages = encoder.stages(inputs)
        assert list(stages) == ["sobel", "conv1", "conv2", "pool"]
        assert torch.equal(stages["sobel"], Sobel()(inputs))
        # A colour that keeps the mean of the channels.
        shifted = inputs + torch.tensor([0.5, -0.3, -0.2])[:, None, None]
        assert torch.allclose(encoder(shifted), encoder(inputs), atol=1e-5)
        with pytest.raises(ConfigError, match=r"three channels, got 1; leave encoder.sobel out"):
            ConvNet(sobel=True).build((1, 28, 28))

    @pytest.mark.parametrize("recipe", [ConvNet(), ResNet()], ids=["convnet", "resnet"])
    def test_something_that_is_no_image(self, recipe: EncoderRecipe) -> None:
        with pytest.raises(ConfigError, match=r"\[channels, height, width\], got \[64\]"):
            recipe.build((64,))


class TestResNet:
    @pytest.mark.parametrize(("depth", "dim"), [(18, 512), (34, 512), (50, 2048)])
    def test_as_many_layers_as_it_says(self, depth: int, dim: int) -> None:
        encoder = ResNet(depth=depth).build(SMALL)
        shortcuts = [c for c in layers(encoder, nn.Conv2d) if c.kernel_size == (1, 1)]
        counted = len(layers(encoder, nn.Conv2d)) - (
            len(shortcuts) if depth < 50 else 4  # the bottlenecks are 1 x 1 as well
        )
        assert counted + 1 == depth  # the removed classifier is a layer
        assert encoder.dim == dim
        assert not layers(encoder, nn.Linear)

    def test_stems(self) -> None:
        inputs = torch.randn(2, *SMALL)
        small = ResNet(small_stem=True).build(SMALL).stages(inputs)
        usual = ResNet().build(SMALL).stages(inputs)
        assert small["stem"].shape == (2, 64, 32, 32)
        assert usual["stem"].shape == (2, 64, 8, 8)
        assert small["layer4"].shape == (2, 512, 4, 4)

    def test_another_depth(self) -> None:
        with pytest.raises(ValidationError, match="depth"):
            ResNet.model_validate({"depth": 20})


class TestSobel:
    def test_gradients_of_the_mean_channel(self) -> None:
        pixels = torch.randn(2, 3, 9, 11)
        found = Sobel()(pixels)
        for image, gradients in zip(pixels.numpy(), found.numpy(), strict=True):
            grey = image.mean(0)
            across = ndimage.sobel(grey, axis=1, mode="constant")
            down = ndimage.sobel(grey, axis=0, mode="constant")
            assert np.allclose(gradients, np.stack([across, down]), atol=1e-5)

    def test_is_not_trained(self) -> None:
        encoder = AlexNet().build((3, 64, 64))
        assert list(Sobel().parameters()) == []
        before = encoder.body["sobel"].kernel.clone()
        optimizer = torch.optim.SGD(encoder.parameters(), lr=1.0)
        encoder(torch.randn(2, 3, 64, 64)).sum().backward()
        optimizer.step()
        assert torch.equal(encoder.body["sobel"].kernel, before)

    def test_can_be_left_out(self) -> None:
        encoder = AlexNet(sobel=False).build((3, 64, 64))
        assert "sobel" not in encoder.body
        assert layers(encoder, nn.Conv2d)[0].in_channels == 3


class TestAlexNet:
    def test_the_network_of_the_paper(self) -> None:
        encoder = AlexNet().build((3, 224, 224)).eval()
        convolutions = layers(encoder, nn.Conv2d)
        assert [c.out_channels for c in convolutions] == [96, 256, 384, 384, 256]
        assert [c.kernel_size[0] for c in convolutions] == [11, 5, 3, 3, 3]
        assert [c.in_channels for c in convolutions] == [2, 96, 256, 384, 384]
        assert [(f.in_features, f.out_features) for f in layers(encoder, nn.Linear)] == [
            (256 * 6 * 6, 4096),
            (4096, 4096),
        ]
        assert len(layers(encoder, nn.BatchNorm2d)) == 5
        assert len(layers(encoder, nn.BatchNorm1d)) == 2
        assert [d.p for d in layers(encoder, nn.Dropout)] == [0.5]
        stages = encoder.stages(torch.zeros(1, 3, 224, 224))
        sides = [stages[f"conv{number}"].shape[-1] for number in range(1, 6)]
        assert sides == [27, 13, 13, 13, 6]
        assert encoder.dim == 4096

    @pytest.mark.parametrize(("height", "width"), [(63, 63), (64, 100), (131, 97)])
    def test_fits_other_sizes(self, height: int, width: int) -> None:
        encoder = AlexNet().build((3, height, width)).eval()
        assert encoder(torch.zeros(1, 3, height, width)).shape == (1, 4096)

    @pytest.mark.parametrize("shape", [(3, 62, 200), (3, 32, 32), (1, 224, 224), (64,)])
    def test_inputs_that_do_not_fit(self, shape: tuple[int, ...]) -> None:
        with pytest.raises(ConfigError, match=r"at least 63 x 63 pixels, got .*set data\.size"):
            AlexNet().build(shape)


class TestTorchvision:
    @pytest.fixture(autouse=True)
    def no_downloads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object, **__: object) -> None:
            raise AssertionError("tried to download weights")

        monkeypatch.setattr("torch.hub.load_state_dict_from_url", fail)
        monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail, raising=False)

    @pytest.mark.parametrize("name", sorted(FAMILIES))
    def test_classifier_is_gone(self, name: str) -> None:
        side, dim = FAMILIES[name]
        shape = (3, side, side)
        encoder = Torchvision(name=name).build(shape)
        assert encoder.dim == dim
        assert encoder.training
        encoder.eval()
        inputs = torch.randn(2, *shape)
        features = encoder(inputs)
        assert features.shape == (2, encoder.dim)
        stages = encoder.stages(inputs)
        assert len(stages) >= 4
        assert list(stages)[-1] == "features"
        assert torch.equal(stages["features"], features)
        assert not any(getattr(m, "out_features", 0) == 1000 for m in encoder.modules())

    def test_stages_are_what_each_layer_returned(self) -> None:
        encoder = Torchvision(name="resnet18").build(SMALL).eval()
        inputs = torch.randn(2, *SMALL)
        stages = encoder.stages(inputs)
        assert list(stages) == [
            *["conv1", "bn1", "relu", "maxpool"],
            *["layer1", "layer2", "layer3", "layer4", "avgpool", "features"],
        ]
        net = encoder.net
        x = net.bn1(net.conv1(inputs))
        assert torch.allclose(stages["bn1"], x)  # although the ReLU after it works in place
        x = net.layer2(net.layer1(net.maxpool(net.relu(x))))
        assert torch.allclose(stages["layer2"], x)
        assert not any(module._forward_hooks for module in encoder.modules())

    def test_unknown_names(self) -> None:
        with pytest.raises(ConfigError, match=r"no .*'resnet81'; did you mean 'resnet(18|101)'\?"):
            Torchvision(name="resnet81").build(SMALL)
        with pytest.raises(ConfigError, match="no classification network 'deeplabv3_resnet50'"):
            Torchvision(name="deeplabv3_resnet50").build(SMALL)

    @pytest.mark.parametrize(
        ("name", "shape"),
        [("vit_b_32", (3, 40, 40)), ("alexnet", SMALL), ("resnet18", (1, 32, 32))],
    )
    def test_inputs_that_do_not_fit(self, name: str, shape: tuple[int, ...]) -> None:
        with pytest.raises(
            ConfigError, match=rf"'{name}' does not take inputs of .*set data\.size"
        ):
            Torchvision(name=name).build(shape)
