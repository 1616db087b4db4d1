"""Every command and every piece of Python in the README and in docs/ runs.

The blocks of a page run in order, in a folder of their own that holds some made-up ``photos``;
Python blocks of a page share their names. A block that belongs in a file is written to it. What is
made smaller is in ``running.py``.
"""

import re
import shutil
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from natlib.configuration import parse_yaml
from tests.audio.sounds import write_labelled
from tests.docs.pages import PAGES, ROOT, Block, blocks, joined, page_name
from tests.docs.running import INSTALLED, SMALLER_PYTHON, commands, run_command, smaller
from tests.image_protocols.drawn_voc import write_voc
from tests.report.few_epochs import shorten_umap
from tests.text.corpora import write_lines, write_table
from tests.vector.tables import write_customers

README_INSTALL = (
    "python3 -m venv .venv && . .venv/bin/activate && "
    "pip install -c constraints.txt -e '.[all,dev]' && natlib train --modality image"
)
_OBJECTIVES = "tests/benchmarks/test_objectives_and_labels.py runs it on a few images"
# Blocks that do not run here, by their first line, or single commands, and why.
NOT_RUN = {
    README_INSTALL: "installs; .ci/run runs it as it stands",
    "pytest -n auto": "would run this test; .ci/run runs it as it stands",
    "python3 -m venv .venv": "installs; compared with the README's command below",
    "python examples/foreign_loop.py": "run by test_foreign_loop_learns",
    "python benchmarks/cifar10.py cifar10/ --out runs/cifar10": "see test_cifar10_benchmark",
    "natlib train --modality image --preset nat --data tiny-imagenet/ --out runs/tiny \\": (
        "tests/image_protocols/test_imagenet.py evaluates a run on made-up classes"
    ),
    "python benchmarks/combined.py cifar10/ --out runs/combined --seeds 0 1 2": _OBJECTIVES,
    "python benchmarks/semi.py cifar10=cifar10/ speech=speech/ trec=trec.csv --out runs/semi "
    "--seeds 0 1 2": _OBJECTIVES,
    "python benchmarks/audio_quality.py sounds/ --out runs/sounds": (
        "tests/audio/test_benchmarks.py runs it on made-up sounds"
    ),
    "python benchmarks/timeseries.py UCR/FaceAll UCR/SwedishLeaf UCR/CricketX --out runs/ucr "
    "--epochs 40": "tests/timeseries/test_benchmark.py runs it on made-up series",
    "python benchmarks/text_quality.py texts/ --out runs/texts": (
        "tests/text/test_benchmark.py runs it on made-up texts"
    ),
    "python benchmarks/threads.py --rounds 3 --epochs 12 --also GOMP_SPINCOUNT=6000 "
    "GOMP_SPINCOUNT=20000": "measures for minutes, on a machine that does nothing else",
    "python benchmarks/micro_batch.py --encoder convnet --size 32": "made smaller it is the same",
    "python benchmarks/embed_speed.py texts all-MiniLM-L6-v2/ trec.csv": (
        "needs a checkpoint; tests/text/test_sentence_folders.py compares the embeddings"
    ),
    "pip install lightly": "installs a peer that the tests do not need, and measures it",
    "pip install lapx POT": "installs peers that the tests do not need, and measures them",
    "pytest natlib-timeseries": "tests/timeseries runs the tests of the same files",
}
# Needs lightly, which the tests do not; tests/benchmarks/test_arenas.py runs it on small data.
ARENAS = "python -m benchmarks.quality "
LANGUAGES = {"python", "bash", "text", "toml", "yaml"}
NOTE = re.compile(r"|exit code \d+|output of the block above|install and train|test")
BLOCKS = [block for page in PAGES for block in blocks(page)]
WITH_CODE = sorted({block.page for block in BLOCKS if block.language in ("python", "bash")})


def first_line(block: Block) -> str:
    return block.text.split("\n")[0]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working directory as the pages assume it: photos, texts, a table, the examples."""
    rng = np.random.default_rng(0)
    for kind, shade in (("cat", 60), ("dog", 160)):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(shade - 40, shade + 40, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / kind / f"{number}.png")
    write_lines(tmp_path / "notes.txt", 80)
    write_table(tmp_path / "reviews.csv", 120)
    write_labelled(tmp_path / "sounds", tmp_path / "labels.csv", 80)
    write_customers(tmp_path / "customers.csv")
    write_voc(tmp_path / "VOCdevkit" / "VOC2007", {"train": 24, "val": 8, "test": 6})
    for name in ("examples", "benchmarks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    shorten_umap(monkeypatch)
    (tmp_path / INSTALLED).mkdir()
    monkeypatch.syspath_prepend(tmp_path / INSTALLED)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if Path(getattr(sys.modules[name], "__file__", None) or ".").is_relative_to(tmp_path):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def same_torch():
    """Pages may seed and draw; the tests after them are not to notice."""
    with torch.random.fork_rng(devices=[]):
        yield


@pytest.mark.parametrize("page", WITH_CODE, ids=page_name)
def test_blocks_run(page, folder, capsys):
    names: dict[str, object] = {"__name__": "page"}
    output = ""
    for block in blocks(page):
        where = f"{page_name(page)}:{block.line}"
        if block.note == "output of the block above":
            for line in block.text.splitlines():
                assert line.rstrip() in output, f"{where}: not printed: {line}\n{output}"
        elif first_line(block) in NOT_RUN or block.text.startswith(ARENAS):
            continue
        elif block.file:
            file = folder / block.file
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(joined(file.read_text() if file.exists() else "", block.text))
        elif block.language == "python":
            run_python(block, names)
            output = capsys.readouterr().out
        elif block.language == "bash":
            expected = int(block.note.removeprefix("exit code ")) if block.note else 0
            output = ""
            for command in commands(block.text):
                if command in NOT_RUN:
                    continue
                code, said = run_command(smaller(command), folder)
                assert code == expected, f"{where}: exit code {code} of: {command}\n{said}"
                output += said


def run_python(block: Block, names: dict[str, object]) -> None:
    text = block.text
    for long, short in SMALLER_PYTHON.items():
        text = text.replace(long, short)
    # Blank lines above, so that a traceback shows the line of the page.
    exec(compile("\n" * (block.line - 1) + text, str(block.page), "exec"), names)


def test_every_block_is_of_a_known_kind():
    for block in BLOCKS:
        known = block.language in LANGUAGES or block.language.startswith("{")
        assert known, f"{page_name(block.page)}:{block.line}: fenced as '{block.language}'"
        assert re.fullmatch(
            r"|exit code \d+|output of the block above|install and train|test", block.note
        )


def test_toml_and_yaml_blocks_can_be_parsed():
    for block in BLOCKS:
        if block.language == "toml":
            assert tomllib.loads(block.text)
        if block.language == "yaml":
            assert parse_yaml(block.text, "the block")


def test_exceptions_are_not_stale():
    lines = {line for block in BLOCKS for line in [first_line(block), *commands(block.text)]}
    assert set(NOT_RUN) <= lines
    everything = "\n".join(block.text for block in BLOCKS)
    for long in SMALLER_PYTHON:
        assert long in everything, f"nothing to make smaller: {long}"


def test_foreign_loop_learns(folder):
    code, output = run_command("python examples/foreign_loop.py", folder)
    assert code == 0, output
    found = dict(re.findall(r"kNN accuracy,? (?:on )?(\w+) [\w ]+? +([\d.]+) %", output))
    assert float(found["trained"]) > 3 * max(float(found["raw"]), float(found["untrained"]))


def test_cifar10_benchmark(folder):
    for split in ("train", "test"):
        shutil.copytree(folder / "photos", folder / "small" / split)
    sizes = "--epochs 1 --max-samples 64 --batch-size 32"
    command = f"python benchmarks/cifar10.py small --out runs/small {sizes}"
    code, output = run_command(command, folder)
    assert code == 0, output
    table = [line for line in output.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in table[2:]] == [
        "nat, encoder",
        "nat, head",
        "2017-style, single view, encoder",
        "2017-style, single view, head",
        "start",
        "raw",
    ]
    # Finished runs are read, not made again.
    assert run_command(command, folder)[1].splitlines()[-len(table) :] == table


def test_install_commands_are_those_of_the_readme():
    (install,) = (
        block for block in blocks(ROOT / "docs" / "quickstart.md") if "venv" in block.text
    )
    assert README_INSTALL.startswith(" && ".join(commands(install.text)) + " && natlib train ")


def test_ci_finds_the_commands_of_the_readme():
    marked = {block.note: block.text for block in blocks(ROOT / "README.md") if block.note}
    assert marked == {"install and train": README_INSTALL, "test": "pytest -n auto"}


def test_pages_are_found():
    names = {page_name(page) for page in PAGES}
    assert {"README.md", str(Path("docs") / "quickstart.md")} <= names
    assert sum(block.language in ("python", "bash") for block in BLOCKS) >= 25
