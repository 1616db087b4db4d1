"""The JSON schema of a run's configuration, which editors and documentation read."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from natlib.component import Component, Settings
from natlib.protocols import Protocol
from natlib.training.config import RunConfig
from tests.core.families import FAMILIES


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return RunConfig.model_json_schema()


def walk(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def settings_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every group of options inside it, components left out."""
    yield model
    for info in model.model_fields.values():
        kind = info.annotation
        group = isinstance(kind, type) and issubclass(kind, Settings)
        if group and not issubclass(kind, Component):
            yield from settings_in(kind)


def test_is_json_and_every_reference_resolves(schema: dict[str, Any]) -> None:
    json.dumps(schema)
    references = {node["$ref"] for node in walk(schema) if isinstance(node.get("$ref"), str)}
    for reference in references:
        node = schema
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
        assert isinstance(node, dict)


# Protocols evaluate a run, and are no part of its configuration.
CONFIGURED = [family for family in FAMILIES if family is not Protocol]


@pytest.mark.parametrize("family", CONFIGURED, ids=lambda family: family.__name__)
def test_holds_every_kind_with_every_field_described(
    schema: dict[str, Any], family: type[Component]
) -> None:
    for kind in family.registry.kinds():
        cls = family.registry.get(kind)
        found = [
            node["properties"]
            for node in walk(schema)
            if isinstance(node.get("properties"), dict)
            and node["properties"].get("kind", {}).get("const") == kind
            and set(node["properties"]) == set(cls.model_fields)
        ]
        assert found, f"{family.__name__} '{kind}' is not in the schema"
        for field, info in cls.model_fields.items():
            if field != "kind":
                assert info.description
                descriptions = [properties[field].get("description") for properties in found]
                assert info.description in descriptions, f"{kind}.{field}"


def test_describes_every_option(schema: dict[str, Any]) -> None:
    described = {node["description"] for node in walk(schema) if "description" in node
                 and isinstance(node["description"], str)}  # fmt: skip
    for model in settings_in(RunConfig):
        for field, info in model.model_fields.items():
            nested = isinstance(info.annotation, type) and issubclass(info.annotation, Settings)
            if not nested:
                assert info.description in described, f"{model.__name__}.{field}"


def test_a_bare_kind_is_allowed(schema: dict[str, Any]) -> None:
    for field in ("data", "objective"):
        names = schema["properties"][field]["anyOf"][0]
        assert names["type"] == "string"
        assert "image" in names["enum"] or "nat" in names["enum"]
