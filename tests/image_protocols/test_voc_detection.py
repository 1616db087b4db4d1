"""Detection: encoders as backbones, scaled images and boxes, training, the protocol."""

import json
import math
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
import torch
from torch import nn

from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError, DataError, NonFiniteError
from natlib.protocols import run_protocol
from natlib_image import Image
from natlib_image.encoders.alexnet import AlexNet
from natlib_image.encoders.convnet import ConvNet
from natlib_image.encoders.resnet import ResNet
from natlib_image.encoders.torchvision import Torchvision
from natlib_image_protocols.voc.backbone import Backbone, RegionHead, feature_maps
from natlib_image_protocols.voc.detection import VocDetection
from natlib_image_protocols.voc.detection_metric import detection_precision
from natlib_image_protocols.voc.detection_training import detect, train_detector
from natlib_image_protocols.voc.detector import DetectorShape, build_detector
from natlib_image_protocols.voc.folder import VocFolder
from natlib_image_protocols.voc.labelled import VocImage, VocSplits, find_voc_splits
from natlib_image_protocols.voc.scaled import ScaledImages
from tests.cli.command import assert_done, assert_refused, natlib
from tests.image.pictures import noise, write

SMALL = DetectorShape(
    short_side=48,
    long_side=96,
    pyramid=False,
    batch_norm=True,
    backbone=True,
    regions=16,
    proposals=30,
    head_width=32,
)
CPU = torch.device("cpu")


def silent(done: int, total: int) -> None:
    return None


@pytest.fixture
def splits(drawn: Path) -> VocSplits:
    return find_voc_splits(VocFolder(drawn))


# ---- backbones


@pytest.mark.parametrize(
    ("recipe", "side", "strides", "pyramid"),
    [
        (ConvNet(widths=(4, 8, 8, 16, 16)), 32, [1, 2, 4, 8, 8], [4, 8]),
        (ResNet(), 64, [4, 4, 8, 16, 32], [4, 8, 16, 32]),
        (ResNet(small_stem=True), 32, [1, 1, 2, 4, 8], [4, 8]),
        # Without the last pooling, which would have made 32 of it.
        (AlexNet(), 64, [1, 8, 16, 16, 16, 16], [8, 16]),
        (AlexNet(sobel=False), 224, [8, 16, 16, 16, 16], [8, 16]),
    ],
)
def test_maps_of_encoders(
    recipe: EncoderRecipe, side: int, strides: list[int], pyramid: list[int]
) -> None:
    shape = (3, side, side)
    encoder = recipe.build(shape).eval()
    maps = feature_maps(encoder, shape)
    assert [each.stride for each in maps] == strides
    images = torch.randn(1, 3, 64, 96)
    for combined in (False, True):
        backbone = Backbone(encoder, shape, pyramid=combined, trained=True, batch_norm=False).eval()
        wanted = pyramid if combined else strides[-1:]
        assert [each.stride for each in backbone.maps] == wanted
        with torch.no_grad():
            found = backbone(images)
        assert len(found) == backbone.levels == len(wanted) + combined
        for stride, each in zip(wanted, found.values(), strict=False):
            assert each.shape[:2] == (1, backbone.out_channels)
            assert each.shape[2] == pytest.approx(64 / stride, abs=1)
            assert each.shape[3] == pytest.approx(96 / stride, abs=1)


def test_a_single_map_is_the_encoder_s_own() -> None:
    encoder = ConvNet(widths=(4, 8, 16)).build((3, 32, 32)).eval()
    backbone = Backbone(encoder, (3, 32, 32), pyramid=False, trained=True, batch_norm=True).eval()
    images = torch.randn(2, 3, 40, 56)
    with torch.no_grad():
        assert torch.equal(backbone(images)["0"], encoder.stages(images)["conv3"])
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter.zero_()
    assert all(parameter.any() for name, parameter in encoder.named_parameters() if "0" in name)


@pytest.mark.parametrize(("trained", "batch_norm"), [(False, True), (True, False), (True, True)])
def test_what_is_trained(trained: bool, batch_norm: bool) -> None:
    encoder = ConvNet(widths=(4, 8)).build((3, 32, 32))
    backbone = Backbone(
        encoder, (3, 32, 32), pyramid=True, trained=trained, batch_norm=batch_norm
    ).train()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    sum(each.square().sum() for each in backbone(torch.randn(2, 3, 32, 32)).values()).backward()
    optimizer.step()
    for name, tensor in backbone.state_dict().items():
        own = name.startswith("stages")
        norm = own and ".1." in name
        may = not own or (trained and (batch_norm or not norm))
        assert torch.equal(tensor, before[name]) != may, name


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_fully_connected_layers_of_alexnet_judge_regions(batch_norm: bool) -> None:
    encoder = AlexNet(dropout=0).build((3, 95, 95)).eval()
    modality = Image(source="digits", size=95, resize=95)
    shape = SMALL.model_copy(update={"short_side": 95, "batch_norm": batch_norm})
    detector = build_detector(encoder, modality, 2, shape).eval()
    head = detector.roi_heads.box_head
    assert isinstance(head, RegionHead)
    # One region that is all of the image is what the encoder itself sees, pooled otherwise.
    assert detector.roi_heads.box_roi_pool.output_size == (2, 2)
    maps = torch.randn(3, 256, 2, 2)
    with torch.no_grad():
        wanted = encoder.body["fc7"](encoder.body["fc6"](maps))
        torch.testing.assert_close(head(maps), wanted)
    norms = [part for part in head.train().modules() if isinstance(part, nn.BatchNorm1d)]
    assert [norm.training for norm in norms] == [batch_norm] * 2


def test_encoders_without_maps_are_refused() -> None:
    other = Torchvision(name="squeezenet1_1").build((3, 64, 64))
    with pytest.raises(ConfigError, match=r"not a chain of stages with feature maps.*convnet"):
        feature_maps(other, (3, 64, 64))
    mlp = EncoderRecipe.resolve("mlp").build((3, 8, 8))
    with pytest.raises(ConfigError, match="no stage of this encoder returns a map"):
        feature_maps(mlp, (3, 8, 8))


@pytest.mark.parametrize("recipe", [ConvNet(widths=(4, 8)), ResNet(), AlexNet()])
@pytest.mark.parametrize("pyramid", [False, True])
def test_every_encoder_takes_a_step(recipe: EncoderRecipe, pyramid: bool) -> None:
    shape = SMALL.model_copy(update={"pyramid": pyramid})
    modality = Image(source="digits", size=64, resize=64)
    detector = build_detector(recipe.build((3, 64, 64)), modality, 2, shape).train()
    boxes = torch.tensor([[8.0, 8, 30, 30]])
    losses = detector(
        [torch.rand(3, 48, 64), torch.rand(3, 60, 48)],
        [{"boxes": boxes, "labels": torch.tensor([1])}] * 2,
    )
    sum(losses.values()).backward()
    first = next(p for p in detector.backbone.stages.parameters() if p.requires_grad)
    assert first.grad is not None
    assert first.grad.isfinite().all()
    assert first.grad.any()


def test_anchors_keep_their_share_of_the_image() -> None:
    encoder = ConvNet(widths=(4, 8)).build((3, 32, 32))
    modality = Image(source="digits", size=32, resize=32)
    shape = SMALL.model_copy(update={"short_side": 800})
    detector = build_detector(encoder, modality, 2, shape)
    assert detector.rpn.anchor_generator.sizes == ((32, 64, 128, 256, 512),)
    resnet = build_detector(
        ResNet().build((3, 64, 64)), modality, 2, shape.model_copy(update={"pyramid": True})
    )
    assert resnet.rpn.anchor_generator.sizes == ((32,), (64,), (128,), (256,), (512,))
    small = build_detector(encoder, modality, 2, shape.model_copy(update={"pyramid": True}))
    assert small.rpn.anchor_generator.sizes == ((32, 64, 128), (128, 256, 512))


# ---- images


def test_images_and_boxes_are_scaled_alike(splits: VocSplits) -> None:
    plain = ScaledImages(splits.train, splits.classes, 48, 100)
    double = ScaledImages(splits.train, splits.classes, 96, 1000)
    long = ScaledImages(splits.train, splits.classes, 96, 32)
    assert plain[0].pixels.shape == (3, 48, 64)
    assert double[0].pixels.shape == (3, 96, 128)
    assert long[0].pixels.shape == (3, 24, 32)
    for index in range(len(plain)):
        truth = [item.box for item in splits.train[index].annotation.objects]
        assert plain[index].boxes.tolist() == [list(map(float, box)) for box in truth]
        torch.testing.assert_close(double[index].boxes, 2 * plain[index].boxes)
        torch.testing.assert_close(long[index].boxes, plain[index].boxes / 2)
        for image in (plain[index], double[index]):
            for box, label in zip(image.boxes.round().int().tolist(), image.labels, strict=True):
                # The middle of a box has the colour of its shape: discs are blue.
                x, y = (box[0] + box[2]) // 2, (box[1] + box[3]) // 2
                red, _, blue = image.pixels[:, y, x].int().tolist()
                assert (blue > red) == (splits.classes[label] == "disc")


def test_an_image_of_another_size_is_refused(splits: VocSplits, tmp_path: Path) -> None:
    other = replace(splits.train[0], path=write(tmp_path / "other.jpg", noise(20, 30)))
    images = ScaledImages([other], splits.classes, 48, 96)
    with pytest.raises(DataError, match=r"other\.jpg has 30 x 20 pixels, .* says 64 x 48"):
        images[0]
    (tmp_path / "other.jpg").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"other\.jpg cannot be read"):
        images[0]


# ---- training


def trained(images: tuple[VocImage, ...], seed: int, epochs: int, rate: float = 0.02) -> nn.Module:
    modality = Image(source="digits", size=32, resize=32)

    def build() -> nn.Module:
        encoder = ConvNet(widths=(8, 16, 16)).build((3, 32, 32))
        return build_detector(encoder, modality, 2, SMALL)

    with torch.random.fork_rng(devices=[]):
        return train_detector(
            build, ScaledImages(images, ("disc", "square"), 48, 96), epochs=epochs,
            batch_size=4, learning_rate=rate, seed=seed, device=CPU, workers=0, progress=silent,
        )  # fmt: skip


def test_a_detector_learns_the_shapes(splits: VocSplits) -> None:
    asked = ScaledImages(splits.test, splits.classes, 48, 96)
    found, truth = detect(
        trained(splits.trainval, 0, 8), asked, batch_size=5, device=CPU, workers=0, progress=silent
    )
    assert len(found) == len(truth) == 12
    untaught, _ = detect(
        trained(splits.validation, 0, 1, 1e-9),
        asked,
        batch_size=5,
        device=CPU,
        workers=0,
        progress=silent,
    )
    good, bad = (
        detection_precision(each, truth, splits.classes)["map_50"] for each in (found, untaught)
    )
    assert good > bad + 30, (good, bad)


def test_the_same_seed_gives_the_same_detector(splits: VocSplits) -> None:
    first, again, other = (trained(splits.validation, seed, 1).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["rpn.head.cls_logits.weight"], other["rpn.head.cls_logits.weight"])


def test_a_rate_that_is_too_high_is_said(splits: VocSplits) -> None:
    with pytest.raises(NonFiniteError, match=r"became \S+ in step .* lower than 1e\+12"):
        trained(splits.validation, 0, 3, 1e12)


# ---- the protocol

TINY = (
    "short_side=48", "long_side=96", "epochs=1", "batch_size=4", "regions=16", "proposals=30",
    "head_width=32",
)  # fmt: skip


def test_the_protocol(drawn: Path, drawn_run: Path, tmp_path: Path) -> None:
    json_file = tmp_path / "voc.json"
    settings = (*TINY, "seeds=2", "learning_rates=[0.02]", "batch_norm=trained")
    said = natlib(
        "eval", drawn_run, "--protocol", "voc_detection", "--data", drawn, "--json", json_file,
        *(word for text in settings for word in ("--set", text)),
    )  # fmt: skip
    assert_done(said)
    result = json.loads(json_file.read_text())
    assert list(result["rows"]) == ["encoder", "start"]
    details = result["details"]
    assert (details["train_samples"], details["test_samples"]) == (32, 12)
    assert details["classes"] == ["disc", "square"]
    for name, row in result["rows"].items():
        assert details["chosen"][name] == {"learning_rate": 0.02}
        each = details["more"]["average_precision"][name]
        assert row["map_50"]["value"] == pytest.approx(math.fsum(each.values()) / 2)
        assert len(row["map_50"]["seeds"]) == 2
        assert len(set(row["map_50"]["seeds"])) == 2
        assert 0 <= row["map_50"]["value"] <= 100
    assert f"{result['rows']['encoder']['map_50']['value']:.1f} ±" in said.out


def test_each_row_chooses_its_rate_on_the_validation_images(drawn: Path, drawn_run: Path) -> None:
    asked = []

    def measured(self, subject, data, name, rate, known, unseen, number):  # type: ignore[no-untyped-def]
        asked.append((name, rate, len(known), len(unseen), number))
        best = 0.2 if name == "encoder" else 0.1
        return {"map_50": -abs(rate - best), "map_50_11": 0.0, "average_precision": {}}

    protocol = VocDetection(learning_rates=(0.1, 0.2, 0.3), seeds=2)
    with mock.patch.object(VocDetection, "_measured", measured):
        details = run_protocol(drawn_run, protocol, data=str(drawn)).details
    assert details.chosen == {
        "encoder": {"learning_rate": 0.2},
        "start": {"learning_rate": 0.1},
    }
    for name, best in (("encoder", 0.2), ("start", 0.1)):
        own = [row[1:] for row in asked if row[0] == name]
        assert own[:3] == [(rate, 24, 8, 0) for rate in (0.1, 0.2, 0.3)]
        # Only then are the test images read, by as many detectors as there are seeds.
        assert own[3:] == [(best, 32, 12, 0), (best, 32, 12, 1)]


def test_bad_input_is_one_line(drawn: Path, drawn_run: Path, tmp_path: Path) -> None:
    def refused(data: Path, *words: str, settings: tuple[str, ...] = ()) -> None:
        options = (word for text in (*TINY, *settings) for word in ("--set", text))
        said = natlib("eval", drawn_run, "--protocol", "voc_detection", "--data", data, *options)
        assert_refused(said, *words)

    refused(tmp_path, "not in the layout of Pascal VOC")
    refused(drawn, "train", "head", settings=("train=frozen",))
    refused(drawn, "lower than 1e+15", settings=("learning_rates=[1e15]",))
