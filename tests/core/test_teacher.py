"""The teacher: its averages, its loss, and that it passes no gradient."""

import itertools
import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from natlib.configuration import describe
from natlib.encoders import MlpEncoder
from natlib.errors import ConfigError
from natlib.objectives import NAT, CombinedModule, NATModule, Objective, Teacher, TeacherModule
from natlib.solvers import Scipy
from tests.core.nat_parts import Watched, counter_of

DIM, BATCH = 5, 6
INDEX = torch.arange(BATCH)
VIEWS = torch.randn(3, BATCH, 7, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def encoder(seed: int = 0) -> nn.Module:
    """With a batch norm in it."""
    torch.manual_seed(seed)
    return MlpEncoder(widths=(9, 8)).build((7,)).double()


def built(student: nn.Module, **values: Any) -> NATModule:
    """With a teacher of the student, and targets in 5 dimensions."""
    values = {"targets": {"kind": "uniform_sphere", "dim": DIM}, "teacher": {}} | values
    torch.manual_seed(7)
    module = NAT.model_validate(values).build(8, samples=50).double()
    module.on_start(student)
    return module


def step(module: NATModule, student: nn.Module, count: int = 2) -> Any:
    views = list(VIEWS[:count])
    assert module.extra_inputs(views) == []
    return module([student(view) for view in views], INDEX)


def teacher_of(module: NATModule) -> TeacherModule:
    assert module.teacher is not None
    return module.teacher


def moved(student: nn.Module, module: nn.Module, seed: int) -> None:
    """Other weights, as an update makes them."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in (*student.parameters(), *module.parameters()):
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight))


@pytest.mark.parametrize("momentum", [0.0, 0.6, 0.99, 1.0])
def test_the_average_after_k_updates_has_a_closed_form(momentum: float) -> None:
    student = encoder()
    module = built(student, teacher={"momentum": momentum, "schedule": "constant"})
    trained = [*student.parameters(), *module.head.parameters()]
    kept = [[weight.detach().clone() for weight in trained]]
    for k in range(1, 6):
        moved(student, module, seed=k)
        kept.append([weight.detach().clone() for weight in trained])
        module.after_update(student, k / 5)
        # m^k w_0 + (1 - m) sum_i m^(k-i) w_i
        shares = [momentum**k, *((1 - momentum) * momentum ** (k - i) for i in range(1, k + 1))]
        assert sum(shares) == pytest.approx(1)
        teacher = teacher_of(module)
        averages = [*teacher.encoder.parameters(), *teacher.head.parameters()]
        for place, average in enumerate(averages):
            terms = [share * each[place] for share, each in zip(shares, kept, strict=True)]
            torch.testing.assert_close(average.detach(), torch.stack(terms).sum(0))


def test_the_momentum_rises_to_1_as_in_byol() -> None:
    teacher = Teacher(momentum=0.99)
    for k in range(11):
        published = 1 - (1 - 0.99) * (math.cos(math.pi * k / 10) + 1) / 2
        assert teacher.momentum_at(k / 10) == pytest.approx(published, abs=1e-15)
    assert teacher.momentum_at(0) == 0.99
    assert teacher.momentum_at(1) == 1
    assert Teacher(momentum=0.99, schedule="constant").momentum_at(0.7) == 0.99


def test_weights_that_do_not_change_are_averaged_exactly() -> None:
    student = encoder()
    module = built(student, teacher={"momentum": 0.3})
    before = {name: value.clone() for name, value in teacher_of(module).state_dict().items()}
    for number in range(50):
        module.after_update(student, number / 50)
    assert all(torch.equal(v, before[n]) for n, v in teacher_of(module).state_dict().items())


@pytest.mark.parametrize("match_on", ["mean", "first"])
@pytest.mark.parametrize("count", [2, 3])
def test_loss_equals_plain_loops(match_on: str, count: int) -> None:
    student = encoder()
    module = built(
        student,
        match_on=match_on,
        views=count,
        assignment={"kind": "stream", "slots": 2, "solver": "scipy"},
        loss={"target_weight": 1.7, "alignment": 0.6},
    )
    moved(student, module, seed=3)

    def unit(z: Tensor) -> Tensor:
        return z / z.norm(dim=-1, keepdim=True)

    teacher = teacher_of(module)
    z = [unit(module.head(student(view))) for view in VIEWS[:count]]
    t = [unit(teacher.head(teacher.encoder(view))) for view in VIEWS[:count]]
    matched = z[0] if match_on == "first" else unit(torch.stack(z).mean(0))
    slots = counter_of(module).peek(2 * BATCH).view(2, BATCH)
    own = module.config.targets.rows(slots, torch.float64)
    columns = Scipy().match(matched.detach(), own).columns
    centroid = own.gather(1, columns[..., None].expand_as(own)).mean(0)
    pairs = list(itertools.permutations(range(count), 2))
    expected = 1.7 * torch.stack([(z_v - centroid).square().sum(-1) for z_v in z]).mean()
    expected += 0.6 * torch.stack([(z[v] - t[w]).square().sum(-1) for v, w in pairs]).mean()
    output = step(module, student, count)
    torch.testing.assert_close(output.loss, expected)
    whole = 1.7 * output.parts["target"] + 0.6 * output.parts["alignment"]
    torch.testing.assert_close(whole, expected.detach())


def test_no_gradient_passes_through_the_teacher() -> None:
    Watched.seen.clear()
    student = encoder()
    module = built(student, assignment={"kind": "stream", "solver": Watched(), "slots": 1})
    step(module, student).loss.backward()
    assert Watched.seen == [(torch.float64, False)]
    assert all(weight.grad is None for weight in teacher_of(module).parameters())
    assert all(weight.grad is not None for weight in student.parameters())
    # The gradient is that of a loss in which the teacher's embeddings are numbers.
    assert module._teacher_views is None
    found = [weight.grad.clone() for weight in student.parameters() if weight.grad is not None]
    again = encoder()
    other = built(encoder(), assignment={"kind": "stream", "slots": 1, "solver": "scipy"})
    with torch.no_grad():
        other.extra_inputs(list(VIEWS[:2]))
    assert other._teacher_views is not None
    assert not any(z.requires_grad for z in other._teacher_views)
    other([again(view) for view in VIEWS[:2]], INDEX).loss.backward()
    for weight, gradient in zip(again.parameters(), found, strict=True):
        torch.testing.assert_close(weight.grad, gradient)


def test_buffers_are_the_teachers_own() -> None:
    student = encoder()
    module = built(student)
    moved(student, module, seed=2)
    norm = next(m for m in teacher_of(module).encoder.modules() if isinstance(m, nn.BatchNorm1d))
    layer = next(m for m in teacher_of(module).encoder.modules() if isinstance(m, nn.Linear))
    step(module, student)
    assert norm.running_mean is not None
    # Of its weights' outputs, not of the student's: 0.9 and 0.99 are torch's shares of the past.
    means = [layer(view).mean(0).detach() for view in VIEWS[:2]]
    torch.testing.assert_close(norm.running_mean, 0.09 * means[0] + 0.1 * means[1])
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.after_update(student, 0.5)
    buffers = [name for name, _ in module.named_buffers()]
    assert len(buffers) >= 6
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in buffers)
    # Evaluation changes nothing.
    before = {name: value.clone() for name, value in module.state_dict().items()}
    module.eval()
    step(module, student)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_without_a_teacher_there_is_none() -> None:
    student = encoder()
    plain = built(student, teacher=None)
    assert not any("teacher" in name for name in plain.state_dict())
    assert plain.extra_inputs(list(VIEWS)) == []
    assert plain._teacher_views is None


def test_each_part_of_a_combination_has_its_own() -> None:
    student = encoder()
    part = {"kind": "nat", "targets": {"kind": "uniform_sphere", "dim": DIM}}
    slow, fast = ({"momentum": m, "schedule": "constant"} for m in (0.9, 0.5))
    config = Objective.resolve(
        {
            "kind": "combined",
            "parts": {
                "slow": {"objective": part | {"teacher": slow}},
                "fast": {"objective": part | {"teacher": fast}},
                "spread": {"objective": "vicreg"},
            },
        }
    )
    module = config.build(8).double()
    module.on_start(student)
    begun = next(student.parameters()).detach().clone()
    views = list(VIEWS[:2])
    assert module.extra_inputs(views) == []
    module([student(view) for view in views], INDEX).loss.backward()
    moved(student, module, seed=1)
    module.after_update(student, 0.0)
    now = next(student.parameters()).detach()
    assert isinstance(module, CombinedModule)
    for name, momentum in (("slow", 0.9), ("fast", 0.5)):
        nat = module.modules_by_name()[name]
        assert isinstance(nat, NATModule)
        first = next(teacher_of(nat).encoder.parameters())
        torch.testing.assert_close(first.detach(), momentum * begun + (1 - momentum) * now)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"teacher": {}, "views": 1, "assignment": {"kind": "bank"}},
            "views is 1, loss.alignment 1; set views to 2 and loss.alignment above 0, or leave",
        ),
        ({"teacher": {}, "loss": {"alignment": 0}}, "views is 2, loss.alignment 0; set views to 2"),
        ({"teacher": {"momentum": 1.1}}, "teacher.momentum: "),
        ({"teacher": {"momemtum": 1}}, "unknown key 'teacher.momemtum'; did you mean 'momentum'?"),
    ],
)
def test_invalid_settings_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        NAT.model_validate(values)
    assert text in describe(caught.value)
    assert "\n" not in describe(caught.value)


def test_a_loop_without_extra_inputs_is_an_error() -> None:
    student = encoder()
    module = built(student)
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"call on_start\(encoder\) once, then extra_"):
            module([student(view) for view in VIEWS[:2]], INDEX)
        # What was seen in an earlier step does not count for a later one.
        step(module, student)
