"""Texts made up for tests."""

from pathlib import Path

import numpy as np

from natlib_text import Text

WORDS = {
    "sea": [
        "wave",
        "ship",
        "sail",
        "harbour",
        "anchor",
        "tide",
        "salt",
        "deck",
        "storm",
        "captain",
        "gull",
    ],
    "bread": [
        "oven",
        "flour",
        "dough",
        "crust",
        "yeast",
        "baker",
        "loaf",
        "butter",
        "knead",
        "warm",
        "crumb",
    ],
    "stars": [
        "orbit",
        "comet",
        "planet",
        "nebula",
        "galaxy",
        "telescope",
        "moon",
        "light",
        "dust",
        "void",
        "ring",
    ],
}
COMMON = ["the", "a", "of", "and", "with", "in", "on", "it", "was", "very", "some", "old"]


def sentences(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Pairs of label and sentence; a third of the words belongs to the label."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label = sorted(WORDS)[number % len(WORDS)]
        words = [
            str(rng.choice(WORDS[label] if rng.random() < 0.33 else COMMON))
            for _ in range(int(rng.integers(6, 20)))
        ]
        made.append((label, " ".join(words) + f" {number}."))
    return made


def write_lines(path: Path, count: int = 60) -> Path:
    """A text file, a sentence in each line."""
    path.write_text("".join(f"{text}\n" for _, text in sentences(count)))
    return path


def write_table(path: Path, count: int = 60) -> Path:
    """A CSV file with columns text, label and split; every fourth row is for testing."""
    rows = [
        f'"{text}",{label},{"test" if number % 4 == 3 else "train"}\n'
        for number, (label, text) in enumerate(sentences(count))
    ]
    path.write_text("text,label,split\n" + "".join(rows))
    return path


def small(source: Path | str, **settings: object) -> Text:
    """A resolved modality with a small vocabulary."""
    values: dict[str, object] = {"source": str(source), "length": 16, **settings}
    if "tokenizer" not in settings:
        values.setdefault("vocabulary", 300)
    return Text.model_validate(values).resolved()
