"""Settings without effect: refused where a user gave them, else said or dropped."""

from pathlib import Path
from typing import Any

import pytest

import natlib
from natlib.configuration import commented_yaml, dump_yaml, parse_yaml
from natlib.errors import ConfigError
from natlib.objectives import NAT
from natlib.runtime.progress import SilentProgress
from natlib.training import RunConfig, compose
from natlib.training.never_due import never_due
from natlib_audio import Audio
from natlib_image import Image
from tests.training.support import toy_config


def composed(kind: str, *settings: str, **layers: Any) -> tuple[RunConfig, list[str]]:
    """A configuration, and what was said about it."""
    said: list[str] = []
    return compose(kind, settings=settings, tell=said.append, **layers), said


# --- conditions, over presets


@pytest.mark.parametrize(
    ("kind", "preset", "change", "gone"),
    [
        ("image", "nat", "augment.crop=plain", "crop_scale"),
        ("image", "digits", "augment.crop=plain", "crop_ratio"),
        ("image", "digits", "augment.jitter=0", "brightness"),
        ("image", "semi", "augment.jitter=0", "hue"),
        ("audio", "nat", "representation=waveform", "warp"),
    ],
)
def test_a_setting_drops_what_the_preset_has_for_another_value(
    kind: str, preset: str, change: str, gone: str
) -> None:
    config, said = composed(kind, f"data.{change}", preset=preset)
    assert said == []
    assert isinstance(config.data, Image | Audio)
    written = parse_yaml(commented_yaml(config), "file")
    assert written == config.model_dump(mode="json")
    assert gone not in written["data"]["augment"]


def test_what_a_preset_turns_off_stays_off() -> None:
    config, _ = composed("audio", "data.equal_level=false", preset="nat2017")
    assert isinstance(config.data, Audio)
    assert config.data.augment.gain == 0


@pytest.mark.parametrize(
    ("kind", "settings", "names"),
    [
        ("image", ["data.source=photos", "data.root=sets"], ("data.root", "data.source")),
        ("image", ["data.download=true"], ("data.download", "data.source")),
        (
            "image",
            ["data.augment.crop=plain", "data.augment.crop_scale=[0.5, 1]"],
            ("data.augment.crop_scale", "data.augment.crop"),
        ),
        ("audio", ["data.augment.gain=3"], ("data.augment.gain", "data.equal_level")),
        (
            "audio",
            ["encoder.kind=wav2vec", "encoder.checkpoint=folder", "encoder.layers=2"],
            ("encoder.layers", "encoder.checkpoint"),
        ),
        ("text", ["data.unit=paragraph"], ("data.unit", "data.source")),
        ("vector", ["data.label=kind"], ("data.label", "data.source")),
        ("vector", ["labels.seed=3"], ("labels.seed", "labels.fraction")),
    ],
)
def test_what_nothing_reads_is_refused(
    kind: str, settings: list[str], names: tuple[str, str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        compose(kind, settings=settings)
    text = str(caught.value)
    assert all(name in text for name in names)
    assert "\n" not in text
    assert "leave it out, or set" in text


def test_two_settings_of_which_the_later_one_takes_the_earlier_one_away() -> None:
    with pytest.raises(
        ConfigError,
        match=r"^the setting 'data.augment.hue' has no effect: a later one sets "
        r"data.augment.jitter to 0, and then nothing reads it; leave one of them out$",
    ):
        compose("image", settings=["data.augment.hue=0.1", "data.augment.jitter=0"])
    with pytest.raises(
        ConfigError, match=r"'data.augment.warp' .* sets data.representation to 'wa"
    ):
        compose("audio", settings=["data.augment.warp=0.3", "data.representation=waveform"])


@pytest.mark.parametrize(
    ("kind", "settings", "text"),
    [
        ("vector", ["objective=supervised"], "'supervised' learns from labels; say how many"),
        ("image", ["labels.fraction=0.5"], "the objective 'nat' uses none; take the preset 'semi'"),
        ("vector", ["encoder=convnet"], "'convnet' reads inputs with 3 axes, and those of the mod"),
        ("image", ["encoder=text_convnet"], "reads inputs with 1 axis, .* 'image' have 3 axes; ch"),
        ("text", ["encoder=mlp"], "the encoder 'mlp' does not read tokens; use 'bag_of_ngrams'"),
        ("text", ["encoder=resnet"], "does not read tokens"),
        ("audio", ["encoder=wav2vec"], "set data.representation=waveform, or encoder.kind"),
        ("audio", ["encoder=alexnet", "data.representation=waveform"], "'audio' have 1 axis; ch"),
    ],
)
def test_what_does_not_go_together_is_refused_before_data_are_read(
    kind: str, settings: list[str], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        compose(kind, settings=[*settings, "data.source=nowhere"])


# --- what a file holds


def test_what_a_change_takes_away_from_a_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(
        "objective: {assignment: {kind: bank, every: 3, seed: 1, solver: greedy}}\n"
        "data: {augment: {jitter: 0.5, hue: 0.2}}\n"
    )
    config, said = composed("image", "data.augment.jitter=0", file=file, assignment="stream")
    assert isinstance(config.objective, NAT)
    assert config.objective.assignment.kind == "stream"
    assert said == [
        f"Without effect: 2 settings of {file} (objective.assignment.every, "
        "objective.assignment.seed); a later one makes 'objective.assignment' a 'stream', which "
        "does not have them.",
        f"Without effect: 1 setting of {file} (data.augment.hue); a later one sets "
        "data.augment.jitter to 0, and then nothing reads it.",
    ]


def test_nothing_is_said_of_a_file_that_has_all_its_effect(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    whole = compose("image", preset="nat")
    file.write_text(dump_yaml(whole.model_dump(mode="json")))
    again, said = composed("image", file=file)
    assert (again, said) == (whole, [])
    _, said = composed("image", "objective.assignment.points=99", file=file)
    assert said == []


def test_a_whole_file_and_another_kind(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(dump_yaml(compose("image", preset="nat").model_dump(mode="json")))
    _, said = composed("image", file=file, assignment="bank")
    assert len(said) == 1
    assert "4 settings of" in said[0]
    assert all(
        f"assignment.{key}" in said[0] for key in ("points", "passes", "temperature", "rate")
    )


# --- never due


RAMP = (
    "objective={kind: combined, parts: {a: {objective: nat}, "
    "b: {objective: vicreg, schedule: {kind: linear, begin: 5}}}}"
)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            ["objective.assignment.reassign.every=5"],
            "objective.assignment.reassign.every is 5 and training.epochs 5, so slots are never "
            "reassigned; set it to 4 at most, or raise training.epochs",
        ),
        (
            ["training.knn_every_epochs=6"],
            "training.knn_every_epochs is 6 and training.epochs 5, so kNN accuracy is not measured "
            "in training; set it to 5 at most, or raise training.epochs",
        ),
        (
            [RAMP],
            "objective.parts.b.schedule.begin is 5 and training.epochs 5, so the weight never",
        ),
    ],
)
def test_what_is_never_due_is_refused(settings: list[str], text: str) -> None:
    bank = [] if settings == [RAMP] else ["objective.assignment=bank"]
    with pytest.raises(ConfigError) as caught:
        compose("vector", settings=["training.epochs=5", *bank, *settings])
    assert str(caught.value).startswith(text)


def test_what_is_due_once_is_not_refused() -> None:
    settings = ["training.epochs=5", "training.knn_every_epochs=5", "objective.assignment=bank"]
    config = compose("vector", settings=[*settings, "objective.assignment.reassign.every=4"])
    assert list(never_due(config)) == []


def test_one_epoch_reassigns_nothing() -> None:
    with pytest.raises(ConfigError, match=r"every is 1 and .*epochs 1, .*; leave it out, or"):
        compose(
            "vector",
            settings=[
                "training.epochs=1",
                "objective.assignment=bank",
                "objective.assignment.reassign.every=1",
            ],
        )


class Said(SilentProgress):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_of_what_nobody_asked_for_the_run_says_it(tmp_path: Path) -> None:
    # The preset measures kNN accuracy in every twentieth epoch.
    config, said = composed("vector", "training.epochs=2", preset="nat")
    (never,) = never_due(config)
    assert never.path == "training.knn_every_epochs"
    assert said == []
    config = toy_config(epochs=1, knn_every_epochs=2)
    progress = Said()
    natlib.train(config, tmp_path / "run", progress=progress)
    (never,) = never_due(config)
    assert progress.lines.count(never.text) == 1
    assert never.text in (tmp_path / "run" / "train.log").read_text()
