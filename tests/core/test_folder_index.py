"""The index of a folder: which images, in which order, and when it is read anew."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from natlib.data.files import (
    ChosenNames,
    FolderIndex,
    NameTable,
    NumberedNames,
    first_files,
    index_cache,
)
from natlib.data.files import cached_scan as cached_scan_of
from natlib.data.files import scan as scan_of
from natlib.errors import DataError

EXTENSIONS = ("jpg", "png", "tiff")

PARTS = st.text(alphabet="aB1-. _é", min_size=1, max_size=4).filter(
    lambda part: not part.startswith(".") and part.strip() == part and not part.endswith(".")
)


def scan(root: Path) -> FolderIndex:
    return scan_of(root, EXTENSIONS)


def cached_scan(root: Path, cache: Path | None) -> FolderIndex:
    return cached_scan_of(root, cache, EXTENSIONS)


def first_images(root: Path, count: int) -> list[Path]:
    return first_files(root, count, EXTENSIONS)


def touch(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def settle(root: Path) -> None:
    """Give every folder a time stamp of long ago, as a finished data set has."""
    for folder, _, _ in os.walk(root):
        os.utime(folder, (1e9, 1e9))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(paths=st.sets(st.lists(PARTS, min_size=1, max_size=3).map(tuple), max_size=12))
def test_order_is_that_of_relative_posix_paths(
    paths: set[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("images")
    names = ["/".join(parts) + ".png" for parts in paths]
    touch(root, *names)
    assert list(scan(root).names) == sorted(names, key=os.fsencode)


def test_a_folder_sorts_with_the_slash_behind_its_name(tmp_path: Path) -> None:
    names = ["a/z.png", "a-b.png", "a.png", "a/b/c.png", "a0.png"]
    touch(tmp_path, *names)
    assert list(scan(tmp_path).names) == ["a-b.png", "a.png", "a/b/c.png", "a/z.png", "a0.png"]


def test_only_visible_image_files_count(tmp_path: Path) -> None:
    good = [f"x.{extension}" for extension in EXTENSIONS] + ["Y.JPG", "Y.Png"]
    touch(tmp_path, *good, "a.txt", "jpg", "notes.jpg.bak", ".hidden.jpg", ".git/a.jpg")
    (tmp_path / "folder.png").mkdir()
    assert sorted(scan(tmp_path).names) == sorted(good)


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "elsewhere", "far.png")
    root = touch(tmp_path / "root", "a/one.png")
    (root / "a" / "up").symlink_to(root)
    (root / "b").symlink_to(elsewhere)
    (root / "c.png").symlink_to(elsewhere / "far.png")
    (root / "dangling.png").symlink_to(root / "nowhere.png")
    (root / "itself.png").symlink_to(root / "itself.png")
    assert list(scan(root).names) == ["a/one.png", "b/far.png", "c.png"]


def test_a_folder_reached_twice_is_read_once(tmp_path: Path) -> None:
    touch(tmp_path, "real/one.png")
    (tmp_path / "zlink").symlink_to(tmp_path / "real")
    assert list(scan(tmp_path).names) == ["real/one.png"]


def test_groups_are_first_level_folders(tmp_path: Path) -> None:
    touch(tmp_path, "b/x/deep.png", "a/1.png", "loose.png", "b/2.png")
    (tmp_path / "empty").mkdir()
    index = scan(tmp_path)
    assert index.folders == ["a", "b", "empty"]
    found = dict(zip(index.names, index.groups.tolist(), strict=True))
    assert found == {"a/1.png": 0, "b/2.png": 1, "b/x/deep.png": 1, "loose.png": -1}


def test_an_empty_folder_has_an_empty_index(tmp_path: Path) -> None:
    index = scan(tmp_path)
    assert len(index.names) == 0
    assert index.groups.shape == (0,)


def test_a_missing_folder_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read .*nowhere"):
        scan(tmp_path / "nowhere")


def test_digest_depends_on_names_alone(tmp_path: Path) -> None:
    one = scan(touch(tmp_path / "one", "a/1.png", "a/2.png"))
    same = scan(touch(tmp_path / "two", "a/2.png", "a/1.png"))
    other = scan(touch(tmp_path / "three", "a/1.png", "a/3.png"))
    # The same characters, cut at another place.
    cut = scan(touch(tmp_path / "four", "a/1.pnga", "b.png"))
    assert one.digest() == same.digest()
    assert len({one.digest(), other.digest(), cut.digest()}) == 3


def test_names_outlive_an_encoding_that_is_not_utf8(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9.png"), "wb"):
        pass
    (name,) = scan(tmp_path).names
    assert (tmp_path / name).exists()


class TestCache:
    @pytest.fixture
    def scans(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """Folders that were really read."""
        seen: list[Path] = []

        def counted(root: Path, extensions: Sequence[str]) -> FolderIndex:
            seen.append(root)
            return scan_of(root, extensions)

        monkeypatch.setattr(index_cache, "scan", counted)
        return seen

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        root = touch(tmp_path / "images", "a/1.png", "b/2.png", "b/c/3.png")
        settle(root)
        return root

    def test_an_unchanged_folder_is_read_once(
        self, root: Path, tmp_path: Path, scans: list[Path]
    ) -> None:
        first = cached_scan(root, tmp_path / "cache")
        second = cached_scan(root, tmp_path / "cache")
        assert scans == [root]
        assert list(second.names) == list(first.names) == ["a/1.png", "b/2.png", "b/c/3.png"]
        assert np.array_equal(second.groups, first.groups)
        assert second.folders == first.folders
        assert second.digest() == first.digest()

    def test_other_extensions_are_another_index(
        self, root: Path, tmp_path: Path, scans: list[Path]
    ) -> None:
        touch(root, "a/1.wav")
        settle(root)
        cached_scan(root, tmp_path / "cache")
        sounds = cached_scan_of(root, tmp_path / "cache", ["wav"])
        assert list(sounds.names) == ["a/1.wav"]
        assert len(list(cached_scan(root, tmp_path / "cache").names)) == 3

    @pytest.mark.parametrize("change", ["add", "remove", "rename", "new folder", "folder gone"])
    def test_a_changed_folder_is_read_again(
        self, root: Path, tmp_path: Path, scans: list[Path], change: str
    ) -> None:
        cached_scan(root, tmp_path / "cache")
        if change == "add":
            touch(root, "b/c/4.png")
        elif change == "remove":
            (root / "b/c/3.png").unlink()
        elif change == "rename":
            (root / "a/1.png").rename(root / "a/9.png")
        elif change == "new folder":
            touch(root, "d/5.png")
        else:
            (root / "b/c/3.png").unlink()
            (root / "b/c").rmdir()
        again = cached_scan(root, tmp_path / "cache")
        assert len(scans) == 2
        assert list(again.names) == list(scan(root).names)

    def test_a_folder_that_changed_just_now_is_not_kept(
        self, root: Path, tmp_path: Path, scans: list[Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1_500_000_000
        os.utime(root / "a", (now, now))
        clock = iter(now * 10**9 + since for since in (0, 2_000_000_000, 2_000_000_001))
        monkeypatch.setattr("time.time_ns", lambda: next(clock))
        for _ in range(4):
            cached_scan(root, tmp_path / "cache")
        # The first two did not keep what they read, for it was younger than two seconds.
        assert len(scans) == 3

    @pytest.mark.parametrize("content", [b"", b"not a zip file", b"PK\x03\x04 cut off"])
    def test_a_damaged_file_counts_as_absent(
        self, root: Path, tmp_path: Path, scans: list[Path], content: bytes
    ) -> None:
        cache = tmp_path / "cache"
        cached_scan(root, cache)
        (file,) = cache.iterdir()
        file.write_bytes(content)
        assert len(cached_scan(root, cache).names) == 3
        assert len(scans) == 2
        cached_scan(root, cache)  # written anew
        assert len(scans) == 2

    def test_a_pickle_in_the_file_is_not_opened(
        self, root: Path, tmp_path: Path, scans: list[Path]
    ) -> None:
        cache = tmp_path / "cache"
        cached_scan(root, cache)
        (file,) = cache.iterdir()
        with np.load(file) as saved:
            arrays = dict(saved)
        arrays["ends"] = np.array([{"not": "numbers"}], dtype=object)
        np.savez(file, **arrays)
        assert len(cached_scan(root, cache).names) == 3
        assert len(scans) == 2

    def test_a_cache_that_cannot_be_written_is_done_without(
        self, root: Path, tmp_path: Path
    ) -> None:
        blocked = tmp_path / "file"
        blocked.touch()
        assert len(cached_scan(root, blocked / "cache").names) == 3

    def test_nothing_is_left_beside_the_file(self, root: Path, tmp_path: Path) -> None:
        cached_scan(root, tmp_path / "cache")
        assert [file.suffix for file in (tmp_path / "cache").iterdir()] == [".npz"]
        assert not any(file.name.startswith(".") for file in (tmp_path / "cache").iterdir())


class TestFirstImages:
    def test_all_folders_have_a_say(self, tmp_path: Path) -> None:
        touch(tmp_path, *[f"{folder}/{row}.png" for folder in "abcd" for row in range(10)])
        found = first_images(tmp_path, 8)
        assert len(set(found)) == 8
        assert {path.parent.name for path in found} == set("abcd")

    def test_they_come_from_all_over_a_large_folder(self, tmp_path: Path) -> None:
        touch(tmp_path, *[f"{row:02d}.png" for row in range(20)])
        assert [path.name for path in first_images(tmp_path, 5)] == [
            f"{row:02d}.png" for row in (0, 4, 8, 12, 16)
        ]

    def test_fewer_images_than_asked_for(self, tmp_path: Path) -> None:
        touch(tmp_path, "loose.png", "a/b/deep.png")
        assert {path.name for path in first_images(tmp_path, 8)} == {"loose.png", "deep.png"}
        assert len(first_images(tmp_path, 8)) == 2


@pytest.mark.parametrize(
    "names",
    [
        NameTable.pack([b"a", b"", b"ccc", "é".encode()]),
        ChosenNames(["x", "a", "y", "", "ccc", "é"], np.array([1, 3, 4, 5])),
    ],
)
def test_name_sequences_behave_like_lists(names: NameTable | ChosenNames) -> None:
    expected = ["a", "", "ccc", "é"]
    assert list(names) == expected
    assert len(names) == 4
    assert names[-1] == "é"
    assert names[1:3] == expected[1:3]
    assert "ccc" in names
    with pytest.raises(IndexError):
        names[4]


def test_numbered_names_behave_like_lists() -> None:
    names = NumberedNames("image", 3)
    assert list(names) == ["image-0", "image-1", "image-2"]
    assert names[1:] == ["image-1", "image-2"]
    with pytest.raises(IndexError):
        names[3]
