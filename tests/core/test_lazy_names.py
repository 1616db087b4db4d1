"""What ``natlib`` exports is imported on first use, and listed in three places that agree."""

import ast
import inspect
from importlib import import_module

import pytest

import natlib
from natlib.component import Component
from natlib.families import FAMILIES
from natlib.runtime.packages import require


def for_type_checkers() -> dict[str, str]:
    """Each name that is imported under ``if TYPE_CHECKING``, with its module."""
    tree = ast.parse(inspect.getsource(natlib))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: node.module or ""
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_see_what_is_there() -> None:
    names = for_type_checkers()
    assert names == natlib._HOMES
    assert sorted(names) == sorted(natlib.__all__)


@pytest.mark.parametrize("name", natlib.__all__)
def test_a_name(name: str) -> None:
    assert name in dir(natlib)
    value = getattr(natlib, name)
    assert value is getattr(import_module(natlib._HOMES[name]), name)
    assert vars(natlib)[name] is value


def test_packages_are_attributes_and_other_names_are_not() -> None:
    assert natlib.solvers is import_module("natlib.solvers")
    assert {"solvers", "testing", "__version__"} <= set(dir(natlib))
    for name in ("solver", "_nothing", "train_me"):
        assert name not in dir(natlib)
        with pytest.raises(AttributeError, match=f"module 'natlib' has no attribute '{name}'"):
            getattr(natlib, name)
    with pytest.raises(ImportError, match="cannot import name 'solver' from 'natlib'"):
        exec("from natlib import solver")


@pytest.mark.parametrize("registry", FAMILIES, ids=lambda registry: registry.noun)
def test_kinds_that_are_listed_without_importing_them(registry) -> None:
    # Tests register kinds of their own, outside natlib.
    for kind in registry.own:
        assert registry.get(kind).registry is registry
    own = {kind for kind, cls in registry._builtin.items() if cls.__module__.startswith("natlib.")}
    assert own == registry.own


def test_every_family_has_its_registry_in_the_list() -> None:
    for package in (
        "data",
        "encoders",
        "objectives",
        "protocols",
        "solvers",
        "targets",
        "training",
    ):
        import_module(f"natlib.{package}")
    families = {
        cls
        for cls in Component.__subclasses__()
        if "registry" in vars(cls) and cls.__module__.startswith("natlib.")
    }
    assert {cls.registry.group for cls in families} == {registry.group for registry in FAMILIES}
    assert all(cls.registry in FAMILIES for cls in families)


def test_a_missing_package_is_noticed_without_importing_the_others() -> None:
    require("math", "json")
    with pytest.raises(ModuleNotFoundError, match="No module named 'no_such_package'") as caught:
        require("json", "no_such_package")
    assert caught.value.name == "no_such_package"
