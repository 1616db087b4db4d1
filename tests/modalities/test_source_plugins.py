"""Sources that other distributions register for a modality."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PILImage

import natlib as library
from natlib.data import Modality, Source, plugin_source, stable_source
from natlib.errors import ConfigError, DataError
from natlib_image import Image
from tests.cli.command import assert_done, assert_refused, natlib
from tests.installing import Install, installer
from tests.modalities.support import small

# Sixty samples with two classes; {item} is what the modality decodes.
SHELF = """
import numpy as np
import torch
from natlib.data import Source

class Samples:
    def __init__(self, first, count):
        self.names = [f"box-{{number}}" for number in range(first, first + count)]
        self.labels = torch.arange(count) % 2
        self.classes = ["left", "right"]

    def __len__(self):
        return len(self.names)

    def item(self, index):
        number = int(self.names[index].split("-")[1])
        random = np.random.default_rng(number)
        return {item}

    def digest(self):
        return repr(self.names).encode()

class Shelf(Source):
    @classmethod
    def recognises(cls, source):
        return source == "shelf" or source.endswith(".shelf")

    def __init__(self, source):
        self.opened = source

    def split(self, split, cache=None):
        return {{"train": Samples(0, 60), "test": Samples(60, 12)}}.get(split)
"""
ITEMS = {
    "image": "random.integers(0, 256, (16, 16, 3), dtype=np.uint8)",
    "audio": "(random.standard_normal(4000).astype(np.float32) * 0.1, 8000)",
    "text": "' '.join(random.choice(['red', 'green', 'blue', 'sky', 'sea'], 12))",
}
ROWS = """
import numpy as np
import torch
from natlib_vector.source import Rows

class Shelf:
    @classmethod
    def recognises(cls, source):
        return source == "shelf"

    def __init__(self, source):
        pass

    def rows(self, split, cache=None):
        count = {"train": 60, "test": 12}.get(split)
        if count is None:
            return None
        matrix = np.random.default_rng(count).standard_normal((count, 3))
        return Rows(matrix, ["a", "b", "c"], {}, torch.arange(count) % 2, ["left", "right"])
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    yield from installer(tmp_path / "site", monkeypatch)


def shelf(install: Install, kind: str) -> None:
    code = ROWS if kind == "vector" else SHELF.format(item=ITEMS[kind])
    install(f"shelf_{kind}", "shelf", f"{kind}_shelf", code, "Shelf", f"natlib.sources.{kind}")


@pytest.mark.parametrize("kind", ["audio", "image", "text", "vector"])
def test_every_modality_trains_on_the_source_of_a_plugin(
    kind: str, install: Install, tmp_path: Path
) -> None:
    shelf(install, kind)
    run = tmp_path / "run"
    assert_done(natlib("train", *small(kind), "--data", "shelf", "--out", str(run)))
    config = library.load(run).modality
    assert config.source == "shelf"
    train, test = config.dataset("train"), config.dataset("test")
    assert train is not None
    assert test is not None
    assert config.dataset("val") is None
    assert (len(train), len(test)) == (48, 12)
    assert train.labels is not None
    assert train.classes == ["left", "right"]
    assert_done(natlib("eval", str(run)))


def test_plugins_lists_sources_with_their_modality(install: Install) -> None:
    shelf(install, "audio")
    out = assert_done(natlib("plugins")).out
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    listed = {tuple(row[:3]) for row in rows if row}
    assert ("source (audio)", "shelf", "shelf_audio 1.0") in listed
    assert ("source (image)", "voc", f"natlib {library.__version__}") in listed


def test_without_the_plugin_the_source_is_unknown() -> None:
    assert_refused(natlib("train", "--modality", "image", "--data", "shelf"), "'shelf' is neither")


def test_a_plugin_comes_before_files_and_folders_and_after_names(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    greedy = SHELF.format(item=ITEMS["image"]).replace('source == "shelf" or', "True or")
    install("greedy", "greedy", "greedy_shelf", greedy, "Shelf", "natlib.sources.image")
    assert len(Image(source="digits").resolved().dataset("train") or ()) == 1433
    (tmp_path / "photos").mkdir()
    PILImage.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "photos" / "a.png")
    monkeypatch.chdir(tmp_path)
    resolved = Image(source="photos").resolved()
    assert resolved.source == str(tmp_path / "photos")
    assert len(resolved.dataset("train") or ()) == 60
    monkeypatch.undo()
    assert len(resolved.dataset("train") or ()) == 1


def test_paths_become_absolute_and_names_stay(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf(install, "image")
    monkeypatch.chdir(tmp_path)
    for name in ("shelf", "digits", "a.shelf", "photos"):
        (tmp_path / name).touch()
    assert stable_source("image", "a.shelf") == str(tmp_path / "a.shelf")
    assert stable_source("image", "photos") == str(tmp_path / "photos")
    assert stable_source("image", "gone") == "gone"
    assert stable_source("image", "digits", ("digits",)) == "digits"
    # There is a file of that name, but the plug-in means another thing by it.
    assert stable_source("image", "shelf") == "shelf"
    # Sources of images are no sources of sound.
    assert stable_source("audio", "shelf") == str(tmp_path / "shelf")
    assert plugin_source("audio", "shelf") is None


def test_a_folder_comes_before_every_name(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf(install, "image")
    monkeypatch.chdir(tmp_path)
    for name in ("shelf", "digits", "a.shelf", "photos"):
        (tmp_path / name).mkdir()
        assert stable_source("image", name, ("digits",)) == str(tmp_path / name)


def test_two_plugins_that_recognise_a_source_are_an_error(install: Install) -> None:
    shelf(install, "image")
    code = SHELF.format(item=ITEMS["image"])
    install("rack", "rack", "image_rack", code, "Shelf", "natlib.sources.image")
    with pytest.raises(DataError, match="several plug-ins recognise the source 'shelf': ") as told:
        Image(source="shelf").resolved()
    for name in ("'shelf' of shelf_image 1.0", "'rack' of rack 1.0"):
        assert name in str(told.value)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import no_such_module_at_all", "cannot be imported: No module named"),
        ("Shelf = 3", "has no class method 'recognises'"),
    ],
)
def test_a_broken_plugin_is_named_in_one_line(install: Install, code: str, words: str) -> None:
    install("broken", "broken", "broken_shelf", code, "Shelf", "natlib.sources.image")
    with pytest.raises(ConfigError, match="source of the modality image 'broken'") as told:
        Image(source="photos").resolved()
    assert words in str(told.value)
    assert "broken 1.0" in str(told.value)
    assert "\n" not in str(told.value)
    assert Image(source="digits").resolved().size == 8


def test_a_table_of_labels_is_not_for_the_source_of_a_plugin(install: Install) -> None:
    shelf(install, "audio")
    audio = Modality.resolve({"kind": "audio", "source": "shelf", "labels": "labels.csv"})
    with pytest.raises(DataError, match=r"leave data\.labels out"):
        audio.resolved()


def test_items_are_peeked_at_from_all_over() -> None:
    class Train:
        def __init__(self) -> None:
            self.names = [str(number) for number in range(10)]
            self.labels: torch.Tensor | None = None
            self.classes: list[str] = []

        def __len__(self) -> int:
            return 10

        def item(self, index: int) -> int:
            return index

        def digest(self) -> bytes:
            return b""

    class Tens(Source):
        def split(self, split: object, cache: Path | None = None) -> Train | None:
            return Train() if split == "train" else None

    assert Tens().peek(4) == [0, 3, 6, 9]
    assert Tens().peek(20) == list(range(10))
