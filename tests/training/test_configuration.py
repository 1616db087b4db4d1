"""Assignments, layers, errors in one line, and that a configuration survives being written."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from natlib.component import Component
from natlib.configuration import (
    commented_yaml,
    describe,
    dump_yaml,
    merge,
    parse_setting,
    parse_yaml,
    read_yaml,
)
from natlib.data import Modality
from natlib.encoders import Head, MlpEncoder
from natlib.errors import ConfigError
from natlib.objectives import NAT
from natlib.solvers import Solver
from natlib.targets import TargetDistribution, UniformSphere
from natlib.training import (
    SGD,
    AdamW,
    Constant,
    Cosine,
    EvaluationConfig,
    RunConfig,
    TrainingConfig,
    compose,
)
from tests.evaluation.gaussian_blobs import GaussianBlobs
from tests.training.support import toy_config

# --- assignments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", {"a": 1}),
        ("a.b.c=2.5", {"a": {"b": {"c": 2.5}}}),
        ("a=1e-3", {"a": 0.001}),
        ("a=-1e3", {"a": -1000.0}),
        ("a=.5", {"a": 0.5}),
        ("a=true", {"a": True}),
        ("a=null", {"a": None}),
        ("a=", {"a": None}),
        ("a= ", {"a": None}),
        ("a=some text", {"a": "some text"}),
        ("a=1e", {"a": "1e"}),
        ("a=inf", {"a": "inf"}),
        ("a=.inf", {"a": math.inf}),
        ("a=on", {"a": "on"}),
        ("a=off", {"a": "off"}),
        ("a=no", {"a": "no"}),
        ("a=1:30", {"a": "1:30"}),
        ("a=2020-12-24", {"a": "2020-12-24"}),
        ("a=1_000", {"a": "1_000"}),
        ("a=~", {"a": None}),
        ("a={b: no, c: [1:30, 1e-3]}", {"a": {"b": "no", "c": ["1:30", 0.001]}}),
        # Text without quotes goes on to its end, whatever is in it.
        ("a=photos #1", {"a": "photos #1"}),
        ("a=# 1", {"a": "# 1"}),
        ("a=b: c", {"a": "b: c"}),
        ("a=*.png", {"a": "*.png"}),
        ("a=!x", {"a": "!x"}),
        ("a=- x", {"a": "- x"}),
        ("a=2020-12", {"a": "2020-12"}),
        ("a='1'", {"a": "1"}),
        ("a=x=y", {"a": "x=y"}),
        ("a=[1, 2]", {"a": [1, 2]}),
        ("a={kind: nat, views: 2}", {"a": {"kind": "nat", "views": 2}}),
        (" a =1", {"a": 1}),
        ("a=C:/photos", {"a": "C:/photos"}),
    ],
)
def test_setting(text: str, expected: dict[str, Any]) -> None:
    assert parse_setting(text) == expected


@pytest.mark.parametrize("text", ["", "a", "=1", " =1"])
def test_setting_without_key_and_value(text: str) -> None:
    with pytest.raises(ConfigError, match=f"cannot read the setting '{text}'; expected key=value"):
        parse_setting(text)


@given(
    st.lists(st.from_regex(r"[a-z_]+", fullmatch=True), min_size=1, max_size=4),
    st.one_of(st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False)),
)
def test_setting_reads_what_yaml_and_json_write(keys: list[str], value: Any) -> None:
    expected: Any = value
    for key in reversed(keys):
        expected = {key: expected}
    if not (isinstance(value, float) and math.isinf(value)):
        assert parse_setting(f"{'.'.join(keys)}={json.dumps(value)}") == expected
    text = dump_yaml(value).strip()
    assert parse_setting(f"{'.'.join(keys)}={text}") == expected


# --- layers

VALUES = st.integers(0, 9) | st.none()
# Keys a, b, c hold values, d and e hold keys: no layer puts keys where another has a value.
TREES = st.recursive(
    st.dictionaries(st.sampled_from("abc"), VALUES),
    lambda inner: st.fixed_dictionaries({}, optional={"a": VALUES, "d": inner, "e": inner}),
    max_leaves=8,
)


def leaves(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    found: dict[str, Any] = {}
    for key in tree:
        found |= leaves(tree[key], f"{prefix}.{key}")
    return found


@given(st.lists(TREES, max_size=4))
def test_merging_takes_each_leaf_from_the_highest_layer(layers: list[dict[str, Any]]) -> None:
    merged = leaves(merge(TrainingConfig, layers))
    assert merged.keys() == {path for layer in layers for path in leaves(layer)}
    for path, value in merged.items():
        holders = [leaves(layer)[path] for layer in layers if path in leaves(layer)]
        assert value == holders[-1]


@given(TREES)
def test_merging_a_layer_with_nothing_or_with_itself_changes_nothing(tree: dict[str, Any]) -> None:
    for layers in ([tree], [{}, tree], [tree, {}], [tree, tree]):
        assert merge(TrainingConfig, layers) == tree


def nat(**settings: Any) -> dict[str, Any]:
    return {"objective": {"kind": "nat", **settings}}


SPHERE = {"kind": "uniform_sphere", "dim": 7, "seed": 3}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        # The same kind: keys are laid over each other.
        (nat(targets=SPHERE), nat(targets={"dim": 8}), nat(targets=SPHERE | {"dim": 8})),
        # Another kind: keys that it shares stay.
        (
            nat(targets=SPHERE),
            nat(targets={"kind": "gaussian"}),
            nat(targets=SPHERE | {"kind": "gaussian"}),
        ),
        (nat(targets=SPHERE), nat(targets="gaussian"), nat(targets=SPHERE | {"kind": "gaussian"})),
        (
            nat(targets={"kind": "gaussian", "scale": 2.0, "dim": 5}),
            nat(targets="uniform_sphere"),
            nat(targets={"kind": "uniform_sphere", "dim": 5}),
        ),
        (
            nat(head={"kind": "mlp", "widths": [3]}),
            nat(head="linear"),
            nat(head={"kind": "linear"}),
        ),
        # A bare kind below, keys above.
        (
            nat(targets="gaussian"),
            nat(targets={"dim": 4}),
            nat(targets={"kind": "gaussian", "dim": 4}),
        ),
        # An unknown kind keeps everything: validating says what is wrong.
        (nat(targets=SPHERE), nat(targets="cube"), nat(targets=SPHERE | {"kind": "cube"})),
        # Nothing below, or nothing above.
        ({"encoder": None}, {"encoder": {"widths": [3]}}, {"encoder": {"widths": [3]}}),
        ({"encoder": {"kind": "mlp"}}, {"encoder": None}, {"encoder": None}),
        # Lists are values, not layers.
        (
            {"encoder": {"widths": [1, 2]}},
            {"encoder": {"widths": [3]}},
            {"encoder": {"widths": [3]}},
        ),
    ],
)
def test_merging_components(low: Any, high: Any, expected: Any) -> None:
    assert merge(RunConfig, [low, high]) == expected


def test_merging_does_not_change_its_layers() -> None:
    low, high = nat(targets=dict(SPHERE)), nat(targets={"kind": "gaussian"})
    merge(RunConfig, [low, high])
    assert (low, high) == (nat(targets=SPHERE), nat(targets={"kind": "gaussian"}))


def test_keys_over_a_value_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^objective.head: expected keys and values, got 3$"):
        merge(RunConfig, [nat(head=3), nat(head={"widths": [3]})])


def test_a_modality_without_presets() -> None:
    assert compose("gaussian_blobs").data == GaussianBlobs()
    made = compose("gaussian_blobs", settings=["data.train=40", "training.epochs=3"])
    assert made == RunConfig(data=GaussianBlobs(train=40), training=TrainingConfig(epochs=3))
    with pytest.raises(ConfigError, match="unknown preset 'nat'"):
        compose("gaussian_blobs", preset="nat")


def test_composing_over_a_configuration() -> None:
    base = toy_config()
    assert compose(base=base) == base
    changed = compose(base=base, options={"training": {"epochs": 9}}, settings=["data.train=50"])
    assert changed.training == base.training.model_copy(update={"epochs": 9})
    assert changed.data == GaussianBlobs(train=50, test=40)


# --- errors in one line


def problem(values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        RunConfig.model_validate(values)
    return describe(caught.value)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "data: a value is needed"),
        (
            {"data": "gaussian_blobs", "trainning": {}},
            "unknown key 'trainning'; did you mean 'training'?",
        ),
        (
            {"data": {"kind": "gaussian_blobs", "tain": 3}},
            "unknown key 'data.tain'; did you mean 'train'?",
        ),
        (
            {"data": {"kind": "gaussian_blobs", "train": 0}},
            "data.train: input should be greater than or equal to 1, got 0",
        ),
        (
            {"data": "gaussian_blobs", **nat(targets={"kind": "gaussian", "dim": "many"})},
            "objective.targets.dim: input should be a valid integer, unable to parse string as an "
            "integer, got 'many'",
        ),
        (
            {"data": "gaussian_blobs", **nat(assignment={"kind": "stream", "solver": "lapvj"})},
            "objective.assignment.solver: unknown solver 'lapvj'; did you mean 'lapjv'?",
        ),
        (
            {"data": "gaussian_blobs", "training": {"batchsize": 1, "epochs": 0}},
            "unknown key 'training.batchsize'; did you mean 'batch_size'?",
        ),
        (
            {
                "data": "gaussian_blobs",
                "training": {"optimizer": {"kind": "adamw", "betas": [1, 2, 3]}},
            },
            "training.optimizer.betas: tuple should have at most 2 items after validation, not 3, "
            "got [1, 2, 3]",
        ),
    ],
)
def test_describe(values: Any, expected: str) -> None:
    assert problem(values) == expected


def test_describe_names_three_problems_at_most() -> None:
    bad = {"epochs": 0, "batch_size": 0, "accumulate": 0, "workers": -1}
    text = problem({"data": "gaussian_blobs", "training": bad})
    assert [part.split(":")[0] for part in text.split("; ")] == [
        "training.epochs", "training.batch_size", "training.accumulate",
    ]  # fmt: skip


def test_describe_other_errors() -> None:
    assert describe(ValueError("two\n  lines")) == "two lines"


# --- round trips


def components(family: type[Component]) -> st.SearchStrategy[Any]:
    everything = [family.registry.get(kind) for kind in family.registry.kinds()]
    # Those that can be made of nothing but default values.
    simple = [
        cls
        for cls in everything
        if not any(
            field.is_required() and name != "dim" for name, field in cls.model_fields.items()
        )
    ]
    return st.sampled_from(simple)


@st.composite
def configurations(draw: st.DrawFn) -> RunConfig:
    dim = draw(st.integers(1, 4096))
    bank = draw(st.booleans())
    views = draw(st.integers(1 if bank else 2, 4))
    head = draw(components(Head))()
    targets = draw(components(TargetDistribution))(dim=dim, seed=draw(st.integers(0, 2**32)))
    objective = NAT(
        targets=targets,
        head=head,
        views=views,
        assignment={
            "kind": "bank" if bank else "stream",
            "solver": draw(components(Solver))(),
            "slots": draw(st.integers(1, 16)),
        }
        | ({"every": draw(st.integers(1, 9))} if bank else {}),
        loss={"alignment": draw(st.floats(0, 1e6)) if views > 1 else None},
    )
    training = TrainingConfig(
        epochs=draw(st.integers(1, 10**6)),
        optimizer=draw(
            st.builds(
                AdamW,
                learning_rate=st.floats(1e-12, 1e3),
                betas=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
            )
            | st.builds(SGD, momentum=st.floats(0, 0.99))
        ),
        schedule=draw(st.sampled_from([Constant(warmup_steps=3), Cosine(final_factor=0.1)])),
        clip_gradient=draw(st.none() | st.floats(1e-9, 1e9)),
        workers=draw(st.none() | st.integers(0, 64)),
        compile=draw(st.booleans()),
    )
    source = draw(st.none() | st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
    image = Modality.registry.get("image")(source=source, size=32, mean=(0, 0.1, 1))
    data = draw(st.sampled_from([GaussianBlobs(source=source), image]))
    widths = tuple(draw(st.lists(st.integers(1, 512), min_size=1, max_size=5)))
    return RunConfig(
        preset=draw(st.none() | st.sampled_from(["nat", "digits"])),
        data=data,
        encoder=draw(st.none() | st.just(MlpEncoder(widths=widths))),
        objective=objective,
        training=training,
        evaluation=EvaluationConfig(weight_decays=draw(st.tuples(st.floats(0, 1)))),
    )


@settings(max_examples=20)
@given(configurations())
def test_a_configuration_survives_every_way_of_writing_it(config: RunConfig) -> None:
    plain = config.model_dump(mode="json")
    assert RunConfig.model_validate(plain) == config
    assert RunConfig.model_validate(json.loads(json.dumps(plain))) == config
    assert RunConfig.model_validate(parse_yaml(dump_yaml(plain), "p")) == config
    assert RunConfig.model_validate(parse_yaml(commented_yaml(config), "c")) == config
    assert RunConfig.model_validate(merge(RunConfig, [plain, {}, plain])) == config
    assert compose(base=config) == config


def test_commented_yaml_explains_every_setting() -> None:
    text = commented_yaml(toy_config())
    lines = text.splitlines()
    assert max(map(len, lines)) <= 100
    for number, line in enumerate(lines):
        # Every line with a value stands under a comment; groups may explain themselves.
        if ": " in line and "#" not in line and "kind:" not in line:
            above = lines[number - 1].strip()
            assert above.startswith("#"), line
    assert "  # Passes over the training samples.\n  epochs: 4\n" in text


def test_read_yaml_takes_json_and_nothing_from_an_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text('{"training": {"epochs": 3}}')
    assert read_yaml(file) == {"training": {"epochs": 3}}
    file.write_text("# nothing but a comment\n")
    assert read_yaml(file) == {}


def test_settings_of_a_component_that_no_layer_names_are_of_its_default_kind() -> None:
    # The preset of the docstrings sets no objective.
    config = compose("text", settings=["objective.targets.dim=8", "objective.loss.alignment=2"])
    assert (config.preset, config.objective.kind) == ("docstrings", "nat")
    assert isinstance(config.objective, NAT)
    assert (config.objective.targets, config.objective.loss.alignment) == (
        UniformSphere(dim=8),
        2.0,
    )
    # Where the kind is named later, keys of the default kind are none of its business.
    settings = ["objective.views=3", "objective.kind=vicreg", "objective.dim=64"]
    assert compose("text", settings=settings).objective.kind == "vicreg"


def test_what_a_later_setting_takes_away_is_an_error() -> None:
    settings = ["objective.assignment.slots=2", "objective.kind=vicreg"]
    with pytest.raises(
        ConfigError,
        match=r"the setting 'objective.assignment' has no effect: a later one makes 'objective' a "
        "'vicreg', which does not have it; leave one of them out",
    ):
        compose("text", settings=settings)
    # So it is between options and settings, and not between what a preset has and a setting.
    options = {"encoder": {"kind": "text_convnet", "widths": [8]}}
    with pytest.raises(ConfigError, match=r"'encoder.widths' has no effect: .* 'text_transformer'"):
        compose("text", options=options, settings=["encoder=text_transformer"])
    composed = compose("image", preset="digits", settings=["objective.assignment=cells"])
    assert isinstance(composed.objective, NAT)
    assert composed.objective.assignment.kind == "cells"
    # The last of two values of one setting wins.
    twice = compose("text", settings=["objective.targets.dim=8", "objective.targets.dim=9"])
    assert isinstance(twice.objective, NAT)
    assert twice.objective.targets.dim == 9
