"""Files that are not code keep their promises: tested versions, local hooks, commands of CI."""

import os
import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from natlib.configuration import read_yaml
from tests.docs.pages import ROOT

# What constraints.txt leaves out on purpose; its first lines say why.
LEFT_OUT = re.compile(r"setuptools|nvidia-|cuda-|triton")


@pytest.fixture(scope="module")
def pinned() -> dict[str, Version]:
    found = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = re.fullmatch(r"([a-z0-9.-]+)==([\w.]+)", line).groups()
            assert name == canonicalize_name(name)
            found[name] = Version(version)
    return found


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(extras[name] for name in extras if name != "benchmark")]
    return [Requirement(text) for group in groups for text in group]


def test_what_is_declared_is_pinned_to_a_version_that_fits(pinned):
    for requirement in declared():
        if requirement.name != "natlib":
            version = pinned[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement} and {version}"


def test_everything_that_is_needed_indirectly_is_pinned_too(pinned):
    needed, waiting = set(), [(r.name, frozenset(r.extras)) for r in declared()]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in needed or name == "natlib":
            continue
        needed.add((name, extras))
        for text in metadata.requires(name) or []:
            inner = Requirement(text)
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            ):
                waiting.append((inner.name, frozenset(inner.extras)))
    names = {canonicalize_name(name) for name, _ in needed}
    assert len(names) > 80
    assert {name for name in names if not LEFT_OUT.match(name)} == set(pinned)


def test_hooks_need_no_download():
    hooks = read_yaml(ROOT / ".pre-commit-config.yaml")
    assert [repo["repo"] for repo in hooks["repos"]] == ["local"]
    assert {hook["language"] for hook in hooks["repos"][0]["hooks"]} == {"system"}
    assert [hook["name"] for hook in hooks["repos"][0]["hooks"]] == [
        "ruff check",
        "ruff format --check",
        "mypy",
        "lint-imports",
    ]


def test_ci_runs_what_the_hooks_run():
    script = (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for check in ("ruff check", "ruff format --check", "mypy", "lint-imports", "sphinx-build"):
        assert re.search(rf"^ *{check}\b", script, flags=re.M), f".ci/run does not run {check}"


def test_licence_is_complete():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "Copyright 2026 The natlib developers" in text
    assert "END OF TERMS AND CONDITIONS" in text
