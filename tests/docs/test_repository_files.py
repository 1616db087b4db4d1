"""Files that are not code keep their promises: tested versions, local hooks, commands of CI."""

import os
import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import natlib
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


def test_citation_names_this_version_and_the_paper():
    citation = read_yaml(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()
    assert (citation["title"], citation["version"]) == ("natlib", natlib.__version__)
    assert citation["license"] == "Apache-2.0"
    (paper,) = citation["references"]
    assert {"type", "title", "authors"} <= paper.keys()
    assert [author["family-names"] for author in paper["authors"]] == ["Bojanowski", "Joulin"]
    assert paper["year"] == 2017


def test_forms_for_issues_have_what_they_need():
    files = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    forms = [read_yaml(file) for file in files if file.stem != "config"]
    assert len(forms) == 3
    for form in forms:
        assert {"name", "description", "body"} <= form.keys()
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert all(part["attributes"]["label"] for part in asked)
        assert len({part["id"] for part in asked}) == len(asked)


def test_the_image_is_built_from_files_that_are_there():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    assert next(line.split()[1] for line in lines if line.startswith("FROM")) == "python:3.11"
    for name in re.findall(r"/source/(\S+)", "\n".join(lines)):
        assert (ROOT / name).exists(), name
    # What is built from has to get there.
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert not {"natlib", "adapters", "cli", "README.md", "LICENSE"} & set(ignored)


def test_ci_trains_from_the_wheel():
    script = (ROOT / ".ci" / "run").read_text()
    assert re.search(r'"\$work/fresh/bin/natlib" train --modality image --epochs 1$', script, re.M)


def test_licence_is_complete():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n" in text
    assert "Version 2.0, January 2004" in text
    assert "Copyright 2026 The natlib developers" in text
    assert "END OF TERMS AND CONDITIONS" in text
