"""Random configurations, each a function of a seed and a number."""

import copy
import math
import random
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

import natlib
from natlib.assignment import Assignment
from natlib.component import Component
from natlib.configuration import dump_yaml, parse_yaml, preset_names
from natlib.data import Modality
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError, NatlibError
from natlib.objectives import Objective
from natlib.solvers import Solver
from natlib.targets import TargetDistribution
from natlib.training import RunConfig
from tests.fuzz.values import nasty_value, near, show

__all__ = ["Case", "Outcome", "draw", "fault", "outcome_of"]

# A change of one of these is followed by a change of what stands below.
_FAMILIES: dict[str, type[Component]] = {
    "objective": Objective,
    "objective.targets": TargetDistribution,
    "objective.assignment": Assignment,
    "objective.assignment.solver": Solver,
    "encoder": EncoderRecipe,
}
_MODALITIES = ("audio", "image", "text", "vector")


class Case(NamedTuple):
    """A configuration: a modality, a preset, and keys with values."""

    modality: str
    preset: str
    changes: dict[str, Any]

    def __str__(self) -> str:
        changes = ", ".join(f"{key}={show(value)}" for key, value in self.changes.items())
        return f"{self.modality}/{self.preset}: {changes}"

    def options(self) -> dict[str, Any]:
        """The changes as a nested mapping."""
        nested: dict[str, Any] = {}
        for path, value in self.changes.items():
            place = nested
            *above, last = path.split(".")
            for key in above:
                inner = place.setdefault(key, {})
                if not isinstance(inner, dict):
                    inner = {"kind": inner}
                    place[key] = inner
                place = inner
            if isinstance(place.get(last), dict) and not isinstance(value, dict):
                value = {**place[last], "kind": value}
            place[last] = copy.deepcopy(value)
        return nested


class Outcome(NamedTuple):
    """What came of a case: the configuration, or the error that refuses it."""

    config: RunConfig | None
    refusal: str | None


def draw(seed: int, number: int) -> Case:
    """Case ``number`` of a seed."""
    chance = random.Random(f"{seed}/{number}")
    modality = chance.choice(_MODALITIES)
    preset = chance.choice(_presets(modality))
    changes: dict[str, Any] = {}
    for path, family in _FAMILIES.items():
        if chance.random() < 0.15:
            changes[path] = chance.choice(family.registry.kinds())
    base = _composed(modality, preset, tuple(changes.items()))
    if base is None:
        changes, base = {}, _composed(modality, preset, ())
    assert base is not None
    keys = list(base)
    for key in chance.sample(keys, chance.choice([1, 1, 1, 2, 3])):
        # Values near to those that make sense are accepted more often.
        changes[key] = near(chance, base[key]) if chance.random() < 0.4 else nasty_value(chance)
    return Case(modality, preset, changes)


@lru_cache
def _presets(modality: str) -> list[str]:
    return sorted(preset_names(Modality.registry.get(modality).presets))


@lru_cache(maxsize=2048)
def _composed(
    modality: str, preset: str, changes: tuple[tuple[str, Any], ...]
) -> dict[str, Any] | None:
    """All keys of a configuration, with their values; None if it is refused."""
    options = Case(modality, preset, dict(changes)).options()
    try:
        config = natlib.compose(modality, preset=preset, options=options)
    except ConfigError:
        return None
    return dict(_keys(config))


def _keys(settings: BaseModel, above: str = "") -> Iterator[tuple[str, Any]]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name != "kind":
            yield above + name, value
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{above}{name}.")
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                if isinstance(inner, BaseModel):
                    yield from _keys(inner, f"{above}{name}.{key}.")


def outcome_of(case: Case, file: Path | None = None) -> Outcome:
    """Compose a case, as Python objects, or as the text of a file.

    Raises:
        Exception: anything but an error of natlib's own: a fault.
    """
    try:
        if file is None:
            config = natlib.compose(case.modality, preset=case.preset, options=case.options())
        else:
            config = natlib.compose(case.modality, preset=case.preset, file=file)
    except NatlibError as error:
        return Outcome(None, str(error))
    return Outcome(config, None)


def fault(case: Case, outcome: Outcome) -> str | None:
    """What is wrong with how a case ended; None if nothing is."""
    if outcome.refusal is not None:
        text = outcome.refusal
        if not text.isprintable():
            return f"not one printable line: {show(text)}"
        if len(text) > 2000:
            return f"{len(text)} characters: {text[:300]}..."
        words = {word for key in case.changes for word in key.split(".")}
        words |= {"modality"} if "data" in words else set()
        if not any(word in text for word in words):
            return f"names none of {sorted(words)}: {text}"
        return None
    assert outcome.config is not None
    dumped = outcome.config.model_dump(mode="json")
    try:
        read = RunConfig.model_validate(parse_yaml(dump_yaml(dumped), "the configuration"))
    except Exception as error:  # of any kind: it was accepted
        return f"accepted, and cannot be read again: {type(error).__name__}: {error}"
    if read != outcome.config:
        return f"accepted, and another one when read again: {_difference(outcome.config, read)}"
    bad = [key for key, value in _numbers(dumped) if not math.isfinite(value)]
    if bad:
        return f"accepted, and not finite: {bad}"
    return None


def _difference(left: RunConfig, right: RunConfig) -> str:
    a, b = dict(_leaves(left.model_dump())), dict(_leaves(right.model_dump()))
    found = [key for key in a.keys() | b.keys() if a.get(key) != b.get(key)]
    return ", ".join(f"{key}: {show(a.get(key))} and {show(b.get(key))}" for key in found[:3])


def _leaves(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{above}.{key}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{above}[{number}]")
    else:
        yield above, value


def _numbers(value: Any) -> Iterator[tuple[str, float]]:
    for key, leaf in _leaves(value):
        if isinstance(leaf, float):
            yield key, leaf
