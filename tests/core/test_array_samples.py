"""Rows of an array as samples."""

from pathlib import Path

import numpy as np
import pytest
import torch

from natlib.data import ArraySample, ArraySamples, Unreadable, collate_arrays
from natlib.errors import DataError

ROWS = np.random.default_rng(0).normal(size=(100, 2, 5)).astype(np.float32)


def test_samples_are_rows() -> None:
    samples = ArraySamples(ROWS, torch.arange(100) % 3, ["a", "b", "c"], prefix="series")
    sample = samples[7]
    assert isinstance(sample, ArraySample)
    assert sample.index == 7
    assert np.array_equal(sample.values, ROWS[7])
    assert (len(samples), samples.names[7], samples.in_memory) == (100, "series-7", True)


def test_one_label_for_each_row() -> None:
    with pytest.raises(DataError, match=r"100 samples and labels \[99\]; give one label for each"):
        ArraySamples(ROWS, torch.zeros(99, dtype=torch.int64), ["a"])


def test_chosen_rows_keep_their_names_and_labels() -> None:
    chosen = torch.tensor([3, 8, 90])
    samples = ArraySamples(ROWS, torch.arange(100), [str(i) for i in range(100)], chosen=chosen)
    assert list(samples.names) == ["sample-3", "sample-8", "sample-90"]
    assert samples.labels is not None
    assert samples.labels.tolist() == [3, 8, 90]
    sample = samples[1]
    assert isinstance(sample, ArraySample)
    assert np.array_equal(sample.values, ROWS[8])


@pytest.mark.parametrize("block", [7, 65_536])
def test_what_is_not_sound_is_counted_and_left_out(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("natlib.data.array_samples._BLOCK", block)
    rows = ROWS.copy()
    rows[5, 1, 2], rows[60, 0, 0] = np.nan, np.inf
    samples = ArraySamples(rows)
    told: list[tuple[int, int]] = []
    samples.preload(0, lambda done, total: told.append((done, total)))
    assert told[-1] == (100, 100)
    assert [bad.index for bad in samples.unreadable] == [5, 60]
    assert samples.usable.tolist() == [i for i in range(100) if i not in (5, 60)]
    assert samples[5] == Unreadable(5, "it holds NaN or infinity")
    rows[10:14] = np.nan
    with pytest.raises(DataError, match=r"6 of 100 samples \(6\.0%\).*sample-5 \(it holds NaN"):
        ArraySamples(rows).preload(0)


def test_the_fingerprint_is_of_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    other = ROWS.copy()
    other[99, 1, 4] += 1
    labels = torch.zeros(100, dtype=torch.int64)
    samples = [
        ArraySamples(ROWS), ArraySamples(other), ArraySamples(ROWS.reshape(100, 10)),
        ArraySamples(ROWS, labels, ["a"]), ArraySamples(ROWS, chosen=torch.arange(99)),
    ]  # fmt: skip
    found = [own.fingerprint() for own in samples]
    assert len(set(found)) == len(found)
    monkeypatch.setattr("natlib.data.array_samples._BLOCK", 7)
    assert [own.fingerprint() for own in samples] == found


def test_a_mapped_file_is_not_read_as_a_whole(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ROWS)
    samples = ArraySamples(np.load(tmp_path / "a.npy", mmap_mode="r"))
    samples.preload(0)
    assert isinstance(samples.array, np.memmap)
    assert samples.fingerprint() == ArraySamples(ROWS).fingerprint()


def test_collating_stacks_what_there_is() -> None:
    samples = ArraySamples(ROWS)
    bad = Unreadable(99, "gone")
    batch = collate_arrays([samples[4], bad, samples[2]])
    assert batch.index.tolist() == [4, 2]
    assert batch.unreadable == [bad]
    assert torch.equal(batch.data["values"], torch.from_numpy(ROWS[[4, 2]]))
    nothing = collate_arrays([bad])
    assert (len(nothing.index), len(nothing.data["values"])) == (0, 0)
