"""The methods, what each of them starts from, and what is searched for each."""

import itertools
import random
from dataclasses import dataclass, field

__all__ = ["METHODS", "Method"]

_RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2)
_DECAYS = (1e-5, 1e-4, 1e-3)


@dataclass(frozen=True)
class Method:
    """An objective and its search space.

    Attributes:
        fixed: settings that every trial shares.
        start: the first trial: what the method's authors recommend, at our default optimiser.
        space: values of each setting that trials draw from.
    """

    fixed: dict[str, object]
    start: dict[str, object]
    space: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def trials(self, count: int, seed: int = 0) -> list[dict[str, object]]:
        """The start, then points of the space drawn without repetition.

        Every method gets as many as every other.
        """
        names = list(self.space)
        points = [
            dict(zip(names, values, strict=True))
            for values in itertools.product(*self.space.values())
        ]
        start = {name: self.start[name] for name in names}
        drawn = random.Random(seed).sample(points, len(points))
        return [start, *(point for point in drawn if point != start)][:count]

    def settings(self, trial: dict[str, object]) -> list[str]:
        """What ``natlib.compose`` takes."""
        return [f"{key}={_text(value)}" for key, value in (self.fixed | trial).items()]


def _text(value: object) -> str:
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _method(
    kind: str, start: dict[str, object], space: dict[str, tuple[object, ...]], **fixed: object
) -> Method:
    rate = {"training.optimizer.learning_rate": 4e-3, "training.optimizer.weight_decay": 1e-4}
    rates = {
        "training.optimizer.learning_rate": _RATES,
        "training.optimizer.weight_decay": _DECAYS,
    }
    named = {f"objective.{name}": value for name, value in fixed.items()}
    return Method({"objective.kind": kind, **named}, rate | start, rates | space)


METHODS = {
    # Starts from the preset of images, which came of arena a.
    "nat": _method(
        "nat",
        {
            "objective.targets.dim": 64,
            "objective.loss.repulsion.temperature": 0.1,
            "objective.assignment.temperature": 1.0,
        },
        {
            "objective.targets.dim": (32, 64, 128),
            "objective.loss.repulsion.temperature": (0.1, 0.15, 0.2, 0.3),
            "objective.assignment.temperature": (0.5, 1.0, 2.0),
        },
        **{
            "loss.repulsion.weight": 1.0,
            "assignment.kind": "cells",
            "assignment.points": 4096,
        },
    ),
    "nat_alone": _method(
        "nat",
        {
            "objective.targets.dim": 32,
            "objective.assignment.slots": 8,
            "objective.loss.target_weight": 3.0,
        },
        {
            "objective.targets.dim": (16, 32, 64, 128),
            "objective.assignment.slots": (8, 16, 32),
            "objective.loss.target_weight": (2.0, 4.0, 8.0),
        },
        # Attraction to matched targets alone: no sample is pushed away from those of the others.
        **{"loss.repulsion": "null", "assignment.kind": "stream"},
    ),
    "simclr": _method(
        "lightly_simclr",
        {"objective.temperature": 0.2, "objective.dim": 128},
        {"objective.temperature": (0.1, 0.2, 0.3, 0.5), "objective.dim": (64, 128, 256)},
    ),
    "dcl": _method(
        "lightly_dcl",
        {"objective.temperature": 0.1, "objective.dim": 128},
        {"objective.temperature": (0.1, 0.2, 0.3, 0.5), "objective.dim": (64, 128, 256)},
    ),
    "vicreg": _method(
        "lightly_vicreg",
        {"objective.covariance": 1.0, "objective.dim": 256, "objective.invariance": 25.0},
        {
            "objective.covariance": (0.25, 1.0, 4.0),
            "objective.dim": (128, 256, 512),
            "objective.invariance": (10.0, 25.0),
        },
    ),
    "barlow_twins": _method(
        "lightly_barlow_twins",
        {"objective.off_diagonal": 0.005, "objective.dim": 256, "objective.scale": 0.025},
        {
            "objective.off_diagonal": (0.002, 0.005, 0.02),
            "objective.dim": (128, 256, 512),
            "objective.scale": (0.025, 0.1),
        },
    ),
    "swav": _method(
        "lightly_swav",
        {"objective.temperature": 0.1, "objective.epsilon": 0.05, "objective.prototypes": 512},
        {
            "objective.temperature": (0.1, 0.2),
            "objective.epsilon": (0.03, 0.05, 0.1),
            "objective.prototypes": (128, 512, 1024),
        },
    ),
    "lejepa": _method(
        "lightly_lejepa",
        {"objective.sketch_weight": 0.05, "objective.dim": 64},
        {"objective.sketch_weight": (0.02, 0.05, 0.1, 0.2), "objective.dim": (16, 64, 128)},
    ),
    "byol": _method(
        "lightly_byol",
        {
            "objective.teacher.momentum": 0.996,
            "objective.dim": 256,
            "objective.predictor_width": 512,
        },
        {
            # The authors' 0.996 is for runs a hundred times as long as the shortest here.
            "objective.teacher.momentum": (0.9, 0.97, 0.99, 0.996),
            "objective.dim": (128, 256),
            "objective.predictor_width": (256, 512),
        },
    ),
    "simsiam": _method(
        "lightly_simsiam",
        {"objective.dim": 512, "objective.predictor_width": 128},
        {"objective.dim": (256, 512), "objective.predictor_width": (64, 128, 256)},
    ),
}
