"""A run with components of one program says how another program can load it."""

from typing import Literal

import pytest
from pydantic import ValidationError

from natlib.configuration import describe_saved
from natlib.encoders import Encoder, EncoderRecipe, MlpEncoder
from natlib.objectives import NAT
from natlib.targets import Mixture, UniformSphere
from natlib.training.config import RunConfig
from natlib.training.own_kinds import own_kinds


class Own(EncoderRecipe):
    """Not registered at all, as in a notebook where that was forgotten."""

    kind: Literal["own"] = "own"

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        return MlpEncoder(widths=(4,)).build(input_shape)


class OwnTargets(UniformSphere):
    """Deep inside a configuration."""

    kind: Literal["own_targets"] = "own_targets"  # type: ignore[assignment]


def config(**parts: object) -> RunConfig:
    return RunConfig.model_validate({"data": {"kind": "vector"}, **parts})


def test_what_is_installed_is_not_mentioned() -> None:
    assert list(own_kinds(config(encoder="mlp"))) == []


def test_each_is_mentioned_once_with_its_entry_points() -> None:
    inside = NAT(targets=Mixture(components=(OwnTargets(), OwnTargets(seed=1))))
    encoder, targets = own_kinds(config(encoder=Own(), objective=inside))
    assert encoder.startswith(f"The encoder 'own' is defined in module {__name__}: ")
    assert "the group natlib.encoders" in encoder
    assert targets.startswith("The target distribution 'own_targets' is defined in ")
    assert "the group natlib.targets" in targets


def told(**parts: object) -> str:
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(config().model_dump() | parts)
    return describe_saved(caught.value)


def test_reading_it_elsewhere_says_how() -> None:
    text = told(encoder={"kind": "own"})
    assert text.startswith("encoder: unknown encoder 'own'; ")
    assert "has to be imported first" in text
    assert "natlib.encoders" in text


def test_other_faults_are_told_as_ever() -> None:
    assert "imported" not in told(training={"epochs": 0})
