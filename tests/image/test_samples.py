"""The sample set: lazy or in memory, with damaged files, subsets and a fingerprint."""

from pathlib import Path

import numpy as np
import pytest
import torch

from natlib.data import DecodedSamples, Unreadable, load_batches
from natlib.errors import DataError
from natlib_image import Image
from natlib_image.decoder import ImageDecoder
from natlib_image.decoding import DecodedImage, decode
from natlib_image.sources.arrays import ArrayImages

from .pictures import noise, tree, write


def samples_of(root: Path, **options: object) -> DecodedSamples[DecodedImage]:
    modality = Image.model_validate({"source": str(root), "size": 8, "resize": 8, **options})
    samples = modality.dataset("train")
    assert samples is not None
    return samples


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """40 images of different extents, of which number 3 is damaged."""
    for row in range(40):
        write(tmp_path / f"{row:02d}.png", noise(8 + row % 3, 8 + row % 5, row))
    (tmp_path / "03.png").write_text("not an image")
    return tmp_path


class TestLoading:
    @pytest.mark.parametrize("preloaded", [False, True])
    def test_samples_are_the_decoded_files(self, mixed: Path, preloaded: bool) -> None:
        samples = samples_of(mixed)
        if preloaded:
            samples.preload(workers=0)
        assert samples.in_memory is preloaded
        assert len(samples) == 40
        for index in (0, 1, 2, 39, 17):
            sample = samples[index]
            assert isinstance(sample, DecodedImage)
            assert sample.index == index
            assert torch.equal(sample.pixels, decode(mixed / samples.names[index], 8))
        bad = samples[3]
        assert isinstance(bad, Unreadable)
        assert bad.index == 3
        assert "cannot identify image file" in bad.reason

    def test_preloading_finds_what_is_damaged(self, mixed: Path) -> None:
        samples = samples_of(mixed)
        assert samples.usable.tolist() == list(range(40))
        assert samples.unreadable == []
        calls: list[tuple[int, int]] = []
        samples.preload(workers=0, progress=lambda done, total: calls.append((done, total)))
        assert samples.usable.tolist() == [row for row in range(40) if row != 3]
        assert [bad.index for bad in samples.unreadable] == [3]
        assert calls[-1] == (40, 40)

    def test_what_does_not_fit_stays_lazy(self, mixed: Path) -> None:
        samples = samples_of(mixed, cache_gib=1e-6)
        samples.preload(workers=0)
        assert not samples.in_memory
        assert len(samples.usable) == 40
        assert isinstance(samples[5], DecodedImage)

    def test_an_estimate_that_was_too_low_ends_lazy(self, tmp_path: Path) -> None:
        # The look beforehand meets every second image only, and those are square.
        for row in range(63):
            write(tmp_path / f"{row:02d}.png", noise(8, 8 if row % 2 == 0 else 16, row))
        square = 3 * 8 * 8
        samples = samples_of(tmp_path, cache_gib=64 * square / 2**30)
        samples.preload(workers=0)
        assert not samples.in_memory
        assert len(samples.usable) == 63

    def test_workers_decode_the_same(self, monkeypatch: pytest.MonkeyPatch, mixed: Path) -> None:
        alone, helped = samples_of(mixed), samples_of(mixed)
        alone.preload(workers=0)
        monkeypatch.setattr("natlib.data.decoded_store._WORTH_WORKERS", 0)
        monkeypatch.setattr("natlib.data.decoded_store._BLOCK_BYTES", 2000)
        helped.preload(workers=2)
        assert helped.in_memory
        assert torch.equal(helped.usable, alone.usable)
        assert [bad.index for bad in helped.unreadable] == [3]
        for index in helped.usable.tolist():
            assert torch.equal(helped[index].pixels, alone[index].pixels)

    def test_preloading_twice_is_once(self, mixed: Path) -> None:
        samples = samples_of(mixed)
        samples.preload(workers=0)
        first = samples[0].pixels.data_ptr()
        samples.preload(workers=0)
        assert samples[0].pixels.data_ptr() == first
        assert len(samples.unreadable) == 1

    def test_too_many_damaged_files(self, mixed: Path) -> None:
        for row in (5, 6):
            (mixed / f"{row:02d}.png").write_bytes(b"")
        expected = (
            r"3 of 40 images \(7\.5%\) cannot be decoded, for example "
            r"03\.png \(UnidentifiedImageError: .*\); 05\.png \(.*\); 06\.png \(.*\); repair"
        )
        with pytest.raises(DataError, match=expected):
            samples_of(mixed).preload(workers=0)

    def test_one_image(self, tmp_path: Path) -> None:
        samples = samples_of(tree(tmp_path, "only.png"))
        samples.preload(workers=2)
        assert samples.usable.tolist() == [0]
        assert samples[0].pixels.shape == (3, 8, 8)

    def test_running_out_of_memory_is_not_a_damaged_file(
        self, mixed: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr("natlib_image.decoder.decode_image", fail)
        with pytest.raises(MemoryError):
            samples_of(mixed)[0]


class TestBatches:
    def test_extents_are_padded_to_the_largest(self, mixed: Path) -> None:
        samples = samples_of(mixed)
        batch = Image(size=8, resize=8).collate([samples[row] for row in (0, 3, 1, 14)])
        assert batch.index.tolist() == [0, 1, 14]
        assert [bad.index for bad in batch.unreadable] == [3]
        assert batch.data["pixels"].dtype == torch.uint8
        assert batch.data["pixels"].shape == (3, 3, 8, 10)
        for row, index in enumerate((0, 1, 14)):
            pixels = samples[index].pixels
            height, width = batch.data["height"][row], batch.data["width"][row]
            assert pixels.shape == (3, height, width)
            assert torch.equal(batch.data["pixels"][row, :, :height, :width], pixels)
            assert not batch.data["pixels"][row, :, :, width:].any()

    def test_nothing_readable(self) -> None:
        batch = Image(size=8, resize=8).collate([Unreadable(4, "gone")])
        assert len(batch.index) == 0
        assert all(len(tensor) == 0 for tensor in batch.data.values())
        assert [bad.index for bad in batch.unreadable] == [4]

    @pytest.mark.parametrize("preloaded", [False, True])
    def test_through_the_loader(self, mixed: Path, preloaded: bool) -> None:
        samples = samples_of(mixed)
        if preloaded:
            samples.preload(workers=0)
        modality = Image(size=8, resize=8)
        batches = [[0, 1, 2], [3, 39, 10]]
        found = list(
            load_batches(modality, samples, batches, device=torch.device("cpu"), workers=2)
        )
        assert [batch.index.tolist() for batch in found] == [[0, 1, 2], [39, 10]]
        assert modality.views(found[1], 2)[0].shape == (2, 3, 8, 8)


class TestSubset:
    def test_stable_sorted_and_of_the_training_split_only(self, tmp_path: Path) -> None:
        names = [f"train/{label}/{row}.png" for label in "ab" for row in range(20)]
        root = tree(tmp_path, *names, "test/a/1.png", "test/b/2.png")
        few = Image(source=str(root), size=8, resize=8, max_samples=10)
        first, again = few.dataset("train"), few.dataset("train")
        assert first is not None
        assert again is not None
        assert len(first) == 10
        assert list(first.names) == list(again.names) == sorted(set(first.names))
        assert first.labels is not None
        assert [first.classes[label] for label in first.labels] == [n[0] for n in first.names]
        assert torch.equal(first[7].pixels, decode(root / "train" / first.names[7], 8))
        assert first.fingerprint() == again.fingerprint()

        other = few.model_copy(update={"subset_seed": 1}).dataset("train")
        assert other is not None
        assert list(other.names) != list(first.names)
        assert other.fingerprint() != first.fingerprint()

        test = few.dataset("test")
        assert test is not None
        assert len(test) == 2

    def test_a_subset_of_everything_is_everything(self, tmp_path: Path) -> None:
        root = tree(tmp_path, *[f"{row}.png" for row in range(5)])
        whole, limited = samples_of(root), samples_of(root, max_samples=5)
        assert list(whole.names) == list(limited.names)
        assert whole.fingerprint() == limited.fingerprint()


class TestFingerprint:
    def test_names_and_labels_count(self, tmp_path: Path) -> None:
        one = samples_of(tree(tmp_path / "1", "a/1.png", "b/2.png")).fingerprint()
        same = samples_of(tree(tmp_path / "2", "b/2.png", "a/1.png")).fingerprint()
        name = samples_of(tree(tmp_path / "3", "a/1.png", "b/3.png")).fingerprint()
        assert one == same != name

    def test_labels_count_where_names_are_equal(self) -> None:
        pixels = np.zeros((2, 8, 8), np.uint8)
        names = ["x", "y"]
        prints = {
            DecodedSamples(
                ArrayImages(pixels, names, labels, ["0", "1"]), ImageDecoder(8), 1.0
            ).fingerprint()
            for labels in (torch.tensor([0, 1]), torch.tensor([1, 0]), None)
        }
        assert len(prints) == 3

    def test_unchanged_by_preloading(self, mixed: Path) -> None:
        samples = samples_of(mixed)
        before = samples.fingerprint()
        samples.preload(workers=0)
        assert samples.fingerprint() == before


def test_the_index_is_kept_in_the_folder_that_is_given(tmp_path: Path) -> None:
    import os

    root = tree(tmp_path / "images", "a.png", "b.png")
    os.utime(root, (1e9, 1e9))
    modality = Image(source=str(root), size=8, resize=8)
    for _ in range(2):
        samples = modality.dataset("train", tmp_path / "cache")
        assert samples is not None
        assert list(samples.names) == ["a.png", "b.png"]
    assert len(list((tmp_path / "cache").iterdir())) == 1


class TestWhatIsCropped:
    """What is not seen of images for their shape is counted and said."""

    @staticmethod
    def notes(*sizes: tuple[int, int]) -> list[str]:
        decoder = ImageDecoder(8)
        rng = np.random.default_rng(0)
        pixels = [rng.integers(0, 255, (*size, 3), dtype=np.uint8) for size in sizes]
        return decoder.notes([decoder.decode(number, item) for number, item in enumerate(pixels)])

    def test_squares_are_not_mentioned(self) -> None:
        assert self.notes((16, 16), (40, 40), (100, 101)) == []

    def test_oblong_images_are_counted(self) -> None:
        (note,) = self.notes((16, 16), (16, 24), (24, 16), (10, 15))
        assert note.startswith("3 of the 4 images that were looked at (75 %) are not square")
        assert "67 % of a typical one" in note

    def test_strips_are_counted(self) -> None:
        square, strip = self.notes((10, 50), (10, 20), (16, 16))
        assert square.startswith("2 of the 3 images")
        assert strip.startswith(
            "1 of the 3 images that were looked at (33 %) are more than 2 times"
        )
