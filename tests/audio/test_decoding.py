"""From files of all sorts, sound and unsound, to mono waves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from natlib.errors import DataError
from natlib_audio.decoder import ClipDecoder
from natlib_audio.decoding import decode
from natlib_audio.resampling import resample, resampled_length

from .sounds import RATE, hiss, tone, write

# Largest difference from the original, by the resolution of the format.
FORMATS = [
    ("wav", "PCM_U8", 1 / 100),
    ("wav", "PCM_16", 1e-4),
    ("wav", "PCM_24", 1e-6),
    ("wav", "PCM_32", 1e-6),
    ("wav", "FLOAT", 0.0),
    ("wav", "DOUBLE", 1e-7),
    ("wav", "ULAW", 1 / 30),
    ("flac", "PCM_16", 1e-4),
    ("flac", "PCM_24", 1e-6),
]


def decoded(item: Any, longest: float, rate: int) -> tuple[torch.Tensor, int]:
    """The wave of an item, and its rate."""
    clip = decode(item, longest, rate)
    return clip.wave, clip.rate


class TestFormats:
    @pytest.mark.parametrize(("kind", "subtype", "error"), FORMATS)
    def test_lossless(self, tmp_path: Path, kind: str, subtype: str, error: float) -> None:
        wave = tone()
        found, rate = decoded(write(tmp_path / f"a.{kind}", wave, RATE, subtype), 10.0, 16_000)
        assert rate == RATE
        assert found.dtype == torch.float32
        assert np.abs(found.numpy() - wave).max() <= error

    @pytest.mark.parametrize("kind", ["ogg", "mp3"])
    def test_lossy(self, tmp_path: Path, kind: str) -> None:
        wave = tone(seconds=1.0, rate=16_000)
        found, rate = decoded(write(tmp_path / f"a.{kind}", wave, 16_000), 10.0, 8_000)
        assert rate == 16_000
        assert abs(len(found) - len(wave)) < 3_000  # mp3 pads to whole frames
        spectrum = np.abs(np.fft.rfft(found.numpy()))
        assert abs(spectrum.argmax() * rate / len(found) - 440) < 2

    def test_channels_are_averaged(self, tmp_path: Path) -> None:
        left, right = tone(300), hiss()
        both = np.stack([left, right], 1)
        found, _ = decoded(write(tmp_path / "a.wav", both, subtype="FLOAT"), 10.0, RATE)
        assert np.allclose(found.numpy(), (left + right) / 2, atol=1e-7)

    @pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
    def test_the_middle_of_a_long_one(self, tmp_path: Path, kind: str) -> None:
        # Quiet, then loud for half a second in the middle, then quiet.
        wave = np.concatenate(
            [0.01 * hiss(2.0, 16_000), hiss(0.5, 16_000), 0.01 * hiss(2.0, 16_000)]
        )
        path = write(tmp_path / f"a.{kind}", wave, 16_000)
        found, _ = decoded(path, 0.4, RATE)
        assert len(found) == 6_400
        assert found.square().mean().sqrt() > 0.08

    def test_more_than_full_scale_is_kept(self, tmp_path: Path) -> None:
        wave = 3 * tone()
        found, _ = decoded(write(tmp_path / "a.wav", wave, subtype="FLOAT"), 10.0, RATE)
        assert np.array_equal(found.numpy(), wave)

    def test_clipped(self, tmp_path: Path) -> None:
        wave = np.clip(20 * tone(), -1, 1)
        found, _ = decoded(write(tmp_path / "a.wav", wave, subtype="PCM_16"), 10.0, RATE)
        assert (found.abs() > 0.999).float().mean() > 0.8


class TestChannels:
    @pytest.mark.parametrize("count", [2, 3, 8])
    def test_that_cancel_out_leave_the_loudest(self, count: int, tmp_path: Path) -> None:
        loud = tone(peak=0.5)
        both = np.zeros((len(loud), count), np.float32)
        both[:, 0], both[:, 1] = -0.98 * loud, loud
        found, _ = decoded(write(tmp_path / "a.wav", both, subtype="FLOAT"), 10.0, RATE)
        assert np.array_equal(found.numpy(), loud)

    @pytest.mark.parametrize(
        "channels",
        [
            [tone(), np.zeros_like(tone())],
            [tone(), hiss()],
            [tone(), -0.3 * tone()],
            [tone(), 0.2 - tone() * 0.1],
            [hiss(seed=number) for number in range(32)],
        ],
        ids=["one silent", "independent", "weaker", "offset", "many"],
    )
    def test_that_do_not_are_averaged(self, channels: list[Any]) -> None:
        both = np.stack(channels, 1)
        found, _ = decoded(both, 10.0, RATE)
        assert np.array_equal(found.numpy(), both.mean(1, dtype=np.float32))

    def test_sounds_with_channels_that_do_are_counted(self) -> None:
        decoder = ClipDecoder(RATE, 10.0, 10.0)
        against, usual = np.stack([tone(), -tone()], 1), np.stack([tone(), hiss()], 1)
        clips = [decoder.decode(index, item) for index, item in enumerate([against, usual, tone()])]
        assert [clip.cancelled for clip in clips] == [True, False, False]
        assert [clip.index for clip in clips] == [0, 1, 2]
        (note,) = decoder.notes(clips)
        assert note.startswith("channels cancel each other out in 1 of 3 sounds that were looked")
        assert decoder.notes(clips[1:]) == []

    def test_silence_is_silence(self) -> None:
        with pytest.raises(DataError, match="it is silent"):
            decoded(np.stack([np.full(4_000, 0.5), np.full(4_000, -0.5)]), 10.0, RATE)

    @pytest.mark.parametrize("count", [1, 2, 8, 64])
    @pytest.mark.parametrize("kind", [np.float32, np.int16])
    def test_first_or_last(self, count: int, kind: type) -> None:
        waves = np.stack([1000 * hiss(seed=number) for number in range(count)]).astype(kind)
        first, _ = decoded(waves, 10.0, RATE)
        last, _ = decoded(torch.from_numpy(waves.T.copy()), 10.0, RATE)
        assert len(first) == waves.shape[1]
        assert torch.equal(first, last)

    @pytest.mark.parametrize("shape", [(2, 2), (64, 3), (65, 65), (200, 4_000)])
    def test_that_may_be_either_axis_are_refused(self, shape: tuple[int, int]) -> None:
        with pytest.raises(DataError, match=r"either axis may be that of channels .* \[values\]"):
            decoded(np.ones(shape, np.float32), 10.0, RATE)


class TestArrays:
    @pytest.mark.parametrize(
        "item",
        [
            tone(),
            tone().astype(np.float64),
            (tone(), RATE),
            torch.from_numpy(tone()),
            tone()[:, None],
            np.stack([tone(), tone()], 1),
        ],
        ids=["float32", "float64", "pair", "tensor", "one channel", "two channels"],
    )
    def test_floats(self, item: Any) -> None:
        found, rate = decoded(item, 10.0, RATE)
        assert rate == RATE
        assert np.allclose(found.numpy(), tone(), atol=1e-7)

    @pytest.mark.parametrize(("kind", "scale"), [(np.int16, 2**15), (np.int32, 2**31)])
    def test_integers(self, kind: type, scale: int) -> None:
        item = (tone().astype(np.float64) * scale).astype(kind)
        found, _ = decoded(item, 10.0, RATE)
        assert np.allclose(found.numpy(), tone(), atol=1e-4)

    def test_a_pair_has_its_own_rate(self) -> None:
        assert decoded((tone(), 11_025), 10.0, RATE)[1] == 11_025

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (["a", "list"], "got a list; expected a path, an array, or a pair"),
            (np.zeros((2, 3, 4)), r"got an array of float64 \[2, 3, 4\]"),
            (np.zeros(9, np.uint8), r"got an array of uint8 \[9\]"),
            (np.zeros(0, np.float32), "it is empty"),
            (np.zeros((0, 2), np.float32), "it is empty"),
            ((tone(), 10), "its rate is 10 Hz; expected 1,000 to 1,000,000"),
            ((tone(), 2**31), "its rate is 2,147,483,648 Hz"),
        ],
    )
    def test_something_else(self, item: Any, message: str) -> None:
        with pytest.raises(DataError, match=message):
            decoded(item, 10.0, RATE)


class TestUnsound:
    @pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
    @pytest.mark.parametrize("level", [0.0, 0.25])
    def test_silent(self, tmp_path: Path, subtype: str, level: float) -> None:
        path = write(tmp_path / "a.wav", np.full(4_000, level), subtype=subtype)
        with pytest.raises(DataError, match="it is silent"):
            decoded(path, 10.0, RATE)

    def test_zero_length(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", np.zeros(0))
        with pytest.raises(DataError, match="it is empty"):
            decoded(path, 10.0, RATE)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, tmp_path: Path, value: float) -> None:
        wave = tone()
        wave[1_000] = value
        with pytest.raises(DataError, match="it holds NaN or infinity"):
            decoded(write(tmp_path / "a.wav", wave, subtype="FLOAT"), 10.0, RATE)

    @pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
    @pytest.mark.parametrize("content", [b"", b"hello, this is no sound at all\n" * 50])
    def test_no_sound_at_all(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises((soundfile.SoundFileError, DataError)) as caught:
            decoded(tmp_path / name, 10.0, RATE)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
    @pytest.mark.parametrize("share", [0.0005, 0.1, 0.6])
    def test_cut_off(self, tmp_path: Path, kind: str, share: float) -> None:
        """What is left of it, or one line; nothing made up."""
        wave = tone(seconds=2.0, rate=16_000)
        content = write(tmp_path / f"whole.{kind}", wave, 16_000).read_bytes()
        path = tmp_path / f"cut.{kind}"
        path.write_bytes(content[: int(share * len(content))])
        try:
            found, rate = decoded(path, 10.0, RATE)
        except (soundfile.SoundFileError, DataError) as error:
            assert "\n" not in str(error)  # noqa: PT017  (either answer is right)
        else:
            assert rate == 16_000
            assert len(found) < 0.7 * len(wave)
            assert found.abs().max() < 0.8

    def test_gone(self, tmp_path: Path) -> None:
        with pytest.raises(soundfile.SoundFileError):
            decoded(tmp_path / "gone.wav", 10.0, RATE)


class TestResampling:
    @pytest.mark.parametrize(
        ("old", "new"), [(44_100, 16_000), (8_000, 16_000), (48_000, 8_000), (44_101, 16_000)]
    )
    def test_a_tone_stays_a_tone(self, old: int, new: int) -> None:
        wave = torch.from_numpy(tone(440, 0.5, old))
        found = resample(wave, old, new)
        assert len(found) == resampled_length(len(wave), old, new)
        assert abs(len(found) - 0.5 * new) <= 1
        expected = torch.from_numpy(tone(440, 0.5, new))[: len(found)]
        middle = slice(len(found) // 10, -len(found) // 10)
        assert (found - expected)[middle].abs().max() < 0.01

    def test_a_batch_is_its_clips(self) -> None:
        waves = torch.from_numpy(np.stack([hiss(seed=1), hiss(seed=2)]))
        found = resample(waves, 8_000, 11_025)
        for wave, row in zip(waves, found, strict=True):
            assert torch.allclose(resample(wave, 8_000, 11_025), row, atol=1e-6)

    def test_nothing_to_do(self) -> None:
        wave = torch.from_numpy(hiss())
        assert resample(wave, 8_000, 8_000) is wave

    def test_one_value(self) -> None:
        assert len(resample(torch.ones(1), 48_000, 8_000)) == 1


class TestWhatIsCut:
    """What is not heard of long clips is counted and said."""

    @staticmethod
    def notes(*seconds: float) -> list[str]:
        rng = np.random.default_rng(0)
        decoder = ClipDecoder(RATE, 2.0, 1.0)
        waves = [rng.normal(size=round(each * RATE)).astype(np.float32) for each in seconds]
        return decoder.notes([decoder.decode(index, wave) for index, wave in enumerate(waves)])

    def test_clips_that_fit_are_not_mentioned(self) -> None:
        assert self.notes(0.1, 0.5, 1.0) == []

    def test_longer_ones_are_counted(self) -> None:
        (note,) = self.notes(0.1, 0.5, 1.5, 2.0)
        assert note.startswith(
            "2 of the 4 sounds that were looked at (50 %) are longer than an inp"
        )
        assert "data.seconds" in note

    def test_what_is_never_read_is_counted_apart(self) -> None:
        longer, beyond = self.notes(0.5, 1.5, 3.0)
        assert longer.startswith("2 of the 3 sounds")
        assert beyond.startswith("1 of the 3 sounds that were looked at (33 %) are longer than 2 s")
        assert "data.longest" in beyond
