"""Sources: folders, .npz files, torchvision's sets, digits, and what is none of these."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from natlib.data import SourceSplit, Split, encode_labels, evenly_spaced, random_part
from natlib.errors import DataError
from natlib_image import Image
from natlib_image.sources import find_source
from natlib_image.sources.npz import Npz
from natlib_image.sources.torchvision_sets import SETS

from .pictures import noise, tree, write


def opened(source: Path | str, split: Split = "train", **options: Any) -> SourceSplit:
    images = find_source(str(source), options.get("root"), False).split(split, None)
    assert images is not None
    return images


def labelled(images: SourceSplit) -> dict[str, str | None]:
    """The class of each image by name; None where it has none."""
    assert images.labels is not None
    return {
        name: images.classes[label] if label >= 0 else None
        for name, label in zip(images.names, images.labels.tolist(), strict=True)
    }


class TestFolder:
    def test_a_plain_folder_is_all_training(self, tmp_path: Path) -> None:
        source = find_source(str(tree(tmp_path, "b.png", "a/c.png")), None, False)
        train = source.split("train", None)
        assert train is not None
        assert list(train.names) == ["a/c.png", "b.png"]
        assert train.labels is None
        assert train.classes == []
        assert source.split("val", None) is source.split("test", None) is None

    @pytest.mark.parametrize("val", ["val", "valid", "validation", "Val"])
    def test_sub_folders_are_splits(self, tmp_path: Path, val: str) -> None:
        root = tree(tmp_path, "train/1.png", f"{val}/2.png", "test/3.png", "other/4.png")
        assert list(opened(root).names) == ["1.png"]
        assert list(opened(root, "val").names) == ["2.png"]
        assert list(opened(root, "test").names) == ["3.png"]

    def test_splits_that_are_not_there(self, tmp_path: Path) -> None:
        source = find_source(str(tree(tmp_path, "train/1.png")), None, False)
        assert source.split("val", None) is source.split("test", None) is None

    def test_without_a_train_folder_nothing_is_a_split(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "test/1.png", "val/2.png")
        assert labelled(opened(root)) == {"test/1.png": "test", "val/2.png": "val"}

    def test_class_folders_are_labels(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "cat/1.png", "dog/x/2.png", "dog/3.png")
        assert labelled(opened(root)) == {
            "cat/1.png": "cat",
            "dog/3.png": "dog",
            "dog/x/2.png": "dog",
        }

    def test_classes_are_numbered_alike_in_all_splits(self, tmp_path: Path) -> None:
        root = tree(tmp_path, "train/b/1.png", "train/c/2.png", "test/a/3.png", "test/c/4.png")
        train, test = opened(root), opened(root, "test")
        assert train.classes == test.classes == ["a", "b", "c"]
        assert labelled(train) == {"b/1.png": "b", "c/2.png": "c"}
        assert labelled(test) == {"a/3.png": "a", "c/4.png": "c"}

    @pytest.mark.parametrize(
        "names", [("a/1.png", "a/2.png"), ("a/1.png", "b/2.png", "3.png", "4.png")]
    )
    def test_one_folder_or_loose_images_mean_no_classes(
        self, tmp_path: Path, names: tuple[str, ...]
    ) -> None:
        (tmp_path / "empty").mkdir()
        assert opened(tree(tmp_path, *names)).labels is None

    @pytest.mark.parametrize("empty", [".", "train"])
    def test_a_folder_without_images(self, tmp_path: Path, empty: str) -> None:
        (tmp_path / empty).mkdir(exist_ok=True)
        (tmp_path / empty / "notes.txt").touch()
        source = find_source(str(tmp_path), None, False)
        for open_it in (lambda: source.split("train", None), lambda: source.peek(4)):
            with pytest.raises(
                DataError, match=r"no images in .*; expected files that end in apng"
            ):
                open_it()

    def test_items_are_the_files(self, tmp_path: Path) -> None:
        images = opened(tree(tmp_path, "a/1.png", "b/2.png"))
        assert images.item(1) == tmp_path / "b/2.png"


class TestNpz:
    def save(self, path: Path, **arrays: Any) -> Path:
        np.savez(path / "a.npz", **arrays)
        return path / "a.npz"

    @pytest.mark.parametrize("layout", ["NHWC", "NCHW", "NHW", "NHW1", "float", "bytes"])
    def test_layouts(self, tmp_path: Path, layout: str) -> None:
        pixels = np.stack([noise(6, 7, seed) for seed in range(5)])
        arrays = {
            "NHWC": pixels,
            "NCHW": pixels.transpose(0, 3, 1, 2),
            "NHW": pixels[..., 0],
            "NHW1": pixels[..., :1],
            "float": (pixels / 255).astype(np.float32),
            "bytes": pixels.astype(np.float64),
        }
        images = opened(self.save(tmp_path, images=arrays[layout]))
        expected = pixels if "NHW" not in layout or layout == "NHWC" else pixels[..., :1]
        assert len(images) == 5
        assert images.item(3).dtype == np.uint8
        assert np.array_equal(images.item(3).reshape(expected[3].shape), expected[3])
        assert images.labels is None

    def test_12_bits_in_16_have_a_common_range(self, tmp_path: Path) -> None:
        pixels = np.zeros((4, 8, 8, 3), np.uint16)
        pixels[1:, ..., 0] = np.array([819, 1638, 4095])[:, None, None]
        resolved = Image(source=str(self.save(tmp_path, images=pixels)), size=8).resolved()
        assert resolved.range == (0, 4095)
        samples = resolved.dataset("train")
        assert samples is not None
        read = [samples[number].pixels[:, 0, 0].tolist() for number in range(4)]
        assert read == [[red, 0, 0] for red in (0, 51, 102, 255)]

    def test_floats_on_another_scale_need_a_range(self, tmp_path: Path) -> None:
        file = str(self.save(tmp_path, images=np.full((4, 8, 8), 25.0)))
        with pytest.raises(DataError, match=r"set data\.range"):
            Image(source=file, size=8).resolved()
        samples = Image(source=file, size=8, range=(0, 100)).resolved().dataset("train")
        assert samples is not None
        assert samples[3].pixels.unique().tolist() == [64]

    def test_splits_and_labels(self, tmp_path: Path) -> None:
        pixels = np.zeros((3, 4, 4), np.uint8)
        file = self.save(
            tmp_path,
            images=pixels,
            labels=np.array([7, -1, 3], np.int16),
            test_images=pixels[:2],
            test_labels=np.array([5, 7], np.uint8),
        )
        train, test = opened(file), opened(file, "test")
        assert labelled(train) == {"images-0": "7", "images-1": None, "images-2": "3"}
        assert labelled(test) == {"test_images-0": "5", "test_images-1": "7"}
        assert train.classes == test.classes == ["3", "5", "7"]
        assert find_source(str(file), None, False).split("val", None) is None

    def test_labels_that_are_words(self, tmp_path: Path) -> None:
        labels = np.array(["dog", "cat", "dog"])
        images = opened(self.save(tmp_path, images=np.zeros((3, 4, 4), np.uint8), labels=labels))
        assert list(labelled(images).values()) == ["dog", "cat", "dog"]

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"x": np.zeros(3), "y": np.zeros(3)}, "no array 'images'; it holds: x, y"),
            ({"images": np.zeros((2, 4), np.uint8)}, r"'images' is uint8 \[2, 4\]; expected \[n,"),
            ({"images": np.zeros((2, 5, 5, 2), np.uint8)}, "expected 1, 3 or 4 channels"),
            ({"images": np.zeros((0, 4, 4), np.uint8)}, "at least one image"),
            ({"images": np.zeros((2, 4, 4), bool)}, "expected uint8, floats from"),
            ({"images": np.full((2, 4, 4), 100.0)}, r"are in \[100, 100\]; expected floats from"),
            ({"images": np.full((2, 4, 4), np.nan)}, "expected floats from"),
            (
                {"images": np.array([{}, {}], dtype=object)},
                "'images' cannot be read: it holds Python objects",
            ),
            (
                {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, int)},
                r"'labels' has shape \[3\]; expected \[2\]",
            ),
            (
                {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(2)},
                r"'labels' is float64 \[2\]; expected whole numbers or strings",
            ),
        ],
    )
    def test_what_cannot_be_read(
        self, tmp_path: Path, arrays: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            opened(self.save(tmp_path, **arrays))

    @pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut off"])
    def test_a_file_that_is_no_archive(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "a.npz").write_bytes(content)
        with pytest.raises(DataError, match=r"a\.npz cannot be read as an \.npz file"):
            opened(tmp_path / "a.npz")

    def test_digest_is_of_the_content(self, tmp_path: Path) -> None:
        first = opened(self.save(tmp_path, images=np.zeros((2, 4, 4), np.uint8))).digest()
        again = opened(tmp_path / "a.npz").digest()
        other = opened(self.save(tmp_path, images=np.ones((2, 4, 4), np.uint8))).digest()
        assert first == again != other


def write_mnist(root: Path, name: str = "MNIST") -> dict[str, np.ndarray]:
    """Tiny files in the format and at the place that torchvision expects."""
    raw = root / name / "raw"
    raw.mkdir(parents=True)
    made = {}
    for prefix, count in (("train", 12), ("t10k", 4)):
        pixels = np.stack([noise(28, 28, seed)[:, :, 0] for seed in range(count)])
        labels = np.arange(count, dtype=np.uint8) % 10
        images = struct.pack(">iiii", 2051, count, 28, 28) + pixels.tobytes()
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(
            struct.pack(">ii", 2049, count) + labels.tobytes()
        )
        made[prefix] = pixels
    return made


class TestTorchvision:
    def test_a_set_that_is_there(self, tmp_path: Path) -> None:
        made = write_mnist(tmp_path)
        train = opened("mnist", root=str(tmp_path))
        test = opened("mnist", "test", root=str(tmp_path))
        assert (len(train), len(test)) == (12, 4)
        assert np.array_equal(np.asarray(train.item(5)), made["train"][5])
        assert np.array_equal(np.asarray(test.item(3)), made["t10k"][3])
        assert train.labels is not None
        assert train.labels.tolist() == [*range(10), 0, 1]
        assert train.classes[3] == "3 - three"
        assert (train.names[0], test.names[3]) == ("mnist-train-0", "mnist-test-3")
        assert train.digest() == opened("mnist", root=str(tmp_path)).digest() != test.digest()
        assert find_source("mnist", str(tmp_path), False).split("val", None) is None
        assert len(find_source("mnist", str(tmp_path), False).peek(5)) == 5

    def test_a_set_of_files(self, tmp_path: Path) -> None:
        for wnid, count in (("n01440764", 2), ("n03888257", 1)):
            for row in range(count):
                write(tmp_path / "imagenette2/train" / wnid / f"{row}.jpeg")
        images = opened("imagenette", root=str(tmp_path))
        assert images.labels is not None
        assert images.labels.tolist() == [0, 0, 1]
        assert images.classes == ["tench, Tinca tinca", "parachute, chute"]

    def test_a_set_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"cannot read 'cifar10' in .*data\.download to true"):
            opened("cifar10", root=str(tmp_path))

    def test_a_set_without_a_place(self) -> None:
        with pytest.raises(DataError, match=r"the set 'cifar10' needs data\.root"):
            opened("cifar10")

    @pytest.mark.parametrize("name", sorted(SETS))
    def test_every_set_is_asked_for_what_it_knows(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is there; the complaint is about that and not about an argument."""
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked the user"))
        source = find_source(name, str(tmp_path), False)
        for split in SETS[name].splits:
            with pytest.raises(DataError, match=r"(?i): .*(not found|not present|does ?n.t exist)"):
                source.split(split, None)


class TestDigits:
    def test_the_split_is_fixed_and_stratified(self) -> None:
        train, test = opened("digits"), opened("digits", "test")
        assert len(train) + len(test) == 1797
        assert not set(train.names) & set(test.names)
        assert train.labels is not None
        assert test.labels is not None
        for label in range(10):
            own = (train.labels == label).sum() + (test.labels == label).sum()
            assert (test.labels == label).sum().item() == -(-own.item() // 5)
        assert list(opened("digits").names) == list(train.names)
        assert find_source(None, None, False).split("val", None) is None

    def test_pixels_are_those_of_scikit_learn(self) -> None:
        from sklearn.datasets import load_digits

        train, digits = opened("digits"), load_digits()
        row = int(train.names[700].removeprefix("digit-"))
        assert np.abs(train.item(700) * (16 / 255) - digits.images[row]).max() < 0.04
        assert train.labels is not None
        assert train.labels[700] == digits.target[row]


class TestUnknown:
    def test_a_misspelt_set(self) -> None:
        with pytest.raises(DataError, match=r"'cifer10' is neither .* did you mean 'cifar10'\?"):
            find_source("cifer10", None, False)

    def test_a_misspelt_folder(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        with pytest.raises(DataError, match=r"neither an existing path .* mean '.*/photos'\?"):
            find_source(str(tmp_path / "fotos"), None, False)

    def test_nothing_like_it(self) -> None:
        with pytest.raises(
            DataError, match=r"expected a folder of images, an \.npz file or one of"
        ):
            find_source("xyzzyxyzzy/qqqqqq", None, False)

    def test_another_kind_of_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"1,2"))
        with pytest.raises(DataError, match=r"a\.csv\.gz is a file; expected a folder"):
            find_source(str(tmp_path / "a.csv.gz"), None, False)


def test_encode_labels_numbers_values_in_order() -> None:
    (first, none, second), classes = encode_labels(np.array([30, 10]), None, np.array([20, -5]))
    assert classes == ["10", "20", "30"]
    assert first is not None
    assert second is not None
    assert none is None
    assert (first.tolist(), second.tolist()) == ([2, 0], [1, -1])
    assert first.dtype == torch.int64


@pytest.mark.parametrize(
    ("total", "count", "expected"), [(3, 5, [0, 1, 2]), (101, 3, [0, 50, 100])]
)
def test_evenly_spaced(total: int, count: int, expected: list[int]) -> None:
    assert evenly_spaced(total, count) == expected


def test_a_smaller_random_part_is_in_a_larger_one() -> None:
    indices = 3 * torch.arange(100)
    parts = [set(random_part(indices, count, seed=1).tolist()) for count in (5, 20, 100, 200)]
    assert [len(part) for part in parts] == [5, 20, 100, 100]
    assert parts[0] < parts[1] < parts[2] == parts[3] == set(indices.tolist())
    kept = random_part(indices, 20, seed=1)
    assert torch.equal(kept, kept.sort().values)
    assert not torch.equal(kept, random_part(indices, 20, seed=2))


def test_an_npz_is_opened_only_when_asked(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"not yet")
    assert isinstance(find_source(str(tmp_path / "a.npz"), None, False), Npz)
