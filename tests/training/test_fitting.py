"""Runs that fit the machine: what is chosen where the user leaves it open."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import natlib
from natlib.data import Candidate
from natlib.encoders import MlpEncoder
from natlib.errors import ConfigError
from natlib.runtime.progress import SilentProgress
from natlib.training import RunConfig, RunDirectory, compose, left_open
from natlib.training import opening as opening_module
from natlib.training.fitting import OpenSettings, parse_duration, shown_duration
from natlib.training.fitting import form as form_module
from natlib.training.fitting.cost import Cost, encoder_cost
from natlib.training.fitting.explanation import explanation
from natlib.training.fitting.form import Form, choose_form
from natlib.training.fitting.length import no_larger_batch, with_epochs
from natlib.training.fitting.machine import GIB, Machine
from natlib_image.candidates import candidates
from tests.cli.command import write_pictures

CPU = torch.device("cpu")
SMALL = Machine(2, 24 * GIB, CPU)
TINY = Machine(1, 1 * GIB, CPU)
LARGE = Machine(64, 256 * GIB, CPU)
GPU = Machine(16, 128 * GIB, torch.device("cuda", 0))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("20 min", 1200), ("2h", 7200), ("1.5h", 5400), ("1h30m", 5400),
     ("1d", 86400), (" 1 h 30 m ", 5400)],
)  # fmt: skip
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "2 hours", "-5m", "0m", "1h and 3m", "1e3s", "\0"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="give a number and a unit, as in 90s, 20m, 2h or 1h30m"):
        parse_duration(text)


def test_durations_are_shown() -> None:
    shown = [shown_duration(s) for s in (0.2, 45, 130, 5400, 3600 * 26, 86400 * 40)]
    assert shown == ["1 s", "45 s", "2 min", "1 h 30 min", "26 h", "40 days"]


# Photos: what is chosen, with the times of a machine that never was.


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "photos", 30, side=240)


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """An encoder takes so long for a pixel; a view needs 400 bytes for one."""
    times = {"convnet": 1e-7, "resnet": 1e-5}

    def cost(recipe: Any, shape: tuple[int, ...], device: torch.device) -> Cost:
        pixels = shape[1] * shape[2]
        return Cost(times[recipe.kind] * pixels, 400 * pixels)

    monkeypatch.setattr(form_module, "encoder_cost", cost)
    return times


def opened(
    photos: Path, *, budget: str | None = None, preset: str | None = None, **asked: Any
) -> tuple[RunConfig, OpenSettings | None]:
    options = {"data": {"source": str(photos)}}
    settings = [f"{key.replace('__', '.')}={value}" for key, value in asked.items()]
    composer = partial(compose, "image", preset=preset, options=options, settings=settings)
    nested: dict[str, Any] = {}
    for key, value in asked.items():
        group, _, name = key.partition("__")
        nested.setdefault(group, {})[name] = value
    config = composer()
    return config, left_open(config, composer, nested, preset, budget)


def size_of(form: Form) -> int | None:
    return form.config.data.size  # type: ignore[attr-defined,no-any-return]


def encoder_of(form: Form) -> str | None:
    return None if form.config.encoder is None else form.config.encoder.kind  # type: ignore[attr-defined,no-any-return]


def test_the_largest_inputs_that_time_allows_are_chosen(
    photos: Path, times: dict[str, float]
) -> None:
    config, left = opened(photos)
    assert left is not None
    # 250,000 samples, two views each: a convnet manages 64 pixels, and half of what 96 need.
    for seconds, size, encoder, larger in (
        (0.4e-6, 64, "convnet", "--size 96"),
        (1e-7, 128, "convnet", "--size 128 --encoder resnet"),
        (1.0, 32, "convnet", "--size 48"),
    ):
        times["convnet"] = seconds
        form = choose_form(left, config, SMALL)
        assert (size_of(form), encoder_of(form)) == (size, encoder)
        assert form.larger is not None
        assert form.larger.option == larger
    times.update(convnet=1e-9, resnet=1e-9)
    form = choose_form(left, config, SMALL)
    assert (size_of(form), encoder_of(form), form.larger) == (224, "resnet", None)


def test_a_longer_budget_has_larger_inputs(photos: Path, times: dict[str, float]) -> None:
    sizes, times["convnet"] = [], 4e-7
    for budget in ("1m", "30m", "5h"):
        config, left = opened(photos, budget=budget)
        assert left is not None
        sizes.append(size_of(choose_form(left, config, SMALL)))
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 3


def test_batches_fit_data_and_memory(photos: Path, times: dict[str, float]) -> None:
    config, left = opened(photos)
    assert left is not None
    form = choose_form(left, config, SMALL)
    assert form.config.training.batch_size == 64  # of 30 samples
    times["convnet"] = 1e-9
    tiny = Machine(1, 2 * GIB, CPU)
    # 64 samples of two views: 1.5 times 400 bytes for each pixel, in half of the memory.
    sizes = [each.settings["data"]["size"] for each in candidates(240)]
    fitting = [size for size in sizes if 64 * 2 * 1.5 * 400 * size**2 <= GIB]
    assert size_of(choose_form(left, config, tiny)) == max(fitting)
    # Not even the smallest: it is tried all the same.
    form = choose_form(left, config, Machine(1, 2**20, CPU))
    assert (size_of(form), form.config.training.batch_size) == (32, 64)


def test_what_is_given_stays(photos: Path, times: dict[str, float]) -> None:
    asked = {"data__size": 48, "encoder__kind": "resnet", "training__batch_size": 20}
    config, left = opened(photos, **asked)
    assert left is not None
    form = choose_form(left, config, SMALL)
    assert (size_of(form), encoder_of(form), form.config.training.batch_size) == (48, "resnet", 20)
    assert form.larger is None  # no other candidate has these
    config, left = opened(photos, data__size=48)
    assert left is not None
    form = choose_form(left, config, SMALL)
    assert (size_of(form), encoder_of(form)) == (48, "convnet")
    config, left = opened(photos, training__epochs=7)
    assert left is not None
    times["convnet"] = 1.0
    # 30 photos seven times are soon done, however slow it is.
    assert size_of(choose_form(left, config, SMALL)) == 32
    times.update(convnet=1e-4, resnet=1.0)
    assert size_of(choose_form(left, config, SMALL)) == 128


@pytest.mark.parametrize(
    ("machine", "preset", "budget", "applies"),
    [
        (SMALL, None, None, True),
        (SMALL, "nat", None, False),
        (SMALL, "nat2017", "1h", True),
        (GPU, None, None, False),
        (GPU, None, "1h", True),
    ],
)
def test_presets_stay_where_they_are_named_and_on_accelerators(
    machine: Machine, preset: str | None, budget: str | None, applies: bool, photos: Path
) -> None:
    config, left = opened(photos, preset=preset, budget=budget)
    assert (left is not None and left.applies_to(machine)) == applies
    if left is not None and (preset is not None or machine is GPU):
        assert choose_form(left, config, machine).config == config


def test_sets_that_come_with_natlib_stay_as_they_are() -> None:
    config = compose("image")
    assert left_open(config, partial(compose, "image"), {}) is None
    budget = left_open(config, partial(compose, "image"), {}, budget="10m")
    assert budget is not None
    assert choose_form(budget, config, SMALL).config == config


def test_a_budget_and_a_number_of_epochs_exclude_each_other(photos: Path) -> None:
    with pytest.raises(ConfigError, match=r"training.epochs is 7; give one of the two"):
        opened(photos, budget="1h", training__epochs=7)


# How long a run is.


@pytest.mark.parametrize(
    ("budget", "epoch_seconds", "epochs"),
    [
        # 85 % of half an hour, less the minute that has passed.
        (None, 20.0, int(1740 * 0.85 / 20)),
        (None, 1e-3, 100),  # as many as the preset has
        (None, 1e5, 1),
        ("2h", 10.0, int(7140 * 0.85 / 10)),
        ("30s", 1.0, 1),
    ],
)
def test_epochs_fit_into_the_time_that_is_left(
    budget: str | None, epoch_seconds: float, epochs: int, photos: Path
) -> None:
    config, left = opened(photos, budget=budget)
    assert left is not None
    found = with_epochs(left, Form(config), config, 10_000, epoch_seconds, 60.0).training
    assert found.epochs == epochs
    assert found.knn_every_epochs == max(1, epochs // 10)


def test_few_photos_are_shown_often_enough(photos: Path) -> None:
    config, left = opened(photos)
    assert left is not None
    form = Form(config, Candidate({}, "views", "--size 9"))
    assert with_epochs(left, form, config, 1000, 1e-3, 0.0).training.epochs == 250
    config, left = opened(photos, training__epochs=5)
    assert left is not None
    assert with_epochs(left, form, config, 1000, 1e-3, 0.0).training.epochs == 5


def test_three_lines_say_what_was_chosen(photos: Path) -> None:
    config, left = opened(photos)
    assert left is not None
    form = Form(config, candidates(240)[2], candidates(240)[3])
    config = with_epochs(left, form, compose("image", encoder="convnet"), 1435, 9.0, 0.0)
    lines = list(explanation(left, form, config, SMALL, 1435, 0.75, 12))
    assert lines[0] == (
        "For this machine (2 cores, 24 GiB of free memory, no accelerator) and 1,435 samples: "
        "views of 64 pixels, encoder 'convnet', batches of 128, 170 epochs."
    )
    assert lines[1].startswith("That takes about 30 min (0.75 s for each of 2,040 updates) and ")
    assert lines[1].endswith(" GiB of memory.")
    assert lines[2:] == ["For more, if you have the time: --size 96, --epochs N or --budget 1h."]


def test_a_line_says_when_even_one_epoch_takes_too_long(photos: Path) -> None:
    config, left = opened(photos)
    assert left is not None
    config = with_epochs(left, Form(config), config, 10**6, 7200.0, 0.0)
    last = list(explanation(left, Form(config), config, SMALL, 10**6, 2.0, 3600))[-1]
    assert last == "That is longer than 30 min: 1 epoch take so long. For less: --max-samples N."


# On this machine.


def test_an_encoder_is_timed_without_a_trace() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    recipe = compose("image", encoder="convnet").encoder
    assert recipe is not None
    small, large = (encoder_cost(recipe, (3, side, side), CPU) for side in (8, 32))
    assert torch.equal(torch.rand(3), expected)
    assert small.seconds > 0
    assert large.memory == pytest.approx(16 * small.memory, rel=0.1)


class Told(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_a_run_that_was_fitted_is_written_down_and_continues(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: dict[str, float]
) -> None:
    """The trial leaves no trace: the run equals one of the same settings that were given."""
    times["convnet"] = 1.0
    monkeypatch.setattr(opening_module, "seconds_of_update", _two_updates)
    asked: dict[str, Any] = {
        "out": tmp_path / "run", "modality": "image", "data": photos, "budget": "3m",
        "options": {"training": {"workers": 0, "device": "cpu"}},
        "settings": ["evaluation.final=false"],
    }  # fmt: skip
    told = Told()
    run = natlib.train(**asked, progress=told)
    written = RunDirectory(tmp_path / "run").read_config()
    assert written.data.size == 32  # type: ignore[attr-defined]
    assert 1 <= written.training.epochs <= 2
    assert len(told.lines) == 3
    plain = natlib.train(written, tmp_path / "plain")
    assert plain.step == run.step
    weights = [
        (tmp_path / name / "model" / "encoder.safetensors").read_bytes()
        for name in ("run", "plain")
    ]
    assert weights[0] == weights[1]
    # The same command again, on a machine that would choose otherwise.
    times["convnet"] = 1e-9
    again = natlib.train(**asked, continue_run=True)
    assert again.found_finished


def test_a_configuration_is_trained_as_it_is_and_options_beside_it_are_refused(
    tmp_path: Path,
) -> None:
    config = compose("image")
    for name, value in (("data", "photos"), ("modality", "image"), ("settings", ["a=1"])):
        with pytest.raises(ConfigError, match=rf"got both \({name}\)"):
            natlib.train(config, tmp_path / "run", **{name: value})
    with pytest.raises(ConfigError, match="no modality is named"):
        natlib.train(out=tmp_path / "run", data="photos")
    assert not (tmp_path / "run").exists()


def _two_updates(loop: Any, progress: Any) -> float:
    """A trial that trains, and says that an update takes a minute and a quarter."""
    loop.learner.objective.setup(Path("."))
    next(loop.run(SilentProgress()))
    loop.close()
    return 75.0


def test_a_micro_batch_keeps_the_batch_that_it_was_given_for(
    photos: Path, times: dict[str, float]
) -> None:
    config, left = opened(photos, training__micro_batch=100)
    assert left is not None
    form = choose_form(left, config, SMALL)
    assert form.config.training.batch_size == 256
    assert no_larger_batch(left, form.config, 30).training.batch_size == 256


def test_a_frozen_encoder_is_timed_too() -> None:
    class Frozen(MlpEncoder):
        def build(self, input_shape: tuple[int, ...]) -> Any:
            return super().build(input_shape).requires_grad_(False)

    cost = encoder_cost(Frozen(), (8,), CPU)
    assert cost.seconds > 0
    assert cost.memory == 0
