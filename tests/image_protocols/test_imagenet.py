"""The 2017 paper's evaluation: ten crops, what is frozen, what is evaluated, what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms.functional import ten_crop

import natlib
from natlib.errors import ConfigError, NonFiniteError
from natlib.evaluation import Evaluation
from natlib.protocols import Subject, compose_protocol, subject_of
from natlib.protocols.labelled_batches import labelled_batches
from natlib_image import Image
from natlib_image.encoders.alexnet import AlexNet
from natlib_image.encoders.convnet import ConvNet
from natlib_image.encoders.resnet import ResNet
from natlib_image.encoders.torchvision import Torchvision
from natlib_image_protocols.imagenet.frozen import FrozenRows, last_map
from natlib_image_protocols.imagenet.ten_crops import evaluate_crops
from tests.cli.command import assert_done, assert_refused, content, damage
from tests.cli.command import natlib as command
from tests.image.pictures import write

CLASSES = 7
SIDE, SIZE = 20, 14
QUICK = ["training.widths=[16]", "training.epochs=6", "training.batch_size=16", "choice_epochs=2"]


def folder(root: Path, classes: int = CLASSES, train: int = 8, test: int = 3) -> Path:
    """A folder like ImageNet: classes differ in colour."""
    rng = np.random.default_rng(0)
    for split, count in (("train", train), ("val", test)):
        for label in range(classes):
            for number in range(count):
                pixels = rng.integers(0, 120, (SIDE, SIDE + 4, 3))
                pixels += 110 * np.array([label + 1 & bit for bit in (1, 2, 4)]).astype(bool)
                write(root / split / f"n{label:02d}" / f"{split}_{label}_{number}.png",
                      pixels.astype(np.uint8))  # fmt: skip
    return root


def trained(source: Path, out: Path, **data: Any) -> Path:
    config = natlib.compose(
        "image",
        options={
            "data": {"source": str(source), "size": SIZE, "resize": SIDE} | data,
            "encoder": {"kind": "convnet", "widths": [8, 16]},
            "training": {"epochs": 1, "batch_size": 16, "workers": 0, "device": "cpu"},
            "evaluation": {"weight_decays": [0.01], "batch_size": 8},
        },
    )
    with torch.random.fork_rng(devices=[]):
        return natlib.train(config, out).run


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Do not write into it."""
    return folder(tmp_path_factory.mktemp("like") / "imagenet")


@pytest.fixture(scope="module")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(source, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture
def subject(made: Path) -> Subject:
    return subject_of(made)


def evaluated(run: Path, *settings: str, data: Path | None = None) -> Evaluation:
    protocol = compose_protocol("imagenet", [*QUICK, *settings])
    return protocol.run(subject_of(run, data=None if data is None else str(data)))


def refused(run: Path, *words: str, settings: tuple[str, ...] = (), data: Any = None) -> None:
    options = [part for text in (*QUICK, *settings) for part in ("--set", text)]
    more = [] if data is None else ["--data", data]
    assert_refused(command("eval", run, "--protocol", "imagenet", *options, *more), *words)


def test_ten_crops_are_averaged_as_probabilities(subject: Subject) -> None:
    """Against torchvision's crops, a softmax of NumPy and a loop."""
    modality = subject.modality
    assert isinstance(modality, Image)
    samples = modality.dataset("val")
    assert samples is not None
    assert samples.labels is not None
    labels = samples.labels
    torch.manual_seed(0)
    classifiers = {
        f"c{number}": torch.nn.Linear(3 * SIZE * SIZE, CLASSES).eval() for number in range(6)
    }
    for each in classifiers.values():
        each.weight.data *= 20  # so that the mean of probabilities is not that of logits

    class Flat(torch.nn.Module):
        def __init__(self, linear: torch.nn.Linear) -> None:
            super().__init__()
            self.linear = linear

        def forward(self, features: dict[str, torch.Tensor]) -> torch.Tensor:
            return self.linear(features["encoder"])  # type: ignore[no-any-return]

    found = evaluate_crops(
        subject,
        modality,
        lambda crops: {"encoder": crops.flatten(1)},
        {name: Flat(each) for name, each in classifiers.items()},
        samples,
        torch.arange(len(samples)),
        labels,
        stage="ten crops",
        unreadable=set(),
    )
    mean, std = (
        torch.tensor(modality.mean)[:, None, None],
        torch.tensor(modality.std)[:, None, None],
    )
    hits = {name: np.zeros(4) for name in classifiers}
    for number in range(len(samples)):
        image = (samples[number].pixels.float() / 255 - mean) / std  # type: ignore[union-attr]
        crops = ten_crop(image, SIZE)
        for name, linear in classifiers.items():
            logits = np.stack([linear(crop.flatten()).detach().numpy() for crop in crops])
            odds = np.exp(logits - logits.max(1, keepdims=True))
            odds /= odds.sum(1, keepdims=True)
            for place, answer in enumerate((odds[4], odds.mean(0))):  # torchvision's fifth: centre
                ranking = np.argsort(-answer)
                hits[name][place] += ranking[0] == labels[number]
                hits[name][place + 2] += labels[number] in ranking[:5]
    for name, row in found.items():
        assert list(row) == ["top1_centre", "top1", "top5_centre", "top5"]
        np.testing.assert_allclose(list(row.values()), 100 * hits[name] / len(samples))
    # One crop and ten do not say the same, or this would show nothing.
    assert any(row["top1"] != row["top1_centre"] for row in found.values())


def test_what_is_frozen_is_the_last_map(subject: Subject) -> None:
    modality, encoder = subject.modality, subject.model.encoder
    rows = FrozenRows(subject, subject.splits(), None, 9216)
    assert rows.stage == "conv2"
    crops = torch.randn(3, 3, SIZE, SIZE)
    found = rows(crops)
    assert list(found) == ["encoder", "start", "raw"]
    with torch.no_grad():
        assert torch.equal(found["encoder"], encoder.stages(crops)["conv2"].flatten(1))
    assert torch.equal(found["raw"], crops.flatten(1))
    assert rows.widths == {name: each.shape[1] for name, each in found.items()}
    assert modality.input_shape == (3, SIZE, SIZE)
    # Finer maps are averaged.
    few = FrozenRows(subject, subject.splits(), "conv1", 100)
    assert few.widths == {"encoder": 72, "start": 72, "raw": 75}


def test_the_encoder_as_it_began_is_that_of_the_run(made: Path) -> None:
    crops = torch.randn(3, 3, SIZE, SIZE)
    found = []
    for seed in (0, 1):
        subject = subject_of(made, settings=[f"evaluation.seed={seed}"])
        found.append(FrozenRows(subject, subject.splits(), None, 9216)(crops))
    first, other = found
    for name in ("encoder", "start", "raw"):
        assert torch.equal(first[name], other[name])


def test_the_last_map_of_every_encoder() -> None:
    assert last_map(AlexNet().build((3, 224, 224)), (3, 224, 224)) == "conv5"
    assert last_map(ResNet().build((3, 64, 64)), (3, 64, 64)) == "layer4"
    assert last_map(ConvNet(widths=(4, 8, 8)).build((3, 32, 32)), (3, 32, 32)) == "conv3"
    recipe = Torchvision(name="resnet18")
    assert last_map(recipe.build((3, 64, 64)), (3, 64, 64)) == "layer4"
    tokens = Torchvision(name="vit_b_32").build((3, 32, 32))
    with pytest.raises(ConfigError, match=r"no stage .* returns a map .*--set stage=NAME .*heads"):
        last_map(tokens, (3, 32, 32))


def test_conv5_of_the_paper_is_taken_as_it_is() -> None:
    maps = AlexNet().build((3, 224, 224)).eval().stages(torch.zeros(1, 3, 224, 224))["conv5"]
    assert maps.flatten(1).shape[1] == compose_protocol("imagenet").model_dump()["width"]


def test_from_the_command_line(run: Path, source: Path) -> None:
    before = content(run)
    options = [part for text in QUICK for part in ("--set", text)]
    said = assert_done(command("eval", run, "--protocol", "imagenet", *options))
    kept = run / "evaluations" / "imagenet.json"
    result = Evaluation.from_json(kept.read_text())
    assert list(result.rows) == ["encoder", "start", "raw"]
    assert list(result.columns) == ["top1_centre", "top1", "top5_centre", "top5"]
    for cells in result.cells():
        assert all(cell in said.out for cell in cells[1:])
    for row in result.rows.values():
        assert row["top1"].value <= row["top5"].value <= 100
    # Colours are easily told.
    assert all(row["top1"].value > 3 * 100 / CLASSES for row in result.rows.values())
    assert result.seed == 0
    assert len(result.config_hash) == 64
    data = Image(source=str(source)).resolved()
    for digest, split in ((result.train_fingerprint, "train"), (result.test_fingerprint, "val")):
        samples = data.dataset(split)  # type: ignore[arg-type]
        assert samples is not None
        assert digest == samples.fingerprint()
    details = result.details
    assert (details.train_samples, details.test_samples, details.test_split) == (56, 21, "val")
    assert details.held_out
    assert details.more == {
        "stage": "conv2", "features": {"encoder": 3136, "start": 3136, "raw": 588},
        "crop": SIZE, "resize": SIDE, "seen_in_training": 0,
    }  # fmt: skip
    for row in details.chosen.values():
        assert set(row["validation_accuracy"]) == {"0.1, 1e-08", "0.01, 1e-08"}
        best = max(row["validation_accuracy"].values())
        own = f"{row['learning_rate']:g}, {row['weight_decay']:g}"
        assert row["validation_accuracy"][own] == best
    after = content(run)
    assert {name for name in after if after[name] != before.get(name)} == {
        "evaluations/imagenet.json",
    }  # fmt: skip


def test_nothing_changes_and_the_same_comes_out_again(subject: Subject) -> None:
    encoder = subject.model.encoder.train()  # its batch norms would learn from any forward pass
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    random = torch.get_rng_state()
    protocol = compose_protocol("imagenet", QUICK)
    result = protocol.run(subject)
    assert all(torch.equal(encoder.state_dict()[name], value) for name, value in before.items())
    assert all(part.training for part in encoder.modules())
    assert all(weight.grad is None for weight in encoder.parameters())
    assert torch.equal(torch.get_rng_state(), random)
    assert protocol.run(subject) == result


def test_settings_are_chosen_among_rates_and_decays(subject: Subject) -> None:
    more = ["training.learning_rates=[0.1,1e-9]", "weight_decays=[0,0.001]"]
    result = compose_protocol("imagenet", [*QUICK, *more]).run(subject)
    for row in result.details.chosen.values():
        assert len(row["validation_accuracy"]) == 4
        assert row["learning_rate"] == 0.1
    # Nothing is chosen, so nothing is tried for some epochs first.
    only = [
        *(word for word in QUICK if "choice_epochs" not in word),
        "training.learning_rates=[0.01]",
    ]
    result = compose_protocol("imagenet", only).run(subject)
    for row in result.details.chosen.values():
        assert row == {"learning_rate": 0.01, "weight_decay": 1e-8, "validation_accuracy": {}}


def test_few_classes_have_no_top_5(run: Path, tmp_path: Path) -> None:
    result = evaluated(run, data=folder(tmp_path / "few", classes=5))
    assert list(result.columns) == ["top1_centre", "top1"]
    assert all(list(row) == ["top1_centre", "top1"] for row in result.rows.values())


def test_a_subset_and_a_resumed_run(source: Path, tmp_path: Path) -> None:
    """The images are those of the run: learnt from is what it was trained on."""
    run = trained(source, tmp_path / "run", max_samples=40, subset_seed=3)
    first = evaluated(run)
    assert first.details.train_samples == 40
    natlib.resume(run)
    assert evaluated(run) == first
    samples = subject_of(run).config.data.dataset("train")
    assert samples is not None
    assert first.train_fingerprint == samples.fingerprint()
    limited = compose_protocol("imagenet", QUICK).run(
        subject_of(run, settings=["evaluation.max_train_samples=30"])
    )
    assert limited.details.train_samples == 30


def test_images_that_cannot_be_decoded_are_left_out(run: Path, tmp_path: Path) -> None:
    copy = folder(tmp_path / "copy", train=10)
    damage(copy / "train" / "n00" / "train_0_0.png")
    damage(copy / "val" / "n01" / "val_1_1.png")
    details = evaluated(run, data=copy).details
    assert (details.train_samples, details.test_samples, details.unreadable) == (69, 20, 2)


def test_crops_leave_room_for_corners(source: Path, tmp_path: Path) -> None:
    run = trained(source, tmp_path / "run", resize=SIZE)
    assert evaluated(run).details.more["resize"] == 16  # 14 x 256 / 224
    assert evaluated(run, "resize=18").details.more["resize"] == 18
    refused(run, "resize 13 is smaller than the crops of 14", "resize=16", settings=("resize=13",))


def test_images_smaller_than_a_crop(run: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    for split in ("train", "val"):
        for label in range(2):
            for number in range(4):
                shade = np.full((9, 11, 3), 40 + 150 * label + number, np.uint8)
                write(small / split / f"c{label}" / f"{split}{label}{number}.png", shade)
    words = ("smaller than the crops: 9 pixels", "14 x 14", "--set enlarge=true")
    refused(run, *words, data=small)
    assert evaluated(run, "enlarge=true", data=small).details.test_samples == 8


def test_what_is_wrong_is_said_in_one_line(run: Path, tmp_path: Path) -> None:
    one = folder(tmp_path / "one", classes=1, train=9)
    refused(run, "no training sample has a label", "a folder for each class", data=one)
    refused(run, "the encoder has no stage 'conf2'; did you mean 'conv2'?",
            settings=("stage=conf2",))  # fmt: skip
    broken = folder(tmp_path / "broken", classes=3)
    for path in sorted((broken / "train").rglob("*.png")):
        damage(path)
    refused(run, "24 of 24 images (100.0%) cannot be decoded", data=broken)
    refused(run, "no training sample has a label", data=_unlabelled(tmp_path))
    assert not (run / "evaluations" / "imagenet.json").exists()


def _unlabelled(root: Path) -> Path:
    for number in range(4):
        write(root / "loose" / f"{number}.png", np.full((20, 20, 3), number, np.uint8))
    return root / "loose"


def test_an_encoder_that_returns_nan(subject: Subject) -> None:
    protocol = compose_protocol("imagenet", QUICK)
    weight = next(subject.model.encoder.parameters())
    weight.data[0] = float("nan")
    with pytest.raises(NonFiniteError, match=r"features of .*\.png hold NaN"):
        protocol.run(subject)


def test_results_are_json_of_the_settings(run: Path) -> None:
    result = json.loads(evaluated(run, "width=50").to_json())
    assert result["settings"]["width"] == 50
    assert result["settings"]["training"]["widths"] == [16]
    assert max(result["details"]["more"]["features"].values()) <= 50


def test_test_images_are_evaluated_once_and_settings_chosen_without_them(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int, set[int]]] = []

    def noted(who: str) -> Any:
        def batches(_subject: Subject, samples: Any, index: torch.Tensor, *rest: Any) -> Any:
            asked.append((who, len(samples), set(index.tolist())))
            return labelled_batches(_subject, samples, index, *rest)

        return batches

    for who in ("trial", "ten_crops"):
        monkeypatch.setattr(f"natlib_image_protocols.imagenet.{who}.labelled_batches", noted(who))
    compose_protocol("imagenet", QUICK).run(subject)
    # Two epochs to choose by, six to learn in; the set of 21 test images is read at the end alone.
    who = ["trial"] * 2 + ["ten_crops"] + ["trial"] * 6 + ["ten_crops"]
    assert [each[0] for each in asked] == who
    assert [each[1] for each in asked] == [56] * 9 + [21]
    kept, aside, everything = asked[0][2], asked[2][2], set(range(56))
    assert (kept | aside, kept & aside) == (everything, set())
    assert all(each[2] == everything for each in asked[3:-1])
