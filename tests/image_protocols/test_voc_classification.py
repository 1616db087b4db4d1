"""Classification by the rules of Pascal VOC: ten crops, classifiers, fine-tuning, the protocol."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torchvision.transforms.functional import ten_crop

import natlib
from natlib.errors import ConfigError, DataError
from natlib.protocols import compose_protocol, run_protocol, subject_of
from natlib_image import Image
from natlib_image.encoders.alexnet import AlexNet
from natlib_image.encoders.convnet import ConvNet
from natlib_image.encoders.resnet import ResNet
from natlib_image.encoders.torchvision import Torchvision
from natlib_image_protocols.voc.average_precision import average_precisions
from natlib_image_protocols.voc.fine_tuning import fine_tune, head_stages
from natlib_image_protocols.voc.one_vs_rest import binary_loss, fit_one_vs_rest
from natlib_image_protocols.voc.prepared import VocSamples
from tests.cli.command import assert_done, assert_refused
from tests.cli.command import natlib as command
from tests.image.pictures import batch_of, noise

from .drawn_voc import annotation_xml, object_xml


def test_ten_crops_are_those_of_torchvision() -> None:
    # The short side is that of the decoded image, so that nothing is scaled.
    pixels = [noise(20, 30, 1), noise(20, 20, 2), noise(26, 20, 3)]
    modality = Image(size=14, resize=20, mean=(0, 0, 0), std=(1, 1, 1))
    found = list(modality.ten_crops(batch_of(*pixels)))
    assert len(found) == 10
    for row, image in enumerate(pixels):
        own = torch.from_numpy(image.transpose(2, 0, 1).copy()).float() / 255
        # torchvision has the five first and then the mirrored five, each from a mirrored image.
        wanted = ten_crop(own, 14)
        for crop in (each[row] for each in found):
            assert any(torch.allclose(crop, other, atol=1e-5) for other in wanted)
        for other in wanted:
            assert any(torch.allclose(each[row], other, atol=1e-5) for each in found)


@pytest.fixture
def answers() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(80, 5, generator=rng) * torch.tensor([1, 10, 0.1, 1, 1]) + 3
    labels = torch.randint(-1, 2, (80, 3), generator=rng)
    labels[:, 0] = (x[:, 0] + 0.5 * torch.randn(80, generator=rng) > 3).long()
    return x, labels


def test_classifiers_are_those_of_scikit_learn(
    answers: tuple[torch.Tensor, torch.Tensor],
) -> None:
    x, labels = answers
    logits = fit_one_vs_rest(x, labels, 0.01)(x)
    scaled = ((x - x.mean(0)) / x.std(0, correction=0)).numpy()
    for column in range(3):
        kept = labels[:, column] >= 0
        # The penalty is on the mean over all images, also where some do not count.
        model = LogisticRegression(C=1 / (80 * 0.01), tol=1e-8, max_iter=1000)
        model.fit(scaled[kept], labels[kept, column])
        wanted = model.decision_function(scaled)
        np.testing.assert_allclose(logits[:, column].numpy(), wanted, atol=2e-3)


def test_a_class_that_is_always_there_is_no_obstacle(
    answers: tuple[torch.Tensor, torch.Tensor],
) -> None:
    x, labels = answers
    labels[:, 1] = 1
    labels[:, 2] = -1
    logits = fit_one_vs_rest(x, labels, 0.1)(x)
    assert logits.isfinite().all()
    assert (logits[:, 1] > 2).all()
    assert (logits[:, 2] == 0).all()


def test_answers_that_do_not_count_have_no_gradient() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    labels = torch.tensor([[1, 0, -1], [-1, -1, -1], [0, 1, 1], [0, -1, 0]])
    binary_loss(logits, labels).backward()
    assert logits.grad is not None
    wanted = (logits.detach().sigmoid() - labels).where(labels >= 0, 0.0) / 4
    torch.testing.assert_close(logits.grad, wanted)


def test_head_stages() -> None:
    assert head_stages(AlexNet().build((3, 64, 64)), (3, 64, 64)) == ["fc6", "fc7"]
    assert head_stages(ResNet().build((3, 32, 32)), (3, 32, 32)) == ["layer4"]
    assert head_stages(ConvNet(widths=(4, 8)).build((3, 32, 32)), (3, 32, 32)) == ["conv2"]
    other = Torchvision(name="squeezenet1_1").build((3, 64, 64))
    with pytest.raises(ConfigError, match=r"not a chain of stages.*train=frozen or train=all"):
        head_stages(other, (3, 64, 64))


@pytest.fixture
def data(drawn: Path, drawn_run: Path) -> VocSamples:
    return VocSamples.of(subject_of(drawn_run, data=str(drawn)))


def test_the_samples_of_a_set(data: VocSamples) -> None:
    assert [len(x) for x in (data.train, data.validation, data.trainval, data.test)] == [
        24,
        8,
        32,
        12,
    ]
    assert data.labels.shape == (44, 2)
    wanted = torch.tensor([41, 3, 30])
    batches = list(data.batches(wanted, 2))
    assert [batch.index.tolist() for batch in batches] == [[41, 3], [30]]
    assert [data.samples.names[i] for i in (3, 41)] == ["000003", "000041"]


@pytest.mark.parametrize("trained", [None, ["conv3"]])
def test_fine_tuning_changes_what_it_may(data: VocSamples, trained: list[str] | None) -> None:
    encoder = ConvNet(widths=(8, 16, 16)).build((3, 32, 32))
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    steps: list[tuple[int, ...]] = []
    with torch.random.fork_rng(devices=[]):
        models = [
            fine_tune(
                encoder, data, data.trainval, trained=trained, learning_rate=1e-2, epochs=1,
                batch_size=11, seed=seed, progress=lambda *numbers: steps.append(numbers),
            )
            for seed in (0, 0, 1)
        ]  # fmt: skip
    assert steps == 3 * [(1, 3), (2, 3), (3, 3)]
    first, again, other = (model.state_dict() for model in models)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["linear.weight"], other["linear.weight"])
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name])
        may = trained is None or name.startswith("body.conv3")
        assert torch.equal(first[f"encoder.{name}"], tensor) != may, name


def test_fine_tuning_learns_the_shapes(data: VocSamples) -> None:
    encoder = ConvNet(widths=(8, 16, 16)).build((3, 32, 32))
    with torch.random.fork_rng(devices=[]):
        model = fine_tune(
            encoder, data, data.trainval, trained=None, learning_rate=1e-2, epochs=12,
            batch_size=16, seed=0, progress=lambda done, total: None,
        )  # fmt: skip
    with torch.no_grad():
        (batch,) = data.batches(data.test, 100)
        scores = model(data.modality.plain(batch))
    for found in average_precisions(scores, data.labels[data.test]):
        assert found.area > 95


@pytest.mark.parametrize("train", ["frozen", "head", "all"])
def test_the_protocol(train: str, drawn: Path, drawn_run: Path, tmp_path: Path) -> None:
    settings = [f"train={train}"]
    if train != "frozen":
        settings += ["epochs=2", "learning_rates=[0.001,0.01]", "batch_size=16"]
    options = [word for text in settings for word in ("--set", text)]
    json_file = tmp_path / "voc.json"
    said = command(
        "eval", drawn_run, "--protocol", "voc_classification", "--data", drawn,
        "--json", json_file, *options,
    )  # fmt: skip
    assert_done(said)
    result = json.loads(json_file.read_text())
    frozen = ["encoder", "head", "start", "raw"]
    assert list(result["rows"]) == (frozen if train == "frozen" else [frozen[0], frozen[2]])
    details = result["details"]
    assert (details["train_samples"], details["test_samples"]) == (32, 12)
    assert details["classes"] == ["disc", "square"]
    for name, row in result["rows"].items():
        each = details["more"]["average_precision"][name]
        for column, rule in (("map_11", "eleven_point"), ("map_area", "area")):
            mean = sum(each[label][rule] for label in ("disc", "square")) / 2
            assert row[column]["value"] == pytest.approx(mean)
            assert 0 < mean <= 100 + 1e-9
    for row in details["chosen"].values():
        if train == "frozen":
            assert row["weight_decay"] in (0.01, 0.1)
        else:
            assert row["learning_rate"] in (0.001, 0.01)
            assert row["trained"] == ("all" if train == "all" else ["conv3"])
    # Colours tell the shapes apart, so that even features that were hardly trained do.
    assert result["rows"]["encoder"]["map_area"]["value"] > 60
    protocol = compose_protocol("voc_classification", settings)
    again = run_protocol(drawn_run, protocol, data=str(drawn))
    assert json.loads(again.to_json()) == result


def test_difficult_objects_change_nothing_but_themselves(
    drawn: Path, drawn_run: Path, tmp_path: Path
) -> None:
    # In the test images a disc becomes difficult: that image no longer counts for the discs.
    copy = Path(shutil.copytree(drawn, tmp_path / "changed"))
    before = run_protocol(drawn_run, "voc_classification", data=str(drawn)).details.more
    name = next(
        name
        for name in (copy / "ImageSets" / "Main" / "test.txt").read_text().split()
        if "disc" in (copy / "Annotations" / f"{name}.xml").read_text()
    )
    file = copy / "Annotations" / f"{name}.xml"
    text = file.read_text()
    assert text.count("<name>disc</name>") == 1
    hard = object_xml("disc", (1, 1, 9, 9), difficult=1)
    square = [object_xml("square", (1, 1, 9, 9))] if "square" in text else []
    file.write_text(annotation_xml(64, 48, [hard, *square]))
    after = run_protocol(drawn_run, "voc_classification", data=str(copy)).details.more
    discs = round(before["share_with_class"]["disc"] / 100 * 12)
    assert after["share_with_class"]["disc"] == pytest.approx(100 * (discs - 1) / 11)
    assert after["share_with_class"]["square"] == before["share_with_class"]["square"]
    for row in before["average_precision"]:
        square_after = after["average_precision"][row]["square"]
        assert square_after == before["average_precision"][row]["square"]


def test_bad_input_is_one_line(drawn: Path, drawn_run: Path, tmp_path: Path) -> None:
    def refused(data: Path | None, *words: str) -> None:
        options = [] if data is None else ["--data", data]
        said = command("eval", drawn_run, "--protocol", "voc_classification", *options)
        assert_refused(said, *words)

    refused(tmp_path / "gone", "there is no folder", "gone", "VOCdevkit/VOC2007")
    refused(tmp_path, "not in the layout of Pascal VOC")
    refused(Path("digits"), "not in the format of Pascal VOC", "--data")
    copy = Path(shutil.copytree(drawn, tmp_path / "copy"))
    (copy / "JPEGImages" / "000004.jpg").write_bytes(b"no image")
    refused(copy, "the image 000004 cannot be read")
    file = copy / "Annotations" / "000002.xml"
    file.write_text(annotation_xml(64, 48, [object_xml("disc", (60, 1, 70, 9))]))
    refused(copy, "000002.xml: the box of 'disc'", "is not inside the image of 64 x 48")
    file = copy / "Annotations" / "000040.xml"
    shutil.copy(drawn / "Annotations" / "000002.xml", copy / "Annotations" / "000002.xml")
    file.write_text(annotation_xml(64, 48, [object_xml("triangle", (6, 1, 9, 9))]))
    refused(copy, "000040.xml names the unknown class 'triangle'")
    assert not list((drawn_run / "evaluations").glob("*copy*"))


def test_other_runs_and_settings_are_refused(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="voc_classification: train"):
        compose_protocol("voc_classification", ["train=most"])
    with pytest.raises(ConfigError, match="unknown key 'trains'; did you mean 'train'"):
        compose_protocol("voc_classification", ["trains=all"])
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", vectors=rng.normal(size=(32, 4)).astype(np.float32))
    config = natlib.compose(
        "vector",
        options={
            "data": {"source": str(tmp_path / "x.npz")},
            "training": {"epochs": 1, "batch_size": 16, "workers": 0, "device": "cpu"},
        },
    )
    with torch.random.fork_rng(devices=[]):
        run = natlib.train(config, tmp_path / "run").run
    with pytest.raises(DataError, match="kind 'vector'; Pascal VOC evaluates runs on images"):
        run_protocol(run, "voc_classification", data=str(drawn))
