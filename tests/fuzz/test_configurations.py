"""Random configurations: refused in one line that names a key, or right in every form."""

from pathlib import Path

import pytest

from natlib.configuration import dump_yaml
from tests.fuzz.configurations import draw, fault, outcome_of
from tests.fuzz.training import train
from tests.fuzz.values import show

SEED = 20_261_201
COUNT = 150
TRAINED = 8


@pytest.mark.parametrize("start", range(0, COUNT, 50))
def test_as_python_objects(start: int) -> None:
    for number in range(start, start + 50):
        case = draw(SEED, number)
        wrong = fault(case, outcome_of(case))
        assert wrong is None, f"seed {SEED}, case {number}, {case}: {wrong}"


def test_as_files(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for number in range(COUNT, COUNT + 50):
        case = draw(SEED, number)
        file.write_text(dump_yaml(case.options()), encoding="utf-8", errors="surrogatepass")
        wrong = fault(case, outcome_of(case, file))
        assert wrong is None, f"seed {SEED}, case {number}, {case}: {wrong}"


def test_some_are_trained() -> None:
    accepted = (
        (number, case)
        for number, case in ((number, draw(SEED, number)) for number in range(10**6))
        if outcome_of(case).config is not None
    )
    for _, (number, case) in zip(range(TRAINED), accepted, strict=False):
        ending = train(case)
        assert ending.kind != "fault", f"seed {SEED}, case {number}, {case}: {ending.words}"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x" * 100_000, ("objective.targets.dim", "(100,0")),
        ([1] * 100_000, ("objective.targets.dim", "characters)")),
        (10**6_000, ("objective.targets.dim", "thousands of digits")),
        (2**63, ("objective.targets.dim", "64 bits", "2^63 - 1")),
        (float("nan"), ("objective.targets.dim", "nan")),
        ("\ud800\x1b[2J", ("objective.targets.dim", r"\x1b[2J")),
    ],
    ids=show,
)
def test_what_is_said_is_short_and_printable(value: object, words: tuple[str, ...]) -> None:
    case = draw(SEED, 0)._replace(
        modality="image", preset="nat", changes={"objective.targets.dim": value}
    )
    found = outcome_of(case).refusal
    assert found is not None
    assert found.isprintable()
    assert len(found) < 1000
    for word in words:
        assert word in found
