"""The presets that come with sound are valid, and say what they claim to say."""

import pytest

from natlib.assignment import Bank
from natlib.configuration import read_yaml
from natlib.encoders import LinearHead
from natlib.objectives import NAT, NATLoss
from natlib.training.config import RunConfig
from natlib_audio import Audio

assert Audio.presets is not None
NAMES = sorted(path.stem for path in Audio.presets.glob("*.yaml"))


def load(name: str) -> RunConfig:
    assert Audio.presets is not None
    values = read_yaml(Audio.presets / f"{name}.yaml")
    data = values.setdefault("data", {})
    assert "kind" not in data  # the command line sets it
    data["kind"] = "audio"
    return RunConfig.model_validate(values)


def test_these_presets_exist() -> None:
    assert NAMES == ["nat", "nat2017", "notes", "semi"]


@pytest.mark.parametrize("name", NAMES)
def test_valid(name: str) -> None:
    config = load(name)
    assert isinstance(config.data, Audio)
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config
    objective = config.objective.for_classes([3, 5]) if config.labels else config.objective
    assert objective.build(16, samples=300).loss_is_sum is (name == "nat2017")


def test_nat2017_has_one_view_and_one_slot_that_is_kept() -> None:
    config = load("nat2017")
    objective, training = config.objective, config.training
    assert isinstance(objective, NAT)
    assert objective.views == 1
    assert objective.assignment == Bank(slots=1, every=3, unit="epoch")
    assert objective.head == LinearHead()
    assert objective.loss == NATLoss(target_weight=1.0, alignment=0.0, reduction="sum")
    optimizer = training.optimizer
    assert (optimizer.kind, optimizer.learning_rate) == ("sgd", 0.01)
    assert optimizer.momentum == optimizer.weight_decay == 0
    assert training.last_batch == "drop"


def test_nat2017_only_crops() -> None:
    data = load("nat2017").data
    assert isinstance(data, Audio)
    augment = data.augment.model_dump()
    crop, shift = augment.pop("crop"), augment.pop("shift")
    assert (crop, shift) == ((0.7, 1.0), 1.0)
    ranges = {"noise_snr", "background_snr", "time_mask", "frequency_mask"}
    assert all(not value for name, value in augment.items() if name not in ranges)


def test_nat_leaves_the_choices_that_depend_on_the_data_open() -> None:
    config = load("nat")
    assert isinstance(config.data, Audio)
    assert config.encoder is None
    assert (config.data.rate, config.data.seconds, config.data.mean) == (None, None, None)


def test_notes_are_the_embedded_ones() -> None:
    data = load("notes").data
    assert isinstance(data, Audio)
    # Not their name, which would be a folder of that name.
    assert data.source is None
    assert Audio().default_preset() == "notes"
    assert Audio(source="sounds").default_preset() == "nat"
