"""All components combine, or one line names the two settings that do not."""

import itertools
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from natlib.assignment import Assignment
from natlib.configuration import describe
from natlib.encoders import EncoderRecipe, Head, MlpEncoder
from natlib.errors import ConfigError
from natlib.objectives import NAT, Objective
from natlib.solvers import Solver
from natlib.targets import FromArray, Mixture, TargetDistribution
from tests.core.families import members
from tests.docs.pages import ROOT

SAMPLES, FEATURES = 16, 5
SMALL: dict[str, Any] = {"dim": 4}
TARGETS: dict[str, TargetDistribution] = {
    **{each.kind: each for each in members(TargetDistribution)},
    "mixture": Mixture(dim=4, repeat=2),
}
ASSIGNMENTS: dict[str, dict[str, Any]] = {
    **{each.kind: {"kind": each.kind} for each in members(Assignment)},
    "stream, class targets": {"kind": "stream", "class_targets": "labelled"},
    "bank, class targets": {"kind": "bank", "class_targets": "equal"},
}
SOLVERS = [each.kind for each in members(Solver)]
# All that does not go together, with what the message has to say.
REFUSED = {
    (targets, "cells"): ("targets", "assignment 'cells'", "set assignment to stream")
    for targets in ("gradient_prototypes", "mean_prototypes")
} | {
    (targets, f"{kind}, class targets"): ("targets are '", "assignment.class_targets", "mixture")
    for targets in TARGETS
    for kind in ("stream", "bank")
    if targets != "mixture"
}


def small(targets: TargetDistribution) -> TargetDistribution:
    """In four dimensions, where that can be chosen."""
    if isinstance(targets, FromArray):
        return targets
    return type(targets).model_validate(targets.model_dump() | SMALL)


def two_updates(objective: Objective, recipe: EncoderRecipe | None = None) -> None:
    """Train an encoder of vectors on two batches, and see that weights have moved."""
    torch.manual_seed(0)
    encoder = (recipe or MlpEncoder(widths=(8,))).build((FEATURES,))
    objective = objective.for_classes([4, 4])
    module = objective.build(encoder.dim, samples=SAMPLES)
    labels = (torch.arange(SAMPLES) % 4 - 2).clamp_min(-1)
    module.take_labels(labels, ["a", "b"])
    module.on_start(encoder)
    weights = [*encoder.parameters(), *module.parameters()]
    before = [weight.detach().clone() for weight in weights]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    data = torch.randn(SAMPLES, FEATURES)
    for epoch, index in enumerate(torch.arange(SAMPLES).split(SAMPLES // 2)):
        views = [data[index] + 0.1 * torch.randn(len(index), FEATURES) for _ in range(2)]
        inputs = [*views[: objective.views], *module.extra_inputs(views[: objective.views])]
        output = module(
            (encoder(each) for each in inputs),
            index,
            labels=labels[index],
            epoch=epoch,
            health=True,
        )
        assert output.loss.isfinite()
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
    module.merge()
    assert any(not torch.equal(a, b) for a, b in zip(before, weights, strict=True))
    assert all(weight.isfinite().all() for weight in weights)


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
@pytest.mark.parametrize("targets", TARGETS)
def test_targets_and_assignments_and_solvers(targets: str, assignment: str) -> None:
    solvers = SOLVERS if "cells" not in assignment else [None]
    for solver in solvers:
        values = ASSIGNMENTS[assignment] | ({"solver": solver} if solver else {})
        settings = {"targets": small(TARGETS[targets]), "assignment": values, "head": "linear"}
        if (targets, assignment) in REFUSED:
            with pytest.raises(ValidationError) as caught:
                NAT.model_validate(settings)
            said = describe(caught.value)
            assert "\n" not in said
            for words in REFUSED[targets, assignment]:
                assert words in said
            return
        two_updates(NAT.model_validate(settings))


@pytest.mark.parametrize("recipe", members(EncoderRecipe), ids=lambda recipe: recipe.kind)
@pytest.mark.parametrize("head", members(Head), ids=lambda head: head.kind)
@pytest.mark.parametrize("assignment", ["stream", "bank", "cells"])
def test_encoders_of_vectors_and_heads(recipe: EncoderRecipe, head: Head, assignment: str) -> None:
    if not type(recipe).__module__.startswith("natlib."):
        pytest.skip("for another modality")
    two_updates(NAT.model_validate({"head": head, "assignment": assignment}), recipe)


@pytest.mark.parametrize(
    "values",
    [
        dict(zip(("match_on", "teacher", "loss", "assignment"), each, strict=True))
        for each in itertools.product(
            ["mean", "first"],
            [None, {"momentum": 0.9}],
            [{}, {"repulsion": {}}, {"reduction": "sum"}],
            ["stream", "bank", "cells"],
        )
    ],
    ids=str,
)
def test_what_is_matched_teachers_and_losses(values: dict[str, Any]) -> None:
    two_updates(NAT.model_validate(values))


@pytest.mark.parametrize("partner", members(Objective), ids=lambda objective: objective.kind)
@pytest.mark.parametrize("assignment", ["stream", "bank", "cells"])
def test_beside_every_other_objective(partner: Objective, assignment: str) -> None:
    if partner.kind == "combined":
        pytest.skip("it is what combines them")
    nat = NAT.model_validate({"assignment": assignment})
    parts = {"nat": {"objective": nat}, "partner": {"objective": partner}}
    both = Objective.resolve({"kind": "combined", "parts": parts})
    if partner.kind == "rotation":
        with pytest.raises(ConfigError, match=r"'rotation' needs square images [^\n]*$"):
            two_updates(both)
        return
    two_updates(both)


def test_the_docs_say_what_goes_together() -> None:
    head = (
        "| targets | `stream`, `bank`, every solver | `cells` | `class_targets` |\n"
        "|---|---|---|---|\n"
    )
    rows = [
        f"| `{targets}` | yes | {_yes((targets, 'cells'))} | "
        f"{_yes((targets, 'stream, class targets'))} |\n"
        for targets in sorted(TARGETS)
    ]
    assert head + "".join(rows) + "\n" in (ROOT / "docs" / "assignments.md").read_text()


def _yes(pair: tuple[str, str]) -> str:
    return "no" if pair in REFUSED else "yes"
