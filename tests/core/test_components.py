"""A component is a value: how it is written, read, compared and refused."""

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from natlib.assignment import Stream
from natlib.component import Component, Registry, Settings, nearest, register
from natlib.configuration import describe
from natlib.data import Modality
from natlib.errors import ConfigError
from natlib.objectives import NAT, Objective
from natlib.solvers import Lapjv, Scipy, Solver
from natlib.targets import Gaussian, TargetDistribution, UniformSphere
from natlib.training.config import RunConfig
from tests.core.families import EVERYTHING, FAMILIES, MAKERS


def name(component: Component) -> str:
    return f"{component.registry.group}-{component.kind}"


def complaint(values: object, model: type[Settings] = NAT) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    text = describe(caught.value)
    assert "\n" not in text
    return text


def test_there_is_something_to_test() -> None:
    kinds = {name(component) for component in EVERYTHING}
    assert {
        "natlib.targets-uniform_sphere", "natlib.targets-gaussian", "natlib.solvers-lapjv",
        "natlib.solvers-scipy", "natlib.solvers-greedy", "natlib.objectives-nat",
        "natlib.heads-mlp", "natlib.heads-linear", "natlib.encoders-mlp",
    } <= kinds  # fmt: skip
    assert len(kinds) == len(EVERYTHING)


@pytest.mark.parametrize("component", EVERYTHING, ids=name)
class TestEveryComponent:
    def test_survives_a_round_trip_through_json(self, component: Component) -> None:
        family = next(cls for cls in FAMILIES if cls.registry is component.registry)
        assert type(component).model_validate_json(component.model_dump_json()) == component
        assert family.resolve(component.model_dump(mode="json")) == component
        if component.kind not in MAKERS:
            assert family.resolve(component.kind) == component
        assert family.resolve(component) is component

    def test_cannot_be_changed(self, component: Component) -> None:
        for field in type(component).model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(component, field, getattr(component, field))

    def test_is_hashable_by_value(self, component: Component) -> None:
        twin = type(component).model_validate(component.model_dump())
        assert twin is not component
        assert len({component, twin}) == 1

    def test_refuses_keys_that_it_does_not_know(self, component: Component) -> None:
        text = complaint({"kind": component.kind, "kindd": 1}, type(component))
        assert text == "unknown key 'kindd'; did you mean 'kind'?"

    def test_documents_every_field(self, component: Component) -> None:
        for field, info in type(component).model_fields.items():
            assert field == "kind" or info.description, f"{field} has no docstring"

    def test_kind_is_the_registered_name(self, component: Component) -> None:
        assert component.registry.get(component.kind) is type(component)
        assert component.kind in component.registry.kinds()


@pytest.mark.parametrize(
    "value",
    [
        UniformSphere(dim=7, seed=3),
        {"kind": "uniform_sphere", "dim": 7, "seed": 3},
        {"kind": "uniform_sphere", "dim": "7", "seed": 3.0},
    ],
)
def test_a_field_takes_an_instance_or_a_mapping(value: object) -> None:
    assert NAT.model_validate({"targets": value}).targets == UniformSphere(dim=7, seed=3)


def test_a_field_takes_a_bare_kind() -> None:
    assert Stream.model_validate({"solver": "scipy"}).solver == Scipy()
    assert NAT.model_validate({"targets": "gaussian"}).targets == Gaussian()


class TestModelCopy:
    """A copy with other values takes what the constructor takes."""

    def test_takes_values_and_kinds(self) -> None:
        copy = Stream(slots=2).model_copy(update={"slots": "4", "solver": "greedy"})
        assert copy == Stream(slots=4, solver="greedy")

    @pytest.mark.parametrize(
        ("update", "text"),
        [
            ({"slots": 0}, "slots: input should be greater than or equal to 1, got 0"),
            ({"slots": 2**70}, "slots: a whole number of 71 bits is more than any size"),
            ({"solver": torch.nn.Linear(2, 2)}, "solver: expected one solver"),
            ({"solver": UniformSphere()}, "solver: expected one solver"),
            ({"slot": 3}, "unknown key 'slot'; did you mean 'slots'?"),
        ],
    )
    def test_refuses_others_where_they_are_given(self, update: dict[str, Any], text: str) -> None:
        with pytest.raises((ConfigError, ValidationError)) as caught:
            Stream().model_copy(update=update)
        assert describe(caught.value).startswith(text)

    def test_a_bare_module_is_no_encoder(self) -> None:
        config = RunConfig(data={"kind": "vector"})
        with pytest.raises(ValidationError) as caught:
            config.model_copy(update={"encoder": torch.nn.Linear(2, 2)})
        text = describe(caught.value)
        assert text.startswith("encoder: expected a recipe that builds the encoder, got the module")
        assert "EncoderRecipe" in text

    def test_keeps_what_is_not_a_field(self) -> None:
        fitted = Modality.resolve("vector").resolved()
        assert fitted.model_copy(update={"max_samples": 5}).fitted() == fitted.fitted()


def test_values_are_part_of_identity() -> None:
    assert UniformSphere(dim=8) != UniformSphere(dim=9)
    assert UniformSphere(dim=8) != Gaussian(dim=8)
    two, again, three = (NAT(assignment=Stream(slots=slots)) for slots in (2, 2, 3))
    assert hash(two) == hash(again) != hash(three)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"targets": {"kind": "unifrm_sphere"}},
            "targets: unknown target distribution 'unifrm_sphere'; did you mean 'uniform_sphere'?",
        ),
        (
            {"assignment": {"kind": "stream", "solver": "zzz"}},
            "assignment.solver: unknown solver 'zzz'; expected one of: <solvers>",
        ),
        ({"targest": "gaussian"}, "unknown key 'targest'; did you mean 'targets'?"),
        (
            {"targets": {"kind": "gaussian", "scael": 2}},
            "unknown key 'targets.scael'; did you mean 'scale'?",
        ),
        (
            {"targets": {"dim": 8}},
            "targets: the target distribution needs a 'kind'; expected one of: <targets>",
        ),
        (
            {"assignment": {"kind": "stream", "solver": 3}},
            "assignment.solver: expected one solver (a mapping with 'kind', or the name of a "
            "kind), got 3",
        ),
        (
            {"assignment": {"kind": "stream", "solver": None}},
            "assignment.solver: expected one solver (a mapping with 'kind', or the name of a "
            "kind), got None",
        ),
        (
            {"targets": Lapjv()},
            "targets: expected one target distribution (a mapping with 'kind', or the name of a "
            "kind), got Lapjv(kind='lapjv', levels=1048576)",
        ),
        (
            {"targets": {"kind": "gaussian", "dim": "many"}},
            "targets.dim: input should be a valid integer, unable to parse string as an integer, "
            "got 'many'",
        ),
        (
            {"targets": {"kind": "gaussian", "dim": 0}},
            "targets.dim: input should be greater than or equal to 1, got 0",
        ),
        (
            {"targets": {"kind": "gaussian", "seed": 2**64}},
            f"targets.seed: input should be less than {2**64}, got {2**64}",
        ),
        (
            {"head": {"kind": "mlp", "widths": [64, 0]}},
            "head.widths.1: input should be greater than 0, got 0",
        ),
    ],
)
def test_complaints_say_what_and_where(values: object, text: str) -> None:
    # Read here: test modules that are imported later register kinds of their own.
    for name, family in (("<solvers>", Solver), ("<targets>", TargetDistribution)):
        text = text.replace(name, ", ".join(family.registry.kinds()))
    assert complaint(values) == text


def test_complaints_from_deep_inside_carry_the_whole_path() -> None:
    config = {"data": "image", "objective": {"kind": "nat", "targets": {"kind": "gauss"}}}
    assert complaint(config, RunConfig) == (
        "objective.targets: unknown target distribution 'gauss'; did you mean 'gaussian'?"
    )
    config["objective"] = {"kind": "nat", "targets": {"kind": "gaussian", "sede": 1}}
    assert complaint(config, RunConfig) == (
        "unknown key 'objective.targets.sede'; did you mean 'seed'?"
    )


def test_nearest_gives_all_when_nothing_is_near() -> None:
    assert nearest("dimm", ["dim", "seed"]) == "did you mean 'dim'?"
    assert nearest("xyz", ["seed", "dim"]) == "expected one of: dim, seed"
    assert nearest("xyz", []) == "expected one of: (none)"


def test_two_classes_of_one_kind_are_an_error() -> None:
    registry: Registry[Component] = Registry("thing", "natlib.test_things")

    class First(Component):
        kind: str = "same"

    class Second(Component):
        kind: str = "same"

    registry.add(First)
    registry.add(First)  # a module that is loaded again
    with pytest.raises(ConfigError, match=r"two things are called 'same'.*First.*Second"):
        registry.add(Second)


def test_a_class_of_somebody_else_works_without_being_registered() -> None:
    class Ones(TargetDistribution):
        kind: str = "ones"

        def rows(self, slot: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.ones(*slot.shape, self.dim, dtype=dtype)

        def project(self, z: torch.Tensor) -> torch.Tensor:
            return z

    assert NAT(targets=Ones(dim=3)).targets == Ones(dim=3)
    assert "ones" not in TargetDistribution.registry.kinds()


def test_register_returns_the_class_and_lists_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Solver.registry, "_builtin", dict(Solver.registry._builtin))

    class Backwards(Scipy):
        kind: str = "backwards"  # type: ignore[assignment]

    assert register(Backwards) is Backwards
    assert Solver.resolve("backwards") == Backwards()
    assert "backwards" in Solver.registry.kinds()
    assert "backwards" not in Objective.registry.kinds()
