"""What the pages name exists: links, files, options, configuration keys, metrics, modules."""

import importlib
import json
import re

import pytest
import torch
from pydantic import BaseModel
from typer import Context
from typer.main import get_command

import natlib
from natlib.component import Component
from natlib.configuration import preset_names
from natlib.data import Modality
from natlib.families import FAMILIES, source_plugins
from natlib_cli.main import app
from tests.docs.pages import PAGES, ROOT, blocks, inline_code, page_name
from tests.docs.running import commands

# Options of other programs that the pages name.
FOREIGN_OPTIONS = {
    "--nproc-per-node": "torchrun",
    "--nnodes": "torchrun",
    "--rdzv-endpoint": "torchrun",
    "--logdir": "tensorboard",
}
TEXT_PAGES = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
REPOSITORY_PATH = re.compile(
    r"^(natlib|adapters|cli|docs|tests|examples|benchmarks|\.ci)/[\w./-]*$"
)
# A key, perhaps with a value; evaluation.json and encoder.safetensors are files.
SETTING = re.compile(
    r"^((?:data|encoder|objective|training|evaluation)(?:\.(?!(?:safetensors|json)$)\w+)+)"
    r"(?:[:=] ?(\w+))?$"
)
PYTHON_NAME = re.compile(r"^natlib(_\w+)?(\.\w+)+$")


@pytest.fixture(scope="module")
def options() -> dict[str, set[str]]:
    """The options of every command, by its words: {"natlib config show": {"--set", ...}}."""
    found: dict[str, set[str]] = {}

    def walk(command: object, context: Context) -> None:
        names = {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        found[context.command_path] = {name for name in names if name.startswith("--")} | {"--help"}
        for name, inner in getattr(command, "commands", {}).items():
            walk(inner, Context(inner, info_name=name, parent=context))

    root = get_command(app)
    walk(root, Context(root, info_name="natlib"))
    return found


def check_command(words: list[str], options: dict[str, set[str]]) -> None:
    """The command exists, and it has the options that it is given."""
    name = "natlib"
    for word in words[1:]:
        if f"{name} {word}" not in options:
            break
        name = f"{name} {word}"
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in options[name], f"'{name}' has no option {word}"
    if len(words) > 1 and name == "natlib":
        assert words[1].startswith("--") or words[1] == "COMMAND", f"no command {words[1]}"


@pytest.mark.parametrize("page", TEXT_PAGES, ids=page_name)
def test_commands_and_options_exist(page, options):
    known = set().union(*options.values()) | set(FOREIGN_OPTIONS)
    for code in inline_code(page):
        if code.startswith("natlib "):
            check_command(code.split(), options)
        elif code.startswith("--"):
            assert code.split()[0] in known, f"{page_name(page)}: no command has {code}"
    for block in blocks(page):
        if block.language == "bash":
            for command in commands(block.text):
                if command.startswith("natlib "):
                    check_command(command.split(), options)


def test_foreign_options_are_still_named():
    said = "\n".join(page.read_text() for page in TEXT_PAGES)
    assert all(option in said for option in FOREIGN_OPTIONS)


def setting_names(model: type[BaseModel], prefix: str = "", deep: int = 6) -> set[str]:
    """Dotted names of every setting, of every registered kind of component.

    ``deep`` levels of them: a mixture may hold a mixture.
    """
    found = set()
    for name, field in model.model_fields.items():
        found.add(prefix + name)
        options = (field.annotation, *getattr(field.annotation, "__args__", ()))
        for option in options:
            if deep and isinstance(option, type) and issubclass(option, BaseModel):
                for member in kinds(option):
                    found |= setting_names(member, f"{prefix}{name}.", deep - 1)
    return found


def kinds(model: type[BaseModel]) -> list[type[BaseModel]]:
    if issubclass(model, Component) and "registry" in vars(model):
        return [model.registry.get(kind) for kind in model.registry.kinds()]
    return [model]


def test_settings_exist():
    known = setting_names(natlib.RunConfig)
    assert {"objective.targets.dim", "training.optimizer.learning_rate"} <= known
    count = 0
    for page in TEXT_PAGES:
        for code in inline_code(page):
            match = SETTING.match(code)
            if match:
                count += 1
                assert match[1] in known, f"{page_name(page)}: there is no setting {code}"
                if match[2]:  # a value that is named with it is one that it takes
                    assert natlib.compose("image", settings=[f"{match[1]}={match[2]}"])
    assert count > 20


@pytest.mark.parametrize("page", TEXT_PAGES, ids=page_name)
def test_links_and_paths_exist(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'src="([^"]+)"', text)
    for target in targets:
        if not re.match(r"https?://|#", target):
            path = page.parent / target.partition("#")[0]
            assert path.exists(), f"{page_name(page)} links to {target}"
    for code in inline_code(page):
        if REPOSITORY_PATH.match(code) and "_generated" not in code and "_build" not in code:
            assert (ROOT / code).exists(), f"{page_name(page)} names {code}"


@pytest.mark.parametrize("page", TEXT_PAGES, ids=page_name)
def test_python_names_exist(page):
    groups = {registry.group for registry in FAMILIES}
    groups |= {source_plugins(kind).group for kind in Modality.registry.kinds()}
    for code in inline_code(page):
        if not PYTHON_NAME.match(code) or code in groups:
            continue
        module, _, name = code.rpartition(".")
        try:
            importlib.import_module(code)
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), name), f"{page_name(page)}: {code}"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run with labels, that measures everything."""
    folder = tmp_path_factory.mktemp("run") / "run"
    settings = {
        "epochs": 1,
        "batch_size": 32,
        "workers": 0,
        "log_every_steps": 1,
        "knn_every_epochs": 1,
    }
    values = {
        "training": settings,
        "data": {"max_samples": 64},
        "objective": {"loss": {"repulsion": {"weight": 1.0}}},
    }
    config = natlib.compose("image", options=values)
    with torch.random.fork_rng(devices=[]):
        return natlib.train(config, folder).run


def test_every_metric_is_explained_and_every_explained_metric_is_logged(run):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    logged = {name for line in lines for name in line} - {"step", "epoch", "time"}
    cells = natlib.NAT(assignment=natlib.Cells(points=64)).build(8)
    logged |= cells([torch.randn(6, 8)] * 2, health=True).health.keys() - {"solver_seconds"}
    page = (ROOT / "docs" / "diagnosis.md").read_text()
    explained = re.findall(r"^`(\w+)`\n: ", page, flags=re.M)
    assert sorted(explained) == sorted(logged)


def test_the_run_directory_is_as_described(run):
    page = (ROOT / "docs" / "run-directory.md").read_text()
    described = set(re.findall(r"^\| `([\w./]+)` \|", page, flags=re.M))
    there = {entry.name + ("/" if entry.is_dir() else "") for entry in run.iterdir()}
    # Digits are in memory and need no index, no reassignment is scheduled, nothing is fitted,
    # no report was asked for, and weights began at random.
    sometimes = {"index/", "objective/", "fitted/", "report.html", "start.safetensors"}
    assert sometimes <= described
    assert described - sometimes == there
    for entry in (run / "model").iterdir():
        assert f"`{entry.name}`" in page


def test_every_preset_says_what_it_is():
    # The table of presets in docs/configuration.md shows the comment that a file begins with.
    for kind in Modality.registry.kinds():
        folder = Modality.registry.get(kind).presets
        for name in preset_names(folder):
            text = (folder / f"{name}.yaml").read_text()
            assert re.match(r"# \w.*\n(# .*\n)*\w", text), f"{kind}: {name}"


def test_every_page_is_in_a_table_of_contents():
    docs = ROOT / "docs"
    listed = {
        (block.page.parent / entry).with_suffix(".md")
        for page in PAGES
        for block in blocks(page)
        if block.language == "{toctree}"
        for entry in block.text.split("\n")
        if entry and not entry.startswith(":")
    }
    assert listed == {page for page in PAGES if page.is_relative_to(docs)} - {docs / "index.md"}
