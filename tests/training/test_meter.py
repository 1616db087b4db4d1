"""The meter against sums by hand; the note that watchers read."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from natlib.objectives import NAT, Combined, Objective, Part, VICReg
from natlib.training import SilentProgress, train
from natlib.training import meter as meter_module
from natlib.training import run as run_module
from natlib.training.meter import Meter
from tests.training.support import toy_config


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Time that passes only when it is told to."""
    now = 100.0

    def passes(seconds: float) -> None:
        nonlocal now
        now += seconds

    monkeypatch.setattr(meter_module.time, "perf_counter", lambda: now)
    return passes


def test_everything_adds_up_as_it_was_asked_to(clock: Callable[[float], None]) -> None:
    meter = Meter(("solver", "loader"))
    for value in (1.0, 2.0, 6.0):
        meter.average("loss", torch.tensor(value))
        meter.average("loss", torch.tensor(1.0))  # a second batch of the same update
        meter.latest({"rank": torch.tensor(value), "solver_seconds": torch.tensor(0.5)})
        meter.count("right", 1, 4)
        meter.trained(16)
        meter.updated()
    meter.count("never asked", 0, 0)
    meter.spent("loader", 1.0)
    clock(6.0)
    assert meter.read(updates_left=10) == {
        "loss": 4.0, "rank": 6.0, "right": 25.0, "seconds_left": 20.0,
        "samples_per_second": 8.0, "solver_share": 0.25, "loader_share": pytest.approx(1 / 6),
    }  # fmt: skip


def test_it_starts_anew_when_it_is_read(clock: Callable[[float], None]) -> None:
    meter = Meter(("solver",))
    meter.latest({"solver_seconds": torch.tensor(3.0), "rank": torch.tensor(2.0)})
    meter.updated()
    clock(3.0)
    assert meter.read(0)["solver_share"] == 1.0
    meter.average("loss", torch.tensor(1.5))
    meter.updated()
    clock(2.0)
    assert meter.read(3) == {
        "loss": 1.5, "seconds_left": 6.0, "samples_per_second": 0.0, "solver_share": 0.0,
    }  # fmt: skip


def test_another_meter_goes_on_from_what_was_measured(clock: Callable[[float], None]) -> None:
    def measure(meter: Meter, values: tuple[float, ...]) -> None:
        for value in values:
            meter.average("loss.of.a.part", torch.tensor(value))
            meter.latest({"rank": torch.tensor(value), "solver_seconds": torch.tensor(0.5)})
            meter.count("right", 1, 4)
            meter.trained(16)
            meter.updated()
            clock(2.0)

    whole, part, rest = (Meter(("solver", "loader")) for _ in range(3))
    measure(whole, (0.1, 0.2, 0.3))
    expected = whole.read(5)
    part.restart()
    measure(part, (0.1,))
    rest.load_state_dict(part.state_dict())
    clock(1000.0)  # between the two processes
    rest.resume()
    measure(rest, (0.2, 0.3))
    assert rest.read(5) == expected
    # After a reading, nothing is left of it.
    assert rest.state_dict().keys() == Meter(("solver", "loader")).state_dict().keys()


def test_seconds_that_nobody_announced_are_a_metric(clock: Callable[[float], None]) -> None:
    meter = Meter()
    meter.latest({"other_seconds": torch.tensor(3.0)})
    meter.updated()
    clock(1.0)
    assert meter.read(0)["other_seconds"] == 3.0


def test_what_is_kept_does_not_change_with_the_tensor_that_was_given() -> None:
    meter = Meter()
    value = torch.tensor(1.0)
    meter.average("loss", value)
    value += 5
    meter.updated()
    assert meter.read(0)["loss"] == 1.0


def test_the_note_leaves_out_what_a_line_lacks() -> None:
    shown = ("matched {matched:.2f} (random {random:.2f})", "right {right:.0f} %")
    values = {"loss": 1.0, "matched": 0.5, "right": 75.0}
    assert run_module._note(values, shown) == "loss 1.000  right 75 %"
    assert run_module._note(values | {"random": 0.25}, shown) == (
        "loss 1.000  matched 0.50 (random 0.25)  right 75 %"
    )


class Notes(SilentProgress):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: set[str] = set()

    def advance(self, done: int, note: str = "") -> None:
        self.notes.add(" ".join(word for word in note.split() if word[-1].isalpha()))


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (NAT(), "loss matched (random"),
        (VICReg(), "loss"),
        (
            Combined(parts={"spread": Part(objective=VICReg()), "nat": Part(objective=NAT())}),
            "loss",
        ),
        (
            Combined(parts={"nat": Part(objective=NAT()), "spread": Part(objective=VICReg())}),
            "loss matched (random",
        ),
    ],
)
def test_objectives_say_what_is_shown(objective: Objective, expected: str, tmp_path: Path) -> None:
    notes = Notes()
    train(toy_config(objective, epochs=1), tmp_path / "run", progress=notes)
    assert notes.notes - {""} == {expected}
