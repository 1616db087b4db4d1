"""Stored samples, decoded when asked for or kept in memory: one sample set for all modalities."""

import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from natlib.data import (
    DecodedSamples,
    DecodedStore,
    PreloadPlan,
    Unreadable,
    as_path,
    decode_all,
    decode_items,
    noted,
    notes_of,
)
from natlib.errors import DataError
from natlib.testing.modality_subject import ModalitySubject
from natlib_audio import Audio
from natlib_image import Image
from natlib_text import Text


class Words:
    """Stored samples: words, of which some are damaged in one way or another."""

    def __init__(self, words: list[Any], labels: Tensor | None = None) -> None:
        self.words = words
        self.names = [f"word-{number}" for number in range(len(words))]
        self.labels = labels
        self.classes = ["even", "odd"]
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.words)

    def item(self, index: int) -> Any:
        self.asked.append(index)
        return self.words[index]

    def digest(self) -> bytes:
        return repr(self.words).encode()


@dataclass(frozen=True)
class Spelt:
    index: int
    letters: Tensor


class Speller:
    noun: ClassVar[str] = "words"

    def decode(self, index: int, item: Any) -> Spelt:
        if isinstance(item, Path):
            raise OSError("no such\n  word.")
        if isinstance(item, int):
            raise DataError("it is a number")
        if item == "huge":
            raise MemoryError
        return Spelt(index, torch.tensor(list(item.encode()), dtype=torch.uint8))

    def nbytes(self, sample: Spelt) -> float:
        return len(sample.letters)

    def store(
        self, load: Callable[[int], Spelt | Unreadable], plan: PreloadPlan
    ) -> DecodedStore | None:
        return decode_all(load, lambda sample: sample.letters, 1, plan)

    def notes(self, samples: Sequence[Spelt]) -> list[str]:
        return [f"{len(samples)} words were looked at"]

    def restore(self, index: int, kept: Tensor) -> Spelt:
        return Spelt(index, kept)


def text(sample: Spelt | Unreadable) -> str:
    assert isinstance(sample, Spelt)
    return bytes(sample.letters.tolist()).decode()


GOOD = [f"word{number}" for number in range(40)]


def test_kept_in_memory_samples_are_the_same_and_sources_are_left_alone() -> None:
    stored = Words([*GOOD, 3])
    lazy = DecodedSamples(Words([*GOOD, 3]), Speller(), 1.0)
    kept = DecodedSamples(stored, Speller(), 1.0)
    assert (kept.in_memory, kept.usable.tolist()) == (False, list(range(41)))
    kept.preload(0)
    assert (kept.in_memory, kept.usable.tolist()) == (True, list(range(40)))
    stored.asked.clear()
    for index in range(40):
        assert text(kept[index]) == text(lazy[index]) == GOOD[index]
        assert kept[index].index == index  # type: ignore[union-attr]
    assert kept[40] == lazy[40] == Unreadable(40, "it is a number")
    assert kept.unreadable == [Unreadable(40, "it is a number")]
    kept.preload(0)
    assert stored.asked == []


def test_what_needs_too_much_memory_is_decoded_when_asked_for() -> None:
    for words in (GOOD, [*GOOD[:20], "x" * 200, *GOOD[20:]]):  # the second is not peeked at
        samples = DecodedSamples(Words(words), Speller(), 250 / 2**30)
        samples.preload(0)
        assert samples.in_memory is (words is GOOD)
        assert text(samples[30]) == words[30]


def test_rows_choose_samples_with_their_names_and_labels() -> None:
    labels = torch.arange(40) % 2
    rows = torch.tensor([1, 2, 30])
    part = DecodedSamples(Words(GOOD, labels), Speller(), 1.0, rows)
    assert list(part.names) == ["word-1", "word-2", "word-30"]
    assert part.labels is not None
    assert part.labels.tolist() == [1, 0, 0]
    assert (len(part), part.item(2)) == (3, "word30")
    for _ in range(2):
        assert [text(part[index]) for index in range(3)] == ["word1", "word2", "word30"]
        assert part[2].index == 2  # type: ignore[union-attr]
        part.preload(0)


def test_errors_become_one_line_and_lack_of_memory_stays_an_error() -> None:
    samples = DecodedSamples(Words([Path("gone"), 3, "huge"]), Speller(), 1.0)
    assert samples[0] == Unreadable(0, "OSError: no such word")
    assert samples[1] == Unreadable(1, "it is a number")
    with pytest.raises(MemoryError):
        samples[2]


def test_too_many_unreadable_samples_are_an_error() -> None:
    samples = DecodedSamples(Words([*GOOD, 1, 2, 3]), Speller(), 1.0)
    with pytest.raises(DataError, match=r"3 of 43 words \(7\.0%\) .* word-40 \(it is a number\)"):
        samples.preload(0)


def test_the_fingerprint_is_of_samples_labels_and_rows() -> None:
    labels = torch.arange(40) % 2
    rows = torch.tensor([3, 4])
    prints = [
        DecodedSamples(Words(words, own), Speller(), 1.0, chosen).fingerprint()
        for words, own, chosen in (
            (GOOD, None, None),
            (GOOD[:39], None, None),
            (GOOD, labels, None),
            (GOOD, 1 - labels, None),
            (GOOD, labels, rows),
            (GOOD, labels, rows + 2),
        )
    ]
    assert len(set(prints)) == 6
    # Runs that exist compare theirs with it: what it is made of stays.
    digest = hashlib.sha256(repr(GOOD).encode())
    digest.update(labels[rows].numpy().tobytes() + np.array([3, 4], np.int64).tobytes())
    assert prints[4] == digest.hexdigest()


def test_items_of_a_user_are_named_in_errors() -> None:
    assert [text(sample) for sample in decode_items(Speller(), ["a", "bc"], "a word")] == [
        "a",
        "bc",
    ]
    with pytest.raises(DataError, match="cannot read item 1 as a word: it is a number"):
        decode_items(Speller(), ["a", 3], "a word")
    with pytest.raises(DataError, match="cannot read gone as a word: OSError: no such word"):
        decode_items(Speller(), map(as_path, ["gone"]), "a word")


@pytest.mark.parametrize("modality", [Audio, Image, Text])
def test_pipes_and_devices_are_never_opened(
    modality: type[Audio | Image | Text], tmp_path: Path
) -> None:
    # Texts of its own: to read the whole standard library takes seconds.
    (tmp_path / "texts.txt").write_text("one line\nanother one\n" * 9)
    source = str(tmp_path / "texts.txt") if modality is Text else None
    os.mkfifo(tmp_path / "pipe")
    bound = socket.socket(socket.AF_UNIX)
    bound.bind(str(tmp_path / "socket"))
    fitted = ModalitySubject(modality(source=source, max_samples=16), []).resolved
    kinds = {"pipe": "named pipe", "socket": "socket", "/dev/zero": "device", ".": "folder"}
    for name, kind in kinds.items():
        with pytest.raises(DataError, match=f"it is a {kind}, and no file"):
            fitted.samples([tmp_path / name])
    samples = DecodedSamples(Words([tmp_path / name for name in kinds]), Speller(), 1.0)
    assert [samples[number].reason for number in range(4)] == [  # type: ignore[union-attr]
        f"it is a {kind}, and no file" for kind in kinds.values()
    ]
    bound.close()


def test_what_a_decoder_says_is_said_once() -> None:
    samples = DecodedSamples(Words(GOOD), Speller(), 1e-9)
    for _ in range(2):
        samples.preload(0)
        assert notes_of(samples) == ["40 words were looked at"]


def test_what_is_cut_is_known_after_one_look() -> None:
    words = Words(GOOD)
    samples = DecodedSamples(words, Speller(), 1.0)
    assert notes_of(samples) == []
    assert noted(samples) == ["40 words were looked at"]
    words.asked.clear()
    assert noted(samples) == ["40 words were looked at"]
    assert words.asked == []
    assert noted([1, 2]) == []  # no sample set that can look
