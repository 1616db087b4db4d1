"""The presets that come with images are valid, and say what they claim to say."""

import pytest

from natlib.assignment import Bank
from natlib.configuration import read_yaml
from natlib.encoders import LinearHead
from natlib.objectives import NAT, NATLoss
from natlib.training.config import RunConfig
from natlib_image import Image
from natlib_image.encoders.alexnet import AlexNet

assert Image.presets is not None
NAMES = sorted(path.stem for path in Image.presets.glob("*.yaml"))


def load(name: str) -> RunConfig:
    assert Image.presets is not None
    values = read_yaml(Image.presets / f"{name}.yaml")
    assert "kind" not in values["data"]  # the command line sets it
    values["data"]["kind"] = "image"
    return RunConfig.model_validate(values)


def test_these_presets_exist() -> None:
    assert NAMES == ["digits", "nat", "nat2017", "semi"]


@pytest.mark.parametrize("name", NAMES)
def test_valid(name: str) -> None:
    config = load(name)
    assert isinstance(config.data, Image)
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config
    objective = config.objective.for_classes([3, 5]) if config.labels else config.objective
    assert objective.build(16, samples=300).loss_is_sum is (name == "nat2017")


def test_nat2017_is_the_published_recipe() -> None:
    config = load("nat2017")
    data, objective, training = config.data, config.objective, config.training
    assert isinstance(data, Image)
    assert isinstance(objective, NAT)
    assert (data.size, data.resize) == (224, 256)
    augment = data.augment
    assert (augment.crop, augment.flip) == ("plain", 0.5)
    assert augment.jitter == augment.grey == augment.blur == augment.solarise == 0
    assert config.encoder == AlexNet(sobel=True, dropout=0.5)
    assert objective.views == 1
    assert objective.assignment == Bank(slots=1, every=3, unit="epoch")
    assert (objective.targets.kind, objective.targets.dim) == ("uniform_sphere", 2048)
    assert objective.head == LinearHead()
    assert objective.loss == NATLoss(target_weight=1.0, alignment=0.0, reduction="sum")
    assert (training.epochs, training.batch_size, training.last_batch) == (100, 256, "drop")
    optimizer = training.optimizer
    assert (optimizer.kind, optimizer.learning_rate) == ("sgd", 0.01)
    assert optimizer.momentum == optimizer.weight_decay == 0
    assert (training.schedule.kind, training.schedule.warmup_steps) == ("constant", 0)


def test_nat_leaves_the_choices_that_depend_on_the_data_open() -> None:
    config = load("nat")
    assert isinstance(config.data, Image)
    assert config.encoder is None
    assert config.data.size is None
    assert config.data.augment.blur is None
    assert config.training.precision == "fp32"


def test_digits_are_not_mirrored() -> None:
    config = load("digits")
    assert isinstance(config.data, Image)
    assert config.data.augment.flip == 0
