"""Folders, tables of labels, and synthesised notes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from natlib.data import notes_of
from natlib.errors import DataError
from natlib_audio import Audio
from natlib_audio.sources.find import find_source
from natlib_audio.sources.labels import LabelledFiles
from natlib_audio.sources.notes import RATE, Notes
from natlib_audio.sources.timbres import TIMBRES, note

from .sounds import tree

NAMES = ("a.wav", "more/b.wav", "more/c.flac", "more/d.wav")


def table(path: Path, *rows: str) -> str:
    path.write_text("\n".join(rows) + "\n")
    return str(path)


def labelled(root: Path, labels: str, split: str = "train") -> LabelledFiles | None:
    found = find_source(str(root), labels).split(split, None)  # type: ignore[arg-type]
    assert found is None or isinstance(found, LabelledFiles)
    return found


class TestFolder:
    def test_files_of_all_kinds(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.wav", "b.FLAC", "deep/er/c.ogg", "d.mp3", "e.aiff")
        for name in ("notes.txt", "f.m4a", "g.M4A"):
            (tmp_path / name).write_text("no sound")
        split = find_source(str(tmp_path), None).split("train", None)
        assert split is not None
        assert list(split.names) == ["a.wav", "b.FLAC", "d.mp3", "deep/er/c.ogg", "e.aiff"]
        assert [note.removeprefix(f"left out of {tmp_path}: ") for note in notes_of(split)] == [
            "2 .m4a sounds, which need another format (ffmpeg -i sound.m4a sound.flac, say)",
            "1 file of another kind (1 .txt)",
        ]

    @pytest.mark.parametrize(
        ("source", "message"),
        [
            ("no/such/folder", "neither an existing path nor a known set; expected a folder"),
            ("noted", "did you mean 'notes'"),
        ],
    )
    def test_no_such_source(self, source: str, message: str) -> None:
        with pytest.raises(DataError, match=message):
            find_source(source, None)

    def test_a_file(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.wav")
        with pytest.raises(DataError, match="is a file; expected a folder of sounds"):
            find_source(str(tmp_path / "a.wav"), None)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=r"no sounds in .* expected files that end in aif, aiff, flac, mp3"
        ):
            Audio(source=str(tmp_path)).resolved()


class TestLabels:
    def test_without_splits(self, tmp_path: Path) -> None:
        tree(tmp_path, *NAMES)
        labels = table(
            tmp_path / "l.csv", "file,label", "more/b.wav,dog", "a.wav,cat", "more/d.wav,"
        )
        files = labelled(tmp_path, labels)
        assert files is not None
        assert list(files.names) == sorted(NAMES)
        assert files.classes == ["cat", "dog"]
        assert files.labels is not None
        assert files.labels.tolist() == [0, 1, -1, -1]
        assert labelled(tmp_path, labels, "test") is None
        assert files.item(1) == tmp_path / "more/b.wav"

    def test_with_splits(self, tmp_path: Path) -> None:
        tree(tmp_path, *NAMES)
        labels = table(
            tmp_path / "l.tsv",
            "label\tfile\tsplit",
            "1\tmore/b.wav\ttest",
            "2\t./a.wav\ttrain",
            "2\tmore/d.wav\tdev",
        )
        found = {split: labelled(tmp_path, labels, split) for split in ("train", "val", "test")}
        assert {split: list(files.names) for split, files in found.items() if files} == {
            "train": ["a.wav", "more/c.flac"],  # the table does not say what c is for
            "val": ["more/d.wav"],
            "test": ["more/b.wav"],
        }
        assert all(files and files.classes == ["1", "2"] for files in found.values())
        assert found["train"]
        assert found["train"].labels is not None
        assert found["train"].labels.tolist() == [1, -1]

    def test_a_table_as_people_have_it(self, tmp_path: Path) -> None:
        tree(tmp_path, *NAMES)
        labels = table(
            tmp_path / "l.csv", "file;label", "more/b.wav;10", "a.wav;9", "more/d.wav;-1",
            "more/c.flac;?",
        )  # fmt: skip
        files = labelled(tmp_path, labels)
        assert files is not None
        assert files.classes == ["9", "10"]
        assert files.labels is not None
        assert files.labels.tolist() == [0, 1, -1, -1]
        said = "\n".join(files.notes)
        assert "values are separated by ';' (data.table.separator)" in said
        assert "-1 means that there is no label (1 row)" in said
        labels = table(tmp_path / "l.csv", "file;label", "a.wav;0,5")
        with pytest.raises(DataError, match="column 'label' holds numbers with fractions"):
            labelled(tmp_path, labels)

    def test_splits_by_folder(self, tmp_path: Path) -> None:
        tree(tmp_path, "train/a.wav", "train/b.wav", "test/c.wav", "elsewhere/d.wav")
        labels = table(tmp_path / "l.csv", "file,label", "test/c.wav,x", "train/b.wav,y")
        train, test = labelled(tmp_path, labels), labelled(tmp_path, labels, "test")
        assert train
        assert test
        assert train.labels is not None
        assert test.labels is not None
        assert (list(train.names), train.labels.tolist()) == (
            ["train/a.wav", "train/b.wav"],
            [-1, 1],
        )
        assert (list(test.names), test.labels.tolist()) == (["test/c.wav"], [0])

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (
                ("file,label", "more/bb.wav,x"),
                r"names 1 files that are not in .* 'more/bb.wav'; did you mean 'more/b.wav'",
            ),
            (
                ("file,label", "zzz,x", "yyy,x"),
                r"names 2 files that are not in .* 'zzz'; give paths inside",
            ),
            (("file,label", "a.wav,x", "./a.wav,y"), "names 'a.wav' twice"),
            (("path,label", "a.wav,x"), "has no column 'file'"),
            (("file,labels", "a.wav,x"), "has no column 'label'; did you mean 'labels'"),
            (("file,label,split", "a.wav,x,often"), "holds 'often'; expected train, val or test"),
            (("file,label",), "has no rows"),
        ],
    )  # fmt: skip
    def test_a_table_that_does_not_fit(
        self, tmp_path: Path, rows: tuple[str, ...], message: str
    ) -> None:
        tree(tmp_path, *NAMES)
        with pytest.raises(DataError, match=message) as caught:
            labelled(tmp_path, table(tmp_path / "l.csv", *rows))
        assert "\n" not in str(caught.value)

    def test_nothing_to_train_on(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.wav")
        labels = table(tmp_path / "l.csv", "file,label,split", "a.wav,x,test")
        with pytest.raises(DataError, match="no file is for training"):
            labelled(tmp_path, labels)

    @pytest.mark.parametrize("name", ["gone.csv", "a.wav"])
    def test_no_table(self, tmp_path: Path, name: str) -> None:
        tree(tmp_path, "a.wav")
        with pytest.raises(DataError, match=r"data.labels: .* expected a file that ends in"):
            find_source(str(tmp_path), str(tmp_path / name))

    @pytest.mark.parametrize("source", [None, "notes"])
    def test_the_notes_have_their_own(self, source: str | None) -> None:
        with pytest.raises(
            ValidationError, match=f"labels is set.* source is .*{source or 'null'}"
        ):
            Audio(source=source, labels="labels.csv")

    def test_another_folder_has_none(self, tmp_path: Path) -> None:
        assert Audio(source="a", labels="a.csv").with_source("b").labels is None


class TestNotes:
    def test_what_there_is(self) -> None:
        train, test = Notes().split("train"), Notes().split("test")
        assert train is not None
        assert test is not None
        assert (len(train), len(test), Notes().split("val")) == (1600, 400, None)
        assert train.classes == test.classes == sorted(TIMBRES)
        for split in (train, test):
            assert split.labels is not None
            counts = torch.bincount(split.labels)
            assert counts.tolist() == [len(split) // 8] * 8

    def test_a_note_depends_on_nothing_but_its_number(self) -> None:
        first, second = Notes().split("train"), Notes().split("train")
        test = Notes().split("test")
        assert first is not None
        assert second is not None
        assert test is not None
        wave, rate = first.item(7)
        first.item(8)
        again, _ = second.item(7)
        assert rate == RATE
        assert np.array_equal(wave, again)
        assert not np.array_equal(wave, first.item(15)[0])
        assert not np.array_equal(wave, test.item(7)[0])
        assert first.digest() == second.digest() != test.digest()

    def test_sound_enough(self) -> None:
        split = Notes().split("test")
        assert split is not None
        for index in range(40):
            wave, _ = split.item(index)
            assert wave.shape == (RATE,)
            assert wave.dtype == np.float32
            assert 0.05 < np.abs(wave).max() < 0.95

    def test_peek_is_from_all_over(self) -> None:
        assert len(Notes().peek(5)) == 5


class TestTimbres:
    @staticmethod
    def spectrum(name: str, pitch: float = 200.0) -> tuple[np.ndarray, np.ndarray]:
        wave = note(TIMBRES[name], pitch, 1.0, RATE, np.random.default_rng(0))
        return np.abs(np.fft.rfft(wave)), np.fft.rfftfreq(len(wave), 1 / RATE)

    def level(self, name: str, hertz: float) -> float:
        spectrum, frequency = self.spectrum(name)
        return float(spectrum[np.abs(frequency - hertz) < 8].max())

    def test_a_reed_has_odd_partials(self) -> None:
        assert self.level("reed", 600) > 3 * self.level("reed", 400)
        assert self.level("reed", 1_000) > 3 * self.level("reed", 800)

    def test_a_bell_is_not_harmonic(self) -> None:
        assert self.level("bell", 2.74 * 200) > 3 * self.level("bell", 2.4 * 200)
        assert self.level("bell", 100) > 3 * self.level("bell", 150)

    def test_an_organ_is_held_and_a_marimba_is_not(self) -> None:
        organ, marimba = (
            note(TIMBRES[name], 200.0, 1.0, RATE, np.random.default_rng(0))
            for name in ("organ", "marimba")
        )
        loudness = [
            [float(np.square(wave[part]).mean()) for part in (slice(800, 1600), slice(5600, 6400))]
            for wave in (organ, marimba)
        ]
        assert 0.5 < loudness[0][1] / loudness[0][0] < 2
        assert loudness[1][1] < 0.01 * loudness[1][0]

    def test_nothing_beyond_half_the_rate(self) -> None:
        spectrum, frequency = self.spectrum("string", 1_000.0)
        assert np.square(spectrum[frequency > 3_800]).sum() < 0.01 * np.square(spectrum).sum()
