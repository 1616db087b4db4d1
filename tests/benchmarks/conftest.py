"""Small data of the forms that arenas have."""

import sys
from pathlib import Path

import pytest

from tests.image.pictures import noise, write

# Scripts of one folder import each other by name.
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for split, count in (("train", 12), ("test", 4)):
        for kind in ("a", "b"):
            for number in range(count):
                pixels = noise(16, 16, seed=1000 * ord(kind) + number + 100 * len(split))
                write(tmp_path / "images" / split / kind / f"{number}.png", pixels)
    return tmp_path / "images"
