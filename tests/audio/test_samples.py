"""Clips as samples: decoded when asked for or kept in memory, batched, and left out if unsound."""

from pathlib import Path

import numpy as np
import pytest
import torch

from natlib.data import DecodedSamples, Unreadable, load_batches
from natlib.errors import DataError
from natlib_audio import Audio
from natlib_audio.collating import at_rate, collate
from natlib_audio.decoder import ClipDecoder
from natlib_audio.decoding import Clip
from natlib_audio.sources.find import find_source

from .sounds import RATE, batch_of, hiss, tone, tree, write


def clips(
    root: Path, cache_gib: float = 1.0, rate: int = RATE, rows: object = None
) -> DecodedSamples[Clip]:
    split = find_source(str(root), None).split("train", None)
    assert split is not None
    chosen = None if rows is None else torch.tensor(rows)
    return DecodedSamples(split, ClipDecoder(rate, 10.0, 10.0), cache_gib, chosen)


class TestClips:
    def test_in_memory_as_from_files(self, tmp_path: Path) -> None:
        tree(tmp_path, *(f"{kind}/{number}.wav" for kind in "ab" for number in range(3)))
        lazy, kept = clips(tmp_path, 0.0), clips(tmp_path)
        lazy.preload(0)
        kept.preload(0)
        assert (lazy.in_memory, kept.in_memory) == (False, True)
        assert list(lazy.names) == list(kept.names)
        assert list(kept.names)[:2] == ["a/0.wav", "a/1.wav"]
        for index in range(6):
            one, other = lazy[index], kept[index]
            assert isinstance(one, Clip)
            assert isinstance(other, Clip)
            assert (one.index, one.rate) == (other.index, other.rate) == (index, RATE)
            assert torch.equal(one.wave, other.wave)
        assert kept.labels is not None
        assert kept.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert kept.classes == ["a", "b"]

    def test_in_memory_at_the_rate_of_inputs(self, tmp_path: Path) -> None:
        write(tmp_path / "a.wav", tone(440, 0.5, 16_000), 16_000)
        write(tmp_path / "b.wav", tone(440, 0.5, 11_025), 11_025)
        samples = clips(tmp_path)
        samples.preload(0)
        for index in range(2):
            clip = samples[index]
            assert isinstance(clip, Clip)
            assert clip.rate == RATE
            assert abs(len(clip.wave) - 0.5 * RATE) <= 1

    def test_a_subset(self, tmp_path: Path) -> None:
        tree(tmp_path, *(f"{kind}/{number}.wav" for kind in "ab" for number in range(3)))
        whole, part = clips(tmp_path), clips(tmp_path, rows=[1, 4])
        assert list(part.names) == ["a/1.wav", "b/1.wav"]
        assert part.labels is not None
        assert part.labels.tolist() == [0, 1]
        own, same = part[1], whole[4]
        assert isinstance(own, Clip)
        assert isinstance(same, Clip)
        assert own.index == 1
        assert torch.equal(own.wave, same.wave)
        assert part.fingerprint() != whole.fingerprint()

    def test_many_blocks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("natlib.data.decoded_store._BLOCK_BYTES", 40_000)  # two clips
        tree(tmp_path, *(f"{number}.wav" for number in range(7)))
        (tmp_path / "3.wav").write_bytes(b"")
        monkeypatch.setattr("natlib.data.decoded_samples.check_unreadable", lambda *_: None)
        lazy, kept = clips(tmp_path, 0.0), clips(tmp_path)
        seen: list[tuple[int, int]] = []
        kept.preload(0, lambda done, total: seen.append((done, total)))
        assert seen == [(2, 7), (4, 7), (6, 7), (7, 7)]
        assert kept.usable.tolist() == [0, 1, 2, 4, 5, 6]
        for index in kept.usable.tolist():
            assert torch.equal(kept[index].wave, lazy[index].wave)  # type: ignore[union-attr]
        assert kept[3] == kept.unreadable[0]

    def test_what_turns_out_too_large_is_not_kept(self, tmp_path: Path) -> None:
        tree(tmp_path, *(f"{number}.wav" for number in range(4)))
        samples = clips(tmp_path, cache_gib=30_000 / 2**30)
        samples.preload(0)
        assert not samples.in_memory
        assert isinstance(samples[3], Clip)

    def test_workers_decode_the_same(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("natlib.data.decoded_store._WORTH_WORKERS", 1)
        tree(tmp_path, *(f"{number}.wav" for number in range(5)))
        here, there = clips(tmp_path), clips(tmp_path)
        here.preload(0)
        there.preload(1)
        for index in range(5):
            assert torch.equal(here[index].wave, there[index].wave)  # type: ignore[union-attr]


class TestUnsoundFiles:
    """One clear line each; up to 5 % are left out and counted."""

    @staticmethod
    def spoil(root: Path) -> dict[str, str]:
        write(root / "silent.wav", np.zeros(4_000))
        write(root / "empty.wav", np.zeros(0))
        nan = tone()
        nan[7] = np.nan
        write(root / "nan.wav", nan, subtype="FLOAT")
        (root / "words.wav").write_text("no sound")
        (root / "nothing.flac").write_bytes(b"")
        return {
            "silent.wav": "it is silent: all values are the same",
            "empty.wav": "it is empty",
            "nan.wav": "it holds NaN or infinity",
            "words.wav": "Format not recognised",
            "nothing.flac": "LibsndfileError",
        }

    def test_each_has_its_line(self, tmp_path: Path) -> None:
        expected = self.spoil(tree(tmp_path, "good.wav"))
        samples = clips(tmp_path)
        for index, name in enumerate(samples.names):
            sample = samples[index]
            if name == "good.wav":
                assert isinstance(sample, Clip)
            else:
                assert isinstance(sample, Unreadable)
                assert expected[name] in sample.reason
                assert "\n" not in sample.reason

    def test_few_are_left_out(self, tmp_path: Path) -> None:
        self.spoil(tree(tmp_path, *(f"good{number:03d}.wav" for number in range(100))))
        samples = clips(tmp_path)
        samples.preload(0)
        assert len(samples) == 105
        assert len(samples.usable) == 100
        assert {samples.names[bad.index] for bad in samples.unreadable} == {
            "silent.wav", "empty.wav", "nan.wav", "words.wav", "nothing.flac"
        }  # fmt: skip

    def test_many_are_an_error(self, tmp_path: Path) -> None:
        self.spoil(tree(tmp_path, *(f"good{number:03d}.wav" for number in range(90))))
        with pytest.raises(DataError, match=r"5 of 95 sounds \(5.3%\) cannot be decoded"):
            clips(tmp_path).preload(0)

    def test_batches_go_on_without_them(self, tmp_path: Path) -> None:
        self.spoil(tree(tmp_path, "good.wav"))
        samples = clips(tmp_path)
        modality = Audio(source=str(tmp_path), rate=RATE, seconds=0.5, mean=0.0, std=1.0)
        (batch,) = load_batches(modality, samples, [list(range(6))], device=torch.device("cpu"))
        assert [samples.names[index] for index in batch.index.tolist()] == ["good.wav"]
        assert len(batch.unreadable) == 5
        assert modality.plain(batch).isfinite().all()


class TestCollating:
    def test_padding_and_lengths(self) -> None:
        batch = batch_of(tone(seconds=0.2), tone(seconds=0.5), tone(seconds=0.1))
        assert batch.data["wave"].shape == (3, 4_000)
        assert batch.data["length"].tolist() == [1_600, 4_000, 800]
        assert batch.data["rate"].tolist() == [RATE] * 3
        assert not batch.data["wave"][0, 1_600:].any()

    def test_one_rate_is_left_to_the_device(self) -> None:
        batch = batch_of(tone(440, 0.2, 16_000), tone(440, 0.5, 16_000), rate=16_000)
        assert batch.data["rate"].tolist() == [16_000] * 2
        wave, length = at_rate(batch, RATE)
        assert wave.shape == (2, 4_000)
        assert length.tolist() == [1_600, 4_000]

    def test_several_rates_are_resampled_here(self) -> None:
        pair = [
            Clip(3, torch.from_numpy(tone(440, 0.5, 16_000)), 16_000),
            Clip(5, torch.from_numpy(tone(440, 0.5, RATE)), RATE),
        ]
        batch = collate(pair, RATE)
        assert batch.index.tolist() == [3, 5]
        assert batch.data["rate"].tolist() == [RATE] * 2
        assert batch.data["length"].tolist() == [4_000, 4_000]

    def test_device_and_worker_agree(self) -> None:
        one = Clip(0, torch.from_numpy(hiss(0.3, 16_000)), 16_000)
        other = Clip(1, torch.from_numpy(hiss(0.5, RATE)), RATE)
        alone, _ = at_rate(collate([one], RATE), RATE)
        mixed = collate([one, other], RATE)
        length = int(mixed.data["length"][0])
        assert torch.allclose(mixed.data["wave"][0, :length], alone[0, :length], atol=1e-6)

    def test_nothing_readable(self) -> None:
        batch = collate([Unreadable(4, "gone")], RATE)
        assert len(batch.index) == 0
        assert batch.unreadable == [Unreadable(4, "gone")]
