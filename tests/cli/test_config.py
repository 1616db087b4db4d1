"""``natlib config``, and which of several values of a setting wins."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from natlib.component import Component
from natlib.configuration import parse_yaml, read_yaml
from natlib.data import Modality
from natlib.encoders import EncoderRecipe, Head
from natlib.objectives import Objective
from natlib.solvers import Solver
from natlib.targets import TargetDistribution
from natlib.training import RunConfig
from tests.cli.command import assert_done, assert_refused, natlib

IMAGE = ("--modality", "image")
PRESETS = Modality.registry.get("image").presets


def shown(*arguments: str | Path) -> dict[str, Any]:
    """What ``natlib config show ARGUMENTS`` prints, as nested values."""
    values = parse_yaml(assert_done(natlib("config", "show", *arguments)).out, "shown")
    assert isinstance(values, dict)
    return values


def look_up(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def test_show_of_a_run_is_its_config_file(run: Path) -> None:
    assert shown(run) == read_yaml(run / "config.yaml")


def test_show_of_a_run_with_other_settings(run: Path) -> None:
    changed = shown(run, "--set", "training.epochs=7", "--data", "elsewhere")
    assert (changed["training"]["epochs"], changed["data"]["source"]) == (7, "elsewhere")
    changed["training"]["epochs"], changed["data"]["source"] = 1, "digits"
    assert changed == shown(run)


@pytest.mark.parametrize("preset", ["digits", "nat", "nat2017"])
def test_init_writes_what_train_reads(preset: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    arguments = (*IMAGE, "--preset", preset, "--set", "training.epochs=3", "--data", "photos")
    said = assert_done(natlib("config", "init", file, *arguments))
    schema = tmp_path / "natlib-schema.json"
    assert said.out == (
        f"Written to {file}, and for editors {schema}. Train with: natlib train --config {file}\n"
    )
    assert shown("--config", file) == shown(*arguments)
    text = file.read_text()
    assert text.startswith(f"# yaml-language-server: $schema={schema.name}\n")
    assert json.loads(schema.read_text()) == RunConfig.model_json_schema()
    assert "# Passes over the training samples.\n  epochs: 3\n" in text
    # Every key has its explanation.
    for name in ("learning_rate", "flip", "alignment", "keep_checkpoints"):
        line = next(i for i, line in enumerate(text.splitlines()) if f" {name}: " in line)
        assert text.splitlines()[line - 1].lstrip().startswith("# ")


def test_init_leaves_an_existing_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    assert_refused(natlib("config", "init", file, *IMAGE), str(file), "exists", "another name")
    assert file.read_text() == "mine"
    missing = tmp_path / "no" / "mine.yaml"
    assert_refused(natlib("config", "init", missing, *IMAGE), str(missing))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_init_replaces_a_schema_and_no_other_file(tmp_path: Path) -> None:
    schema = tmp_path / "natlib-schema.json"
    for other in ("mine", "[]", '{"title": "Mine"}'):
        schema.write_text(other)
        said = natlib("config", "init", tmp_path / "a.yaml", *IMAGE)
        assert_refused(said, str(schema), "another name or folder")
        assert schema.read_text() == other
    schema.write_text('{"title": "RunConfig", "of": "an older natlib"}')
    assert_done(natlib("config", "init", tmp_path / "a.yaml", *IMAGE))
    assert_done(natlib("config", "init", tmp_path / "b.yaml", *IMAGE))
    assert json.loads(schema.read_text()) == RunConfig.model_json_schema()
    schema.unlink()
    assert_refused(natlib("config", "init", schema, *IMAGE), str(schema), "another name")
    assert not schema.exists()


def walk(schema: Any) -> list[dict[str, Any]]:
    """Every mapping in a schema."""
    if isinstance(schema, dict):
        return [schema, *(found for value in schema.values() for found in walk(value))]
    if isinstance(schema, list):
        return [found for value in schema for found in walk(value)]
    return []


def test_schema_has_every_kind_with_its_settings() -> None:
    schema = json.loads(assert_done(natlib("config", "schema")).out)
    assert schema == RunConfig.model_json_schema()
    parts = walk(schema)
    families: tuple[type[Component], ...] = (
        Modality, EncoderRecipe, Objective, Head, TargetDistribution, Solver,
    )  # fmt: skip
    for family in families:
        for kind in family.registry.kinds():
            settings = [
                part["properties"]
                for part in parts
                if part.get("properties", {}).get("kind", {}).get("const") == kind
            ]
            assert settings, kind
            fields = family.registry.get(kind).model_fields
            assert any(fields.keys() == found.keys() for found in settings), kind
    # Every reference leads somewhere.
    for part in parts:
        if "$ref" in part:
            assert look_up(schema, part["$ref"].removeprefix("#/").replace("/", "."))


def test_schema_describes_every_setting() -> None:
    settings = json.loads(natlib("config", "schema").out)["$defs"]["TrainingConfig"]["properties"]
    assert settings["epochs"] == {
        "default": 100, "description": "Passes over the training samples.",
        "minimum": 1, "title": "Epochs", "type": "integer",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([], None),
        (["file"], "of the file"),
        (["option"], "of the option"),
        (["set"], "of the setting"),
        (["file", "option"], "of the option"),
        (["file", "set"], "of the setting"),
        (["option", "set"], "of the setting"),
        (["file", "option", "set"], "of the setting"),
    ],
)
def test_a_later_layer_wins(layers: list[str], expected: str | None, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("data: {source: of the file}\ntraining: {epochs: 11}\n")
    given: dict[str, tuple[str | Path, ...]] = {
        "set": ("--set", "data.source=of the setting"),
        "option": ("--data", "of the option"),
        "file": ("--config", file),
    }
    arguments = [argument for name, words in given.items() if name in layers for argument in words]
    resolved = shown(*IMAGE, "--preset", "digits", *arguments)
    assert resolved["data"]["source"] == expected
    # What a layer does not name stays as the layers under it have it.
    preset = read_yaml(PRESETS / "digits.yaml")
    epochs = 11 if "file" in layers else preset["training"]["epochs"]
    assert resolved["training"]["epochs"] == epochs
    assert resolved["training"]["batch_size"] == preset["training"]["batch_size"]
    assert resolved["data"]["size"] == preset["data"]["size"]


def test_the_last_of_two_settings_wins() -> None:
    twice = ("--set", "training.seed=1", "--set", "training.seed=2")
    assert shown(*IMAGE, *twice)["training"]["seed"] == 2


def test_options_win_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("preset: digits\ndata: {kind: vectors, source: photos}\n")
    from_file = shown("--config", file, *IMAGE)
    assert (from_file["data"]["kind"], from_file["preset"]) == ("image", "digits")
    assert from_file["data"]["source"] == "photos"
    given = shown("--config", file, *IMAGE, "--preset", "nat2017", "--data", "other")
    assert given == shown(*IMAGE, "--preset", "nat2017", "--data", "other")


def test_the_source_chooses_the_preset() -> None:
    assert shown(*IMAGE)["preset"] == "digits"
    assert shown(*IMAGE, "--data", "photos")["preset"] == "nat"
    assert shown(*IMAGE, "--set", "data.source=photos")["preset"] == "nat"


def test_another_kind_keeps_the_keys_that_it_also_has() -> None:
    sphere = shown(*IMAGE)["objective"]["targets"]
    assert sphere.keys() == {"kind", "dim", "seed"}
    for setting in ("objective.targets.kind=gaussian", "objective.targets=gaussian"):
        targets = shown(*IMAGE, "--set", "objective.targets.seed=5", "--set", setting)
        assert targets["objective"]["targets"] == {
            "kind": "gaussian", "dim": sphere["dim"], "seed": 5, "scale": 1.0, "mean": "zero",
        }  # fmt: skip
    # The widths of an MLP are none of a linear head's business.
    assert shown(*IMAGE, "--set", "objective.head.kind=linear")["objective"]["head"] == {
        "kind": "linear"
    }
    with pytest.raises(ValidationError, match="widths"):
        RunConfig.model_validate(
            {"data": "image", "objective": {"kind": "nat", "head": {"kind": "linear", "widths": 3}}}
        )
