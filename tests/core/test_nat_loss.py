"""NAT's loss and gradient against plain loops and finite differences."""

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from natlib.assignment import Bank, Stream
from natlib.objectives import NAT, NATLoss, NATModule, Repulsion
from natlib.solvers import Scipy, Solver
from natlib.targets import TargetDistribution
from tests.core.families import MAKERS, members
from tests.core.nat_parts import Watched, built, counter_of, features_of, project, table_of

BATCH = 6
INDEX = torch.tensor([7, 3, 44, 0, 21, 12])
KINDS = [targets.kind for targets in members(TargetDistribution) if not targets.learned]
TARGETS = [{"kind": kind, "dim": 5} for kind in KINDS if kind not in MAKERS]
BANK_AND_STREAM = [
    {"views": views, "assignment": {"kind": kind, "slots": slots}}
    for kind, views, slots in itertools.product(("bank", "stream"), (1, 2, 3), (1, 3))
    if not (kind == "stream" and views == 1)
]


def squared(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def loss_by_loops(module: NATModule, features: list[Tensor], own: Tensor) -> float:
    """The loss of the documented formula, without a tensor operation."""
    config = module.config
    z = [[project(config.targets, row) for row in view.tolist()] for view in features]
    views, batch, dim = len(z), len(z[0]), len(z[0][0])
    matched = z[0]
    if config.match_on == "mean":
        means = [
            [sum(z[v][i][k] for v in range(views)) / views for k in range(dim)]
            for i in range(batch)
        ]
        matched = [project(config.targets, row) for row in means]
    centroid = [[0.0] * dim for _ in range(batch)]
    for layer in own.tolist():
        distances = [[squared(point, target) for target in layer] for point in matched]
        for i, column in zip(*linear_sum_assignment(distances), strict=True):
            for k in range(dim):
                centroid[i][k] += layer[column][k] / len(own)
    total = 0.0
    for i in range(batch):
        aim = project(config.targets, centroid[i]) if config.loss.repulsion else centroid[i]
        to_target = sum(squared(z[v][i], aim) for v in range(views)) / views
        total += config.loss.attraction * to_target
        pairs = list(itertools.combinations(range(views), 2))
        if pairs:
            between = sum(squared(z[v][i], z[w][i]) for v, w in pairs) / len(pairs)
            total += config.loss.alignment_weight * between
        if config.loss.repulsion:
            total += config.loss.repulsion.weight * crowding_by_loops(config, z, centroid, i)
    return total if config.loss.reduction == "sum" else total / batch


def crowding_by_loops(
    config: NAT, z: list[list[list[float]]], centroid: list[list[float]], i: int
) -> float:
    """Mean over views of the log density of the other samples' targets around sample i."""
    assert config.loss.repulsion is not None
    variance = config.loss.repulsion.temperature
    total = 0.0
    for view in z:
        others = [project(config.targets, c) for j, c in enumerate(centroid) if j != i]
        kernels = [math.exp(-squared(view[i], c) / (2 * variance)) for c in others]
        total += math.log(sum(kernels) / len(kernels)) / len(z)
    return total


def own_targets(module: NATModule) -> Tensor:
    """The targets that the samples hold before the next step."""
    assignment = module.config.assignment
    if isinstance(assignment, Bank):
        slot = table_of(module).slots(INDEX)
    else:
        assert isinstance(assignment, Stream)
        slot = counter_of(module).peek(assignment.slots * BATCH).view(-1, BATCH)
    return module.targets.rows(slot, torch.float64).detach()


# What is matched, how terms are added up, and repulsion.
LOSSES = list(itertools.product(["mean", "first"], ["mean", "sum"], [None, 0.9]))
# Everything with everything for targets on the sphere and off it; other kinds differ in their rows
# alone, and meet one of these with each assignment.
CASES = [
    (values, targets, *loss)
    for kind, targets in enumerate(TARGETS)
    for place, values in enumerate(BANK_AND_STREAM)
    for loss in (
        LOSSES
        if targets["kind"] in ("uniform_sphere", "gaussian")
        else [LOSSES[(kind + place) % len(LOSSES)]]
    )
]


@pytest.mark.parametrize(
    ("values", "targets", "match_on", "reduction", "repulsion"), CASES, ids=str
)
def test_loss_equals_plain_loops(
    values: dict[str, Any],
    targets: dict[str, Any],
    match_on: str,
    reduction: str,
    repulsion: float | None,
) -> None:
    kernel = repulsion and {"weight": repulsion, "temperature": 0.4}
    module = built(
        views=values["views"], targets=targets, match_on=match_on,
        assignment=values["assignment"] | {"solver": "scipy"},
        loss={
            "target_weight": 1.7, "alignment": 0.6 if values["views"] > 1 else None,
            "reduction": reduction, "repulsion": kernel,
        },
    )  # fmt: skip
    assert module.loss_is_sum is (reduction == "sum")
    for step in range(3):
        features = features_of(values["views"], BATCH, seed=step)
        expected = loss_by_loops(module, features, own_targets(module))
        output = module(features, INDEX)
        assert output.loss.item() == pytest.approx(expected, rel=1e-12)
        # The parts are means, not weighted: together they give the loss.
        whole = 1.7 * output.parts["target"] + 0.6 * output.parts["alignment"]
        if repulsion:
            whole = whole + repulsion * output.parts["repulsion"]
        count = BATCH if reduction == "sum" else 1
        torch.testing.assert_close(count * whole, output.loss.detach())


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("repulsion", [1.0, 0.4])
def test_attraction_and_repulsion_are_a_decoupled_softmax(slots: int, repulsion: float) -> None:
    """On the sphere: what the others' centroids weigh in the softmax that finds one's own."""
    temperature = 0.3
    module = built(
        assignment={"kind": "stream", "slots": slots, "solver": "scipy"},
        loss={
            "alignment": 0.0,
            "repulsion": {"weight": repulsion, "temperature": temperature},
        },
    ).eval()
    features = features_of(2, BATCH)
    own = own_targets(module)
    z = [F.normalize(view.detach(), dim=-1) for view in features]
    mean = F.normalize(z[0] + z[1], dim=-1)
    matched = [layer[Scipy().match(mean, layer).columns] for layer in own]
    centroids = F.normalize(torch.stack(matched).mean(0), dim=-1)
    expected = 0.0
    for view in z:
        logits = view @ centroids.T / temperature
        negatives = logits.masked_fill(torch.eye(BATCH, dtype=torch.bool), -torch.inf)
        expected += float((negatives.logsumexp(-1) - logits.diagonal()).mean()) / 2
    expected = repulsion * (expected - math.log(BATCH - 1))
    assert module(features, INDEX).loss.item() == pytest.approx(expected)


def test_the_weight_of_the_target_can_be_set() -> None:
    assert NATLoss().attraction == 3.0
    repulsion = Repulsion(weight=1.0, temperature=0.1)
    assert NATLoss(repulsion=repulsion).attraction == 5.0
    assert NATLoss(repulsion=repulsion, target_weight=0.7).attraction == 0.7


def test_a_single_sample_has_no_repulsion() -> None:
    module = built(loss={"repulsion": {"weight": 1.0}})
    features = features_of(2, 1)
    output = module(features, INDEX[:1])
    assert float(output.parts["repulsion"]) == 0.0
    output.loss.backward()
    assert all(torch.isfinite(view.grad).all() for view in features if view.grad is not None)


@pytest.mark.parametrize("solver", [s for s in members(Solver) if s.exact], ids=lambda s: s.kind)
def test_every_exact_solver_gives_the_same_loss(solver: Solver) -> None:
    losses = [
        built(assignment={"kind": "stream", "solver": one, "slots": 3})(
            features_of(2, 40), torch.arange(40)
        ).loss.item()
        for one in (solver, "scipy")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-12)


@pytest.mark.parametrize("values", BANK_AND_STREAM, ids=str)
@pytest.mark.parametrize("targets", TARGETS, ids=lambda t: t["kind"])
@pytest.mark.parametrize("repulsion", [None, {"weight": 1.0}])
def test_gradient_equals_finite_differences(
    values: dict[str, Any], targets: dict[str, Any], repulsion: dict[str, float] | None
) -> None:
    module = built(**values, targets=targets, loss={"repulsion": repulsion}).eval()

    # Evaluation changes no state, so that every call sees the same slots; the stream matches
    # in every call, and a tiny step changes no matching.
    def loss(*features: Tensor) -> Tensor:
        result: Tensor = module(features, INDEX).loss
        return result

    # In a random direction; in each of them it takes ten times as long.
    assert torch.autograd.gradcheck(loss, features_of(values["views"], BATCH), fast_mode=True)


@pytest.mark.parametrize("kind", ["bank", "stream"])
def test_gradient_reaches_the_head(kind: str) -> None:
    module = built(head="linear", assignment={"kind": kind}).eval()
    features = features_of(2, BATCH)
    names = [name for name, _ in module.named_parameters()]
    assert names == ["head.weight", "head.bias"]

    def loss(*parameters: Tensor) -> Tensor:
        given = dict(zip(names, parameters, strict=True))
        output = torch.func.functional_call(module, given, (features, INDEX))
        result: Tensor = output.loss
        return result

    assert torch.autograd.gradcheck(loss, tuple(module.parameters()))


@pytest.mark.parametrize("kind", ["bank", "stream"])
@pytest.mark.parametrize("match_on", ["mean", "first"])
def test_no_gradient_passes_through_what_is_matched(kind: str, match_on: str) -> None:
    Watched.seen.clear()
    module = built(
        match_on=match_on, targets={"kind": "gaussian", "dim": 5},
        assignment={"kind": kind, "solver": Watched(), "slots": 1},
        loss={"alignment": 0.0, "target_weight": 1.0},
    )  # fmt: skip
    own = own_targets(module)[0]
    features = features_of(2, BATCH)
    module(features, INDEX).loss.backward()
    assert Watched.seen == [(torch.float64, False)]
    # With the matching held, the gradient of mean |z - c|^2 / 2 views is (z - c) / b.
    matched = features[0] if match_on == "first" else (features[0] + features[1]) / 2
    columns = Watched().match(matched, own).columns
    for view in features:
        torch.testing.assert_close(view.grad, (view.detach() - own[columns]) / BATCH)


def test_the_target_of_the_first_view_is_learnt_by_the_other_too() -> None:
    features = features_of(2, BATCH)
    built(match_on="first")(features, INDEX).loss.backward()
    for view in features:
        assert view.grad is not None
        assert (view.grad.abs().sum(-1) > 0).all()


@pytest.mark.parametrize("values", BANK_AND_STREAM[1::2], ids=str)
def test_loss_does_not_depend_on_the_order_of_samples_or_views(values: dict[str, Any]) -> None:
    order = torch.tensor([4, 0, 3, 5, 1, 2])
    features = features_of(values["views"], BATCH)
    plain = built(**values)(features, INDEX).loss.item()
    moved = [view[order] for view in reversed(features)]
    assert built(**values)(moved, INDEX[order]).loss.item() == pytest.approx(plain, rel=1e-12)


def test_the_paper_is_a_special_case() -> None:
    """1/2 of the summed squared distance to targets of one's own, assigned optimally."""
    module = built(
        views=1,
        assignment={"kind": "bank", "slots": 1},
        loss={"alignment": 0.0, "target_weight": 0.5, "reduction": "sum"},
    )
    (view,) = features_of(1, BATCH)
    unit = view / view.norm(dim=-1, keepdim=True)
    own = own_targets(module)[0]
    everyone = torch.tensor(list(itertools.permutations(range(BATCH))))
    best = (unit - own[everyone]).square().sum((-1, -2)).min() / 2
    torch.testing.assert_close(module([view], INDEX).loss, best)
    torch.testing.assert_close(own_targets(module)[0].sort(0).values, own.sort(0).values)


def test_more_slots_approach_the_centroid() -> None:
    """Targets averaged over m slots are shorter than 1 on the sphere, and more so for more."""
    features = features_of(2, BATCH)
    losses = []
    for slots in (1, 4, 64):
        output = built(assignment={"kind": "stream", "slots": slots})(features, INDEX)
        losses.append(float(output.parts["target"]))
    assert losses[0] > losses[1] > losses[2]
