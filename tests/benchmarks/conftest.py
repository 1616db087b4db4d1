"""Small data of the forms that arenas have."""

from pathlib import Path

import pytest

from tests.image.pictures import noise, write


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for split, count in (("train", 12), ("test", 4)):
        for kind in ("a", "b"):
            for number in range(count):
                pixels = noise(16, 16, seed=1000 * ord(kind) + number + 100 * len(split))
                write(tmp_path / "images" / split / kind / f"{number}.png", pixels)
    return tmp_path / "images"
