"""What lies where in a folder of samples, and what is said about it; alike in all modalities.

Files are empty: folders are read by names.
"""

import os
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natlib.data import encode_labels, read_labels
from natlib.data.files import Folder, FolderFiles, NameLookup, holds_files, scan
from natlib.data.splits import SPLIT_NAMES
from natlib.errors import DataError
from natlib_audio import Audio
from natlib_image import Image
from natlib_text import Text

from .test_folder_index import settle, touch

NFC, NFD = (normalize(form, "café") for form in ("NFC", "NFD"))


def folder(root: Path) -> Folder:
    return Folder(root, ("png", "jpg"), "images", {"heic": "pillow-heif"})


def opened(root: Path, split: str = "train", cache: Path | None = None) -> FolderFiles:
    files = folder(root).split(split, cache)  # type: ignore[arg-type]
    assert files is not None
    return files


def labelled(files: FolderFiles) -> dict[str, str | None]:
    assert files.labels is not None
    return {
        name: files.classes[label] if label >= 0 else None
        for name, label in zip(files.names, files.labels.tolist(), strict=True)
    }


def said(files: FolderFiles, root: Path) -> list[str]:
    """The notes, with the name of the folder in place of where it is."""
    return [note.replace(str(root), root.name) for note in files.notes]


class TestSplits:
    @pytest.mark.parametrize("name", [*SPLIT_NAMES, "Training", "TESTING", "Val"])
    def test_names_are_those_of_tables(self, tmp_path: Path, name: str) -> None:
        split = SPLIT_NAMES[name.lower()]
        touch(tmp_path, f"{name}/a.png", "train/b.png", "test/c.png")
        found = folder(tmp_path).layout.splits
        expected = {"train", "test", split}
        assert set(found) == expected
        if name.lower() not in {"train", "test"} and split == "val":
            assert found["val"] == tmp_path / name

    def test_a_second_folder_for_a_split_is_left_out(self, tmp_path: Path) -> None:
        touch(tmp_path, "train/1.png", "val/2.png", "dev/3.png", "validation/4.png")
        assert folder(tmp_path).layout.splits["val"] == tmp_path / "val"
        assert said(opened(tmp_path), tmp_path) == [
            f"left out of {tmp_path.name}: validation, dev, since val is the split 'val' already"
        ]

    def test_what_lies_beside_splits_is_left_out_and_said(self, tmp_path: Path) -> None:
        touch(tmp_path, "train/1.png", "test/2.png", "more/3.png", "notes/a.txt", "x.png", "y.png")
        assert list(opened(tmp_path).names) == ["1.png"]
        assert said(opened(tmp_path), tmp_path) == [
            f"left out of {tmp_path.name}: 2 folders beside the splits (more, notes), "
            "2 images beside the splits"
        ]
        assert opened(tmp_path, "test").notes == []

    @pytest.mark.parametrize("train", ["train", "Training"])
    def test_train_beside_class_folders_is_a_class(self, tmp_path: Path, train: str) -> None:
        touch(tmp_path, f"{train}/1.png", "bus/2.png", "ship/x/3.png")
        files = opened(tmp_path)
        assert sorted(labelled(files).values()) == sorted([train, "bus", "ship"])  # type: ignore[type-var]
        assert said(files, tmp_path) == [
            f"{tmp_path.name}/{train} is read as a class like bus, ship beside it; for a split, "
            "move these away"
        ]

    @pytest.mark.parametrize("beside", ["notes/a.txt", "unlabelled/3.png", "more/cat/4.png"])
    def test_train_with_classes_inside_is_a_split(self, tmp_path: Path, beside: str) -> None:
        touch(tmp_path, "train/cat/1.png", "train/dog/2.png", beside)
        files = opened(tmp_path)
        assert files.classes == ["cat", "dog"]
        assert said(files, tmp_path) == [
            f"left out of {tmp_path.name}: 1 folder beside the splits ({beside.split('/')[0]})"
        ]

    @pytest.mark.parametrize("empty", ["test", "Validation"])
    def test_an_empty_split_is_none(self, tmp_path: Path, empty: str) -> None:
        touch(tmp_path, "train/1.png", f"{empty}/readme.txt", "dev/2.png")
        assert set(folder(tmp_path).layout.splits) == {"train", "val"}
        assert said(opened(tmp_path), tmp_path) == [
            f"left out of {tmp_path.name}: {empty}, without images"
        ]

    def test_without_train_splits_are_trained_on(self, tmp_path: Path) -> None:
        touch(tmp_path, "test/1.png", "dev/2.png")
        files = opened(tmp_path)
        assert labelled(files) == {"dev/2.png": "dev", "test/1.png": "test"}
        assert said(files, tmp_path) == [
            f"no folder in {tmp_path.name} is called train, so dev, test are read as training "
            "images"
        ]


class TestWrappers:
    @pytest.mark.parametrize("wrapper", ["photos", "photos/photos", "test"])
    def test_one_folder_around_classes(self, tmp_path: Path, wrapper: str) -> None:
        touch(tmp_path, f"{wrapper}/cat/1.png", f"{wrapper}/dog/2.png", "__MACOSX/cat/._1.png")
        files = opened(tmp_path)
        assert labelled(files) == {"cat/1.png": "cat", "dog/2.png": "dog"}
        assert said(files, tmp_path)[0] == (
            f"all images in {tmp_path.name} lie in its folder {wrapper}, which is read in its place"
        )

    def test_one_folder_around_splits(self, tmp_path: Path) -> None:
        touch(tmp_path, "set/train/1.png", "set/test/2.png", "docs/readme.txt")
        assert list(opened(tmp_path, "test").names) == ["2.png"]
        assert list(opened(tmp_path).names) == ["1.png"]

    def test_one_folder_around_the_classes_of_a_split(self, tmp_path: Path) -> None:
        names = [f"{s}/images/{c}/1.png" for s in ("train", "test") for c in ("cat", "dog")]
        touch(tmp_path, *names)
        assert opened(tmp_path).classes == opened(tmp_path, "test").classes == ["cat", "dog"]

    def test_a_split_with_one_class_is_not_wrapped_in_it(self, tmp_path: Path) -> None:
        touch(tmp_path, "train/cat/a/1.png", "train/dog/b/2.png", "test/cat/a/3.png")
        touch(tmp_path, "test/cat/b/4.png")
        assert set(labelled(opened(tmp_path, "test")).values()) == {"cat"}
        assert opened(tmp_path).classes == ["cat", "dog"]

    @pytest.mark.parametrize("name", ["a/1.png", "a/b/1.png", "train/1.png"])
    def test_a_folder_of_files_keeps_its_name(self, tmp_path: Path, name: str) -> None:
        touch(tmp_path, name)
        files = opened(tmp_path)
        assert list(files.names) == [name.removeprefix("train/")]
        assert files.notes == []

    def test_links_in_a_circle_end(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "a").symlink_to(tmp_path)
        with pytest.raises(DataError, match="no images in"):
            opened(tmp_path)


class TestClasses:
    def test_a_stray_file_has_no_label(self, tmp_path: Path) -> None:
        touch(tmp_path, "cat/1.png", "dog/2.png", "stray.png")
        files = opened(tmp_path)
        assert labelled(files) == {"cat/1.png": "cat", "dog/2.png": "dog", "stray.png": None}
        assert said(files, tmp_path) == [
            f"1 image lies beside the class folders in {tmp_path.name}, without a label"
        ]

    def test_many_files_beside_folders_mean_no_classes(self, tmp_path: Path) -> None:
        touch(tmp_path, "cat/1.png", "dog/2.png", "3.png", "4.png")
        files = opened(tmp_path)
        assert files.labels is None
        assert said(files, tmp_path) == [
            f"2 images lie beside the folders in {tmp_path.name}, so these are not read as classes"
        ]

    def test_empty_class_folders_are_no_classes(self, tmp_path: Path) -> None:
        touch(tmp_path, "cat/1.png", "dog/2.png", "bird/readme.txt")
        (tmp_path / "fish").mkdir()
        files = opened(tmp_path)
        assert files.classes == ["cat", "dog"]
        assert said(files, tmp_path) == [
            f"left out of {tmp_path.name}: 1 file of another kind (1 .txt)",
            f"2 folders in {tmp_path.name} without images (bird, fish)",
        ]

    @pytest.mark.parametrize(("here", "there"), [("Cat", "cat"), (NFC, NFD), (NFD, NFC.upper())])
    def test_splits_that_spell_a_class_differently(
        self, tmp_path: Path, here: str, there: str
    ) -> None:
        touch(tmp_path, f"train/{here}/1.png", "train/dog/2.png")
        touch(tmp_path, f"test/{there}/3.png", "test/dog/4.png")
        train, test = opened(tmp_path), opened(tmp_path, "test")
        assert train.classes == test.classes == sorted([normalize("NFC", here), "dog"])
        assert labelled(test)[f"{there}/3.png"] == normalize("NFC", here)
        assert train.notes == [
            "names of class folders that differ in case or Unicode form only are one class "
            f"(1: {normalize('NFC', here)})"
        ]

    def test_letters_are_classes_of_their_own(self, tmp_path: Path) -> None:
        touch(tmp_path, "train/a/1.png", "train/A/2.png", "test/a/3.png")
        train = opened(tmp_path)
        if len(train.names) < 2:
            pytest.skip("this file system does not tell upper from lower case")
        assert train.classes == ["A", "a"]
        assert train.notes == []

    def test_two_forms_of_a_name_in_one_folder(self, tmp_path: Path) -> None:
        touch(tmp_path, f"{NFC}/1.png", f"{NFD}/2.png", "dog/3.png")
        files = opened(tmp_path)
        assert files.classes == [NFC, "dog"]
        assert len(files) == 3


class TestLeftOut:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = touch(
            tmp_path / "photos", "1.png", "a/2.JPG", "a/b.txt", "c.txt", "d.csv", "README",
            "e.heic", "a/f.HEIC", ".DS_Store", "a/._2.jpg", "Thumbs.db", "__MACOSX/1.png",
            ".git/x.png",
        )  # fmt: skip
        (root / "gone.png").symlink_to(root / "nowhere.png")
        (root / "self.png").symlink_to(root / "self.png")
        (root / "again").symlink_to(root / "a")
        os.mkfifo(root / "pipe.png")
        os.mkfifo(root / "pipe")
        settle(root)
        return root

    def test_everything_is_counted_and_said_in_two_lines(self, root: Path, tmp_path: Path) -> None:
        for cache in (None, tmp_path / "cache", tmp_path / "cache"):
            files = opened(root, cache=cache)
            assert list(files.names) == ["1.png", "a/2.JPG"]
            assert said(files, root) == [
                "left out of photos: 2 .heic images, which need pillow-heif",
                "left out of photos: 4 files of other kinds (2 .txt, 1 without an extension, "
                "1 .csv), 2 dangling links, 2 pipes, sockets or devices, 5 hidden or system files "
                "and folders, 1 folder that links lead to a second time",
            ]

    def test_many_kinds_are_one_line(self, tmp_path: Path) -> None:
        touch(tmp_path, "1.png", *[f"{kind}.k{kind}" for kind in range(9)], "b." + "x" * 99)
        (note,) = opened(tmp_path).notes
        assert "10 files of other kinds (" in note
        assert note.endswith(", ...)")
        assert len(note) < 200 + len(str(tmp_path))

    def test_a_folder_with_nothing_else_says_what_it_holds(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.heic", "b.pdf")
        for read in (lambda: opened(tmp_path), lambda: folder(tmp_path).peek(4)):
            with pytest.raises(DataError) as told:
                read()
            message = str(told.value)
            assert "expected files that end in png, jpg" in message
            assert "1 .heic images, which need pillow-heif" in message
            assert "1 file of another kind (1 .pdf)" in message

    @pytest.mark.parametrize(
        ("modality", "name"), [(Image, "a.png"), (Audio, "a.wav"), (Text, "a.txt")]
    )
    def test_every_modality_reads_folders_so(
        self, tmp_path: Path, modality: type[Image | Audio | Text], name: str
    ) -> None:
        touch(tmp_path, f"set/Training/x/{name}", f"set/dev/X/{name}", f"set/Training/y/{name}")
        touch(tmp_path, "set/Training/x/notes.pdf", f"set/more/{name}")
        source = modality(source=str(tmp_path))._source()
        train, val = source.split("train"), source.split("val")
        assert train is not None
        assert val is not None
        assert source.split("test") is None
        assert list(train.names) == [f"x/{name}", f"y/{name}"]
        assert [val.classes[label] for label in ([] if val.labels is None else val.labels)] == ["x"]
        notes = " ".join(getattr(train, "notes", ()))
        for words in ("lie in its folder set", "(more)", "1 .pdf", "one class (1: x)"):
            assert words in notes


class TestNames:
    def test_a_name_is_found_in_any_form(self) -> None:
        lookup = NameLookup([NFD, "plain", f"{NFC}/x"])
        assert [lookup.get(name) for name in (NFC, NFD, "plain", f"{NFD}/x", "x")] == [
            0, 0, 1, 2, None,
        ]  # fmt: skip

    def test_two_names_of_which_neither_is_meant(self) -> None:
        # Both orders of the two marks are one letter, and the third spelling is composed.
        one, other, third = "a\u0323\u0302", "a\u0302\u0323", "\u1ead"
        lookup = NameLookup([one, other])
        assert (lookup.get(one), lookup.get(other), lookup.get(third)) == (0, 1, None)

    def test_labels_of_a_table_reach_names_in_another_form(self, tmp_path: Path) -> None:
        table = tmp_path / "labels.csv"
        table.write_text(f"name,label\n{NFC}.png,{NFD}\nb.png,{NFC}\n", encoding="utf-8")
        labels, classes, _ = read_labels(table, [f"{NFD}.png", "b.png"])
        assert labels.tolist() == [0, 0]
        assert classes == [NFC]

    def test_labels_are_numbered_alike_in_any_form(self) -> None:
        import numpy as np

        (one, other), classes = encode_labels(np.array([NFC, "z"]), np.array([NFD, "a"]))
        assert classes == ["a", NFC, "z"]
        assert one is not None
        assert other is not None
        assert one.tolist() + other.tolist() == [1, 2, 1, 0]


def test_folder_names_that_are_not_utf8(tmp_path: Path) -> None:
    os.makedirs(os.path.join(os.fsencode(tmp_path), b"caf\xe9"))
    with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9", b"1.png"), "wb"):
        pass
    touch(tmp_path, "dog/2.png")
    files = opened(tmp_path)
    assert files.classes == ["caf\udce9", "dog"]
    assert files.item(0).exists()
    assert scan(tmp_path, ["png"]).left_out == {}


FOLDERS = st.sampled_from(
    ["train", "Train", "training", "val", "dev", "test", "cat", "Cat", "dog", NFC, NFD, "__MACOSX"]
)
FILES = st.sampled_from(["1.png", "2.jpg", "a.txt", "b.heic", ".hidden.png"])
PATHS = st.tuples(st.lists(FOLDERS, max_size=3), FILES).map(lambda p: "/".join([*p[0], p[1]]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(paths=st.sets(PATHS, min_size=1, max_size=12))
def test_no_image_is_lost_without_a_word_or_read_twice(
    paths: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = touch(tmp_path_factory.mktemp("tree"), *paths)
    images = {path for path in paths if path.endswith((".png", ".jpg")) and "/." not in f"/{path}"}
    images = {path for path in images if "__MACOSX" not in path}
    source = folder(root)
    if not images:
        with pytest.raises(DataError, match="no images in"):
            source.split("train")
        return
    if "train" in source.layout.splits and not holds_files(
        source.layout.splits["train"], source.extensions
    ):
        return  # an error, too
    splits = [source.split(split) for split in ("train", "val", "test")]
    found = [files for files in splits if files is not None]
    read = [str((files.root / name).relative_to(root)) for files in found for name in files.names]
    assert len(set(read)) == len(read)
    assert set(read) <= images
    notes = [note for files in found for note in files.notes]
    assert set(read) == images or any("left out of" in note for note in notes)
    assert images == paths or notes
    labelled_ones = [files for files in found if files.labels is not None]
    assert len({tuple(files.classes) for files in labelled_ones}) <= 1
    for files in labelled_ones:
        for name, label in labelled(files).items():
            top, inside, _ = name.partition("/")
            expected = normalize("NFC", top).casefold() if inside else None
            assert (label and label.casefold()) == expected
