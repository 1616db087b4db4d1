"""The example finds what is about the same thing, not only what has the same words."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.command import assert_done, natlib
from tests.docs.pages import ROOT
from tests.processes import run_python

from .corpora import COMMON, WORDS

COUNT = 360


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of a third each about the sea, bread and stars; four of the topic's words in each."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(COUNT):
        topic = sorted(WORDS)[number % 3]
        words = [*rng.choice(WORDS[topic], 6), *rng.choice(COMMON, 6)]
        lines.append(" ".join(rng.permutation(words)))
    path = tmp_path_factory.mktemp("notes") / "notes.txt"
    path.write_text("\n".join(lines) + "\n")
    settings = (
        "--epochs", "24", "--batch-size", "64", "--device", "cpu", "--workers", "0",
        "--set", "data.vocabulary=400", "--set", "encoder={kind: bag_of_ngrams, width: 32}",
        "--set", "data.length=32", "--set", "objective.targets.dim=16",
    )  # fmt: skip
    folder = path.parent
    assert_done(
        natlib("train", "--modality", "text", "--data", path, *settings, "--out", folder / "run")
    )
    assert_done(natlib("embed", folder / "run", path, "--out", folder / "notes.npz"))
    return path


def search(notes: Path, query: str, count: int) -> list[tuple[float, str, str]]:
    folder = notes.parent
    script = ROOT / "examples" / "semantic_search.py"
    arguments = [folder / "run", notes, folder / "notes.npz", query, "--count", str(count)]
    done = run_python(script, *arguments)
    assert done.code == 0, done.err
    lines = [re.fullmatch(r" ?(-?[\d.]+)  (\S+) +(.*)", line) for line in done.out.splitlines()]
    assert all(lines), done.out
    return [(float(m[1]), m[2], m[3]) for m in lines if m]


@pytest.mark.parametrize("topic", sorted(WORDS))
def test_finds_texts_about_the_same_thing(notes: Path, topic: str) -> None:
    query = WORDS[topic][0]
    found = search(notes, query, COUNT)
    cosines = [cosine for cosine, _, _ in found]
    assert cosines == sorted(cosines, reverse=True)
    every = notes.read_text().splitlines()
    for _, name, text in found:
        assert every[int(name.removeprefix("notes.txt-")) - 1].startswith(text)
    # Of the texts that do not hold the word itself: a comparison of words finds none of them,
    # and about a fifth of them is on the topic.
    others = [text for _, _, text in found if query not in text.split()][:20]
    about = [any(word in text.split() for word in WORDS[topic]) for text in others]
    assert np.mean(about) >= 0.8


def test_shows_as_many_as_asked_for(notes: Path) -> None:
    assert len(search(notes, "a ship", 3)) == 3
