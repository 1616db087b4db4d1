"""Sample sets: the same samples whether they are read when asked for or beforehand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from natlib.data import Unreadable, load_batches
from natlib.errors import DataError
from natlib_text import Text
from natlib_text.decoder import TextSamples
from tests.processes import Said, run_python

from .corpora import sentences, small, write_lines, write_table


def opened(modality: Text, split: str = "train") -> TextSamples:
    samples = modality.dataset(split)  # type: ignore[arg-type]
    assert samples is not None
    return samples


def with_bad(folder: Path, total: int, bad: dict[int, bytes]) -> Path:
    """A folder of ``total`` texts, some of them replaced."""
    folder.mkdir()
    for number, (_, text) in enumerate(sentences(total)):
        (folder / f"{number:03d}.txt").write_bytes(bad.get(number, text.encode()))
    return folder


def batch_of(modality: Text, samples: TextSamples) -> dict[str, Tensor]:
    return modality.collate([samples[i] for i in samples.usable.tolist()]).data


def test_reading_beforehand_changes_nothing_but_speed(tmp_path: Path) -> None:
    modality = small(write_table(tmp_path / "a.csv"))
    lazy, stored = opened(modality), opened(modality)
    told: list[tuple[int, int]] = []
    stored.preload(workers=2, progress=lambda done, total: told.append((done, total)))
    assert (lazy.in_memory, stored.in_memory) == (False, True)
    assert told[-1] == (45, 45)
    assert torch.equal(lazy.usable, stored.usable)
    found = (batch_of(modality, lazy), batch_of(modality, stored))
    for name, tensor in found[0].items():
        assert torch.equal(tensor, found[1][name])
    assert lazy.fingerprint() == stored.fingerprint()


def test_what_does_not_fit_into_memory_stays_where_it_is(tmp_path: Path) -> None:
    samples = opened(small(write_lines(tmp_path / "a.txt"), cache_gib=0))
    samples.preload(workers=0)
    assert not samples.in_memory


@pytest.mark.parametrize("preload", [False, True])
def test_bad_samples_are_counted_and_left_out(tmp_path: Path, preload: bool) -> None:
    bad = {3: b"", 17: b"caf\xe9 " * 9, 30: b" \n "}
    modality = small(with_bad(tmp_path / "texts", 80, bad))
    samples = opened(modality)
    reasons = {
        3: "empty: nothing but white space",
        17: "not UTF-8: byte 0xe9 at 3; set data.encoding",
        30: "empty: nothing but white space",
    }
    if preload:
        samples.preload(workers=0)
        assert {b.index: b.reason for b in samples.unreadable} == reasons
        assert samples.usable.tolist() == [i for i in range(80) if i not in bad]
    assert {i: samples[i] for i in bad} == {i: Unreadable(i, why) for i, why in reasons.items()}
    batch = modality.collate([samples[i] for i in range(80)])
    assert len(batch.index) == 77
    assert [b.index for b in batch.unreadable] == sorted(bad)


def test_too_many_bad_samples(tmp_path: Path) -> None:
    folder = with_bad(tmp_path / "texts", 40, {})
    modality = small(folder)
    for number in (3, 14, 15):
        (folder / f"{number:03d}.txt").write_bytes(b"\xff\xff")
    with pytest.raises(DataError, match=r"3 of 40 texts \(7\.5%\) cannot be decoded.*003\.txt"):
        opened(modality).preload(workers=0)
    with pytest.raises(DataError, match=r"3 of 40 texts \(7\.5%\) .*not UTF-8: byte 0xff at 0"):
        modality.resolved()


def test_one_enormous_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with path.open("w") as file:
        file.write("word " * 4_000_000 + "\n")
        file.writelines(f"{text}\n" for _, text in sentences(30))
    modality = small(path)
    samples = opened(modality)
    (sample, *_) = (samples[0], samples[1])
    assert len(sample.text) < 1000
    batch = modality.collate([samples[0], samples[1]])
    assert batch.data["tokens"].shape == (2, 16)
    assert (batch.data["tokens"][0] != 0).all()
    samples.preload(workers=0)
    assert len(samples.usable) == 31


def test_max_samples_choose_a_subset_of_the_training_split(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", 80)
    modality = small(path, max_samples=20)
    samples, again = opened(modality), opened(modality)
    assert len(samples) == 20
    assert samples.labels is not None
    assert list(samples.names) == list(again.names)
    every = opened(small(path))
    assert set(samples.names) < set(every.names)
    number = {name: row for row, name in enumerate(every.names)}
    for row, name in enumerate(samples.names):
        assert samples[row].text == every[number[name]].text
    assert len(opened(modality, "test")) == 20
    other = small(path, max_samples=20, subset_seed=1)
    assert opened(other).fingerprint() != samples.fingerprint() == again.fingerprint()


def test_labels_count_for_the_fingerprint(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv")
    before = opened(small(path)).fingerprint()
    path.write_text(path.read_text().replace(",sea,", ",bread,", 1))
    assert opened(small(path)).fingerprint() != before


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_read_the_same_batches(tmp_path: Path, workers: int) -> None:
    modality = small(write_lines(tmp_path / "a.txt", 40))
    samples = opened(modality)
    batches = [list(range(start, start + 8)) for start in range(0, 40, 8)]
    loaded = list(
        load_batches(modality, samples, batches, device=torch.device("cpu"), workers=workers)
    )
    assert [batch.index.tolist() for batch in loaded] == batches
    expected = batch_of(modality, samples)["tokens"]
    assert torch.equal(torch.cat([batch.data["tokens"] for batch in loaded]), expected)


def test_worker_processes_do_not_warn_of_threads(tmp_path: Path) -> None:
    """In a process of its own: what the library warns of, it writes past Python."""
    write_lines(tmp_path / "a.txt", 3000)
    script = (
        "import torch; from natlib.data import load_batches; from natlib_text import Text\n"
        f"modality = Text(source={str(tmp_path / 'a.txt')!r}, vocabulary=300).resolved()\n"
        "samples = modality.dataset('train')\n"
        "batches = [list(range(start, start + 500)) for start in range(0, 3000, 500)]\n"
        "device = torch.device('cpu')\n"
        "for b in load_batches(modality, samples, batches, device=device, workers=1):\n"
        "    print(len(b.index))\n"
    )
    assert run_python("-c", script) == Said(0, "500\n" * 6, "")


def test_samples_share_memory_not_objects(tmp_path: Path) -> None:
    samples = opened(small(write_lines(tmp_path / "a.txt", 40)))
    samples.preload(workers=0)
    first = samples[3].tokens
    assert first.base is not None
    assert np.shares_memory(first, samples[3].tokens)
