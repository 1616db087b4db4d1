"""Parts that break their contract in one way each: the checks find it, and say where."""

import itertools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from natlib.assignment import Assigned, Step, Stream, StreamModule
from natlib.encoders import Encoder, EncoderRecipe, MlpEncoder, StagedEncoder
from natlib.objectives import NAT, NATModule, ObjectiveOutput
from natlib.solvers import Problem, Scipy, Solution
from natlib.targets import Gaussian, TargetModule, UniformSphere
from natlib.testing import (
    ContractError,
    check_assignment,
    check_encoder,
    check_objective,
    check_solver,
    check_target,
)


def assert_found(check: Callable[[], object], name: str, *words: str) -> None:
    """The check with that name fails, in one line."""
    with pytest.raises(ContractError) as caught:
        check()
    text = str(caught.value)
    assert f"fails the check '{name}': " in text, text
    assert "\n" not in text
    assert "; expected " in text
    for word in words:
        assert word in text
    assert isinstance(caught.value, AssertionError)


class Sphere(UniformSphere):
    """Not registered: a part may be checked before it is installed."""

    kind: Literal["my_sphere"] = "my_sphere"  # type: ignore[assignment]


def test_a_part_that_is_not_installed_can_be_checked() -> None:
    assert "one name" in check_target(Sphere())


class TestTargets:
    class WrongShape(Sphere):
        def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
            return super().rows(slot.reshape(-1), dtype)

    class Single(Sphere):
        def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
            return super().rows(slot).to(dtype).float()

    class Overflows(Sphere):
        def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
            rows = super().rows(slot, dtype)
            return torch.where(slot[..., None] == 2**62, torch.nan, rows)

    class ByPosition(Sphere):
        def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
            place = torch.arange(slot.numel()).view(slot.shape)
            return super().rows((slot + place) % 2**60, dtype)

    class Drawn(Sphere):
        def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
            torch.rand(1)
            return super().rows(slot, dtype)

    class NoSeed(Sphere):
        def rows(self, slot: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
            return UniformSphere(dim=self.dim).rows(slot, dtype)

    class OffSphere(Gaussian):
        kind: Literal["off_sphere"] = "off_sphere"  # type: ignore[assignment]

        @property
        def on_sphere(self) -> bool:
            return True

    class Learned(Sphere):
        @property
        def learned(self) -> bool:
            return True

    class OtherWhenBuilt(Sphere):
        def build(self) -> TargetModule:
            return TargetModule(Gaussian(dim=self.dim))

    class Silent(Sphere):
        extra: int = 1

    class Mutable(Sphere):
        """Its value cannot be hashed."""

        extra: list[int] = [1]  # noqa: RUF012
        """A list."""

    class Loud(Sphere):
        def project(self, z: Tensor) -> Tensor:
            raise RuntimeError("first\nsecond")

    @pytest.mark.parametrize(
        ("cls", "name", "words"),
        [
            (WrongShape, "shapes and types", ["expected torch.float32 [128]"]),
            (Single, "shapes and types", ["torch.float64"]),
            (Overflows, "finite and different", ["NaN"]),
            (ByPosition, "a pure function of the slot", []),
            (Drawn, "no hidden state", ["global generator"]),
            (NoSeed, "the seed counts", ["self.seed"]),
            (OffSphere, "the space of the targets", ["norm 1"]),
            (Learned, "built", ["no state"]),
            (OtherWhenBuilt, "built", []),
            (Silent, "documented", ["'extra'"]),
            (Mutable, "equal by value", []),
            (Loud, "the space of the targets", ["RuntimeError: first second"]),
        ],
    )
    def test_found(self, cls: type[Any], name: str, words: list[str]) -> None:
        assert_found(lambda: check_target(cls()), name, *words)


class My(Scipy):
    kind: Literal["mine"] = "mine"  # type: ignore[assignment]


class TestSolvers:
    class Twice(My):
        def _solve(self, problem: Problem) -> Solution:
            return Solution(problem.cost.argmin(-1))

    class NotExact(My):
        def _solve(self, problem: Problem) -> Solution:
            return Solution(torch.arange(problem.rows).expand(problem.cost.shape[:2]))

    class FalseGap(My):
        exact: ClassVar[bool] = False

        def _solve(self, problem: Problem) -> Solution:
            rows = torch.arange(problem.rows).expand(problem.cost.shape[:2])
            return Solution(rows, torch.full((len(problem.cost),), 1e-3, dtype=torch.float64))

    class NoMask(My):
        def _solve(self, problem: Problem) -> Solution:
            return super()._solve(Problem(problem.cost))

    class Worst(My):
        exact: ClassVar[bool] = False

        def _solve(self, problem: Problem) -> Solution:
            if problem.allowed is not None:
                return super()._solve(problem)
            found = super()._solve(Problem(-problem.cost))
            return Solution(found.columns, torch.full((len(problem.cost),), torch.inf).double())

    class Drawn(My):
        """Breaks ties by chance."""

        def _solve(self, problem: Problem) -> Solution:
            cost = problem.cost
            noise = 1e-9 * cost.abs().amax((1, 2), keepdim=True) * torch.rand(cost.shape)
            solution = super()._solve(Problem(cost.double() + noise, problem.allowed))
            return solution._replace(total=None)

    class Tolerance(My):
        """Takes small costs for equal."""

        def _solve(self, problem: Problem) -> Solution:
            cost = torch.where(problem.cost.abs() < 1e-20, 0.0, problem.cost)
            return super()._solve(Problem(cost, problem.allowed))

    class InPlace(My):
        def _solve(self, problem: Problem) -> Solution:
            found = super()._solve(problem)
            problem.cost.sub_(1.0)
            return found

    class AnyShape(My):
        def solve(self, cost: Tensor, allowed: Tensor | None = None) -> Any:
            if cost.shape[-2] > cost.shape[-1]:
                cost = cost[..., : cost.shape[-1], :]
            return super().solve(cost, allowed)

    @pytest.mark.parametrize(
        ("cls", "name"),
        [
            (Twice, "one-to-one, true cost and gap"),
            (NotExact, "one-to-one, true cost and gap"),
            (FalseGap, "one-to-one, true cost and gap"),
            (NoMask, "masks"),
            (Worst, "better than chance"),
            (Drawn, "deterministic"),
            (Tolerance, "constants and factors"),
            (InPlace, "one-to-one, true cost and gap"),
            (AnyShape, "errors"),
        ],
    )
    def test_found(self, cls: type[Any], name: str) -> None:
        assert_found(lambda: check_solver(cls()), name)


class Mine(NAT):
    kind: Literal["my_nat"] = "my_nat"  # type: ignore[assignment]
    module: ClassVar[type[NATModule]] = NATModule

    def build(self, feature_dim: int, samples: int | None = None) -> NATModule:
        return self.module(self, feature_dim, samples)


def broken(module_class: type[NATModule]) -> type[Mine]:
    class Broken(Mine):
        module: ClassVar[type[NATModule]] = module_class

    return Broken


class Detached(NATModule):
    def forward(self, features: Iterable[Tensor], *args: Any, **named: Any) -> ObjectiveOutput:
        return super().forward([view.detach() for view in features], *args, **named)


class PassesGradients(NATModule):
    def forward(self, *args: Any, **named: Any) -> ObjectiveOutput:
        output = super().forward(*args, **named)
        return output._replace(parts={"target": output.loss})


class Spare(NATModule):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.spare = nn.Linear(2, 2)


class TwicePerView(NATModule):
    def forward(self, features: Iterable[Tensor], *args: Any, **named: Any) -> ObjectiveOutput:
        first = len(list(features))  # a generator is empty now
        assert first
        return super().forward(list(features) or [torch.zeros(24, 12)] * 2, *args, **named)


class Forgetful(NATModule):
    """Counts steps where no checkpoint looks."""

    steps = 0

    def forward(self, *args: Any, **named: Any) -> ObjectiveOutput:
        output = super().forward(*args, **named)
        self.steps += 1
        return output._replace(loss=output.loss / self.steps)


class AlwaysTrains(NATModule):
    def forward(self, *args: Any, **named: Any) -> ObjectiveOutput:
        self.assignment.counter.taken += 1
        return super().forward(*args, **named)


class Blind(NATModule):
    def forward(self, features: Iterable[Tensor], *args: Any, **named: Any) -> ObjectiveOutput:
        return super().forward([view.nan_to_num(0.0) for view in features], *args, **named)


class Rounds(NATModule):
    def forward(self, *args: Any, **named: Any) -> ObjectiveOutput:
        output = super().forward(*args, **named)
        half = output.loss.bfloat16() if torch.is_autocast_enabled("cpu") else output.loss
        return output._replace(loss=half)


class Moves(NATModule):
    def merge(self) -> None:
        self.assignment.counter.taken += 1


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (PassesGradients, "loss, parts and health"),
        (Detached, "gradients"),
        (Spare, "gradients"),
        (TwicePerView, "views one by one"),
        (Forgetful, "resuming from a state"),
        (AlwaysTrains, "evaluation changes nothing"),
        (Moves, "merging alone changes nothing"),
        (Blind, "NaN is noticed"),
        (Rounds, "autocast"),
    ],
)
def test_objectives(module: type[NATModule], name: str) -> None:
    assert len(check_objective(Mine())) >= 14
    assert_found(lambda: check_objective(broken(module)()), name)


class MyStream(Stream):
    kind: Literal["my_stream"] = "my_stream"  # type: ignore[assignment]
    module: ClassVar[type[StreamModule]] = StreamModule

    def build(self, targets: TargetModule, samples: int | None = None) -> StreamModule:
        return self.module(self, targets)


class Flat(StreamModule):
    def finish(self, pending: Any) -> Assigned:
        assigned = super().finish(pending)
        return assigned._replace(targets=assigned.targets.mean(0))


class TakesAtOnce(StreamModule):
    def begin(self, z_BD: Tensor, step: Step) -> Any:
        pending = super().begin(z_BD, step)
        self.counter.taken += 1
        return pending


class TakesInEvaluation(StreamModule):
    def finish(self, pending: Any) -> Assigned:
        assigned = super().finish(pending)
        self.counter.taken += 1
        return assigned


class OtherWhenEarly(StreamModule):
    def begin(self, z_BD: Tensor, step: Step) -> Any:
        return super().begin(-z_BD if step.more_views else z_BD, step)


class PreviewTakes(StreamModule):
    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        self.counter.taken += 1
        return super().preview(z_BD, seed)


class PreviewWithoutSeed(StreamModule):
    def preview(self, z_BD: Tensor, seed: int) -> Assigned:
        return super().preview(z_BD, 0)


class Memory(StreamModule):
    """Remembers where no checkpoint looks."""

    steps = 0

    def finish(self, pending: Any) -> Assigned:
        self.steps += self.training
        assigned = super().finish(pending)
        return assigned._replace(targets=assigned.targets / max(1, self.steps))


class OwnsTargets(StreamModule):
    def __init__(self, config: Stream, targets: TargetModule) -> None:
        super().__init__(config, targets)
        self.again = targets


class MergeCounts(StreamModule):
    def merge(self) -> None:
        self.counter.taken += 1


class BlindToNaN(StreamModule):
    def begin(self, z_BD: Tensor, step: Step) -> Any:
        return super().begin(z_BD.nan_to_num(0.0), step)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (Flat, "targets, measures and classes"),
        (TakesAtOnce, "begin changes nothing"),
        (TakesInEvaluation, "evaluation changes nothing"),
        (OtherWhenEarly, "beginning early changes no answer"),
        (PreviewTakes, "previews"),
        (PreviewWithoutSeed, "previews"),
        (Memory, "the state carries on"),
        (OwnsTargets, "targets belong to the objective"),
        (MergeCounts, "merging alone changes nothing"),
        (BlindToNaN, "NaN is noticed"),
    ],
)
def test_assignments(module: type[StreamModule], name: str) -> None:
    class Broken(MyStream):
        pass

    Broken.module = module
    assert len(check_assignment(MyStream())) >= 14
    assert_found(lambda: check_assignment(Broken()), name)


class Recipe(EncoderRecipe):
    kind: Literal["my_mlp"] = "my_mlp"
    made: ClassVar[Callable[[int], Encoder]]

    def build(self, input_shape: tuple[int, ...]) -> Encoder:
        return type(self).made(input_shape[0])


class Plain(Encoder):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer, self.dim = nn.Linear(width, 4), 4

    def forward(self, inputs: Tensor) -> Tensor:
        out: Tensor = self.layer(inputs)
        return out

    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        return {"layer": self(inputs)}


class WrongDim(Plain):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.dim = 5


class OtherStage(Plain):
    def stages(self, inputs: Tensor) -> dict[str, Tensor]:
        return {"layer": self(inputs).relu()}


class BatchDependent(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        out = super().forward(inputs)
        return out - out.mean(0) if len(out) > 1 else out


class Dropping(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        return torch.dropout(super().forward(inputs), 0.5, train=True)


class WritesInputs(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs.relu_())


class Constant(Plain):
    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) * 0.0


class Unused(Plain):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.spare = nn.Linear(2, 2)


class Hidden(Plain):
    """Weights that no state holds."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.hidden = [torch.randn(4)]

    def forward(self, inputs: Tensor) -> Tensor:
        return super().forward(inputs) + self.hidden[0]


count = itertools.count()


class OwnGenerator(Plain):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        own = torch.Generator().manual_seed(next(count))
        nn.init.normal_(self.layer.weight, generator=own)


class SameWeights(Plain):
    def __init__(self, width: int) -> None:
        super().__init__(width)
        nn.init.constant_(self.layer.weight, 0.1)
        nn.init.zeros_(self.layer.bias)


@pytest.mark.parametrize(
    ("encoder", "name"),
    [
        (WrongDim, "features"),
        (OtherStage, "stages"),
        (BatchDependent, "samples are independent"),
        (Dropping, "stages"),
        (WritesInputs, "samples are independent"),
        (Constant, "samples are independent"),
        (Unused, "every weight has a gradient"),
        (OwnGenerator, "fresh builds follow the seed"),
        (SameWeights, "fresh builds follow the seed"),
        (Hidden, "the state can be loaded"),
    ],
)
def test_encoders(encoder: type[Plain], name: str) -> None:
    class Broken(Recipe):
        made: ClassVar[Callable[[int], Encoder]] = encoder

    class Whole(Recipe):
        made: ClassVar[Callable[[int], Encoder]] = Plain

    assert len(check_encoder(Whole(), (6,))) >= 12
    assert_found(lambda: check_encoder(Broken(), (6,)), name)


def test_inputs_that_are_not_noise() -> None:
    class Tokens(EncoderRecipe):
        kind: Literal["tokens"] = "tokens"

        def build(self, input_shape: tuple[int, ...]) -> Encoder:
            stages = {"embed": nn.EmbeddingBag(20, 8)}
            return StagedEncoder(dict(stages), 8)

    inputs = torch.randint(0, 20, (8, 5), generator=torch.Generator().manual_seed(0))
    assert len(check_encoder(Tokens(), (5,), inputs)) >= 12
    with pytest.raises(ContractError, match="it raised"):
        check_encoder(Tokens(), (5,))


def test_torchs_generators_stay_as_they_are() -> None:
    torch.manual_seed(3)
    state = torch.get_rng_state()
    numpy_state = np.random.get_state()[1].copy()  # type: ignore[index]
    check_encoder(MlpEncoder(), (6,))
    check_solver(Scipy())
    check_objective(NAT())
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # type: ignore[index]
