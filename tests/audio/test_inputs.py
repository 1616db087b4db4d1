"""What an encoder reads of a clip, what it is compared with, and how it looks."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from natlib.data import Modality, Unreadable
from natlib.errors import ConfigError, DataError
from natlib_audio import Audio, Mel
from natlib_audio.encoders.convnet import AudioConvNet
from natlib_audio.encoders.resnet import AudioResNet
from natlib_audio.encoders.wav2vec import Wav2Vec
from natlib_audio.log_mel import band_hertz, frames, log_mel, valid_frames
from natlib_audio.picture import draw
from natlib_audio.statistics import spectral_statistics

from .sounds import RATE, batch_of, hiss, tone, tree, write


def audio(**settings: Any) -> Audio:
    settings = {"rate": RATE, "seconds": 0.5, "mean": -5.0, "std": 2.0, **settings}
    return Audio(**settings)


class TestLogMel:
    @pytest.mark.parametrize("hertz", [200.0, 700.0, 3000.0])
    def test_a_tone_is_in_its_band(self, hertz: float) -> None:
        spectrum = log_mel(Mel(), torch.from_numpy(tone(hertz))[None], RATE)
        assert spectrum.shape == (1, 64, frames(Mel(), RATE // 2, RATE)) == (1, 64, 51)
        loudest = band_hertz(Mel(), RATE)[int(spectrum[0, :, 25].argmax())]
        assert loudest == pytest.approx(hertz, rel=0.08)

    def test_twice_as_loud_is_four_times_the_power(self) -> None:
        wave = torch.from_numpy(hiss(peak=0.2))[None]
        quiet, loud = log_mel(Mel(), wave, RATE), log_mel(Mel(), 2 * wave, RATE)
        torch.testing.assert_close(
            (loud - quiet).median(), torch.tensor(math.log(4)), atol=0.01, rtol=0
        )

    def test_many_clips_are_each_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        waves = torch.from_numpy(np.stack([hiss(seed=seed) for seed in range(5)]))
        whole = log_mel(Mel(), waves, RATE)
        monkeypatch.setattr("natlib_audio.log_mel._PART", 2 * waves.shape[1])
        torch.testing.assert_close(log_mel(Mel(), waves, RATE), whole)
        torch.testing.assert_close(log_mel(Mel(), waves[3:4], RATE), whole[3:4])

    def test_frames_whose_middle_is_padding_do_not_count(self) -> None:
        valid = torch.zeros(2, 800, dtype=torch.bool)
        valid[0, :400] = True
        valid[1, 85:95] = True  # between two middles
        shown = valid_frames(Mel(), valid, RATE)
        assert shown[0].tolist() == [True] * 5 + [False] * 6
        assert shown[1].nonzero().flatten().tolist() == [1]


class TestPlain:
    @pytest.mark.parametrize("representation", ["log_mel", "waveform"])
    def test_depends_on_nothing_else_in_the_batch(self, representation: str) -> None:
        modality = audio(representation=representation)
        clips = [tone(), hiss(0.2), hiss(1.3)]
        together = modality.plain(batch_of(*clips))
        assert together.shape == (3, *modality.input_shape)
        for row, clip in zip(together, clips, strict=True):
            torch.testing.assert_close(row, modality.plain(batch_of(clip))[0], atol=1e-4, rtol=1e-4)

    def test_of_a_longer_clip_the_middle(self) -> None:
        clip = np.concatenate([hiss(0.5), tone(), hiss(0.5)])
        modality = audio()
        torch.testing.assert_close(modality.plain(batch_of(clip)), modality.plain(batch_of(tone())))

    def test_padding_is_zero(self) -> None:
        found = audio().plain(batch_of(hiss(0.25)))
        assert (found[0, 0, :, :24] != 0).all()
        assert not found[0, 0, :, 26:].any()

    def test_equal_level(self) -> None:
        loud, quiet = batch_of(hiss(peak=0.3)), batch_of(hiss(peak=0.003))
        torch.testing.assert_close(audio().plain(loud), audio().plain(quiet), atol=1e-3, rtol=1e-3)
        as_it_is = audio(equal_level=False)
        assert (as_it_is.plain(loud) - as_it_is.plain(quiet)).mean() > 1

    def test_normalised_by_the_training_clips(self, tmp_path: Path) -> None:
        for number in range(40):
            write(tmp_path / f"{number}.wav", hiss(0.5, seed=number))
        resolved = Audio(source=str(tmp_path)).resolved()
        clips = [hiss(0.5, seed=number) for number in range(40)]
        found = resolved.plain(batch_of(*clips))
        assert float(found.mean()) == pytest.approx(0, abs=0.02)
        assert float(found.std()) == pytest.approx(1, abs=0.02)

    def test_the_rate_makes_no_difference(self) -> None:
        modality = audio(mel=Mel(bands=16, high=3000.0))
        here = modality.plain(batch_of(tone(500)))
        there = modality.plain(batch_of(tone(500, rate=22_050), rate=22_050))
        assert (here - there).abs().mean() < 0.05


class TestRaw:
    def test_is_mean_deviation_and_deviation_of_change(self) -> None:
        spectra = torch.tensor([[[1.0, 2.0, 4.0, 99.0]]])
        valid = torch.tensor([[True, True, True, False]])
        mean, deviation, change = spectral_statistics(spectra, valid)[0].tolist()
        assert mean == pytest.approx(7 / 3)
        assert deviation == pytest.approx(np.std([1, 2, 4]))
        assert change == pytest.approx(np.std([1, 2]))

    def test_padding_takes_no_part(self) -> None:
        modality = audio()
        assert modality.raw(batch_of(tone())).shape == (1, 3 * 64)
        short = modality.raw(batch_of(hiss(0.25)))
        beside = modality.raw(batch_of(hiss(0.25), hiss(1.0)))[:1]
        torch.testing.assert_close(short, beside, atol=1e-4, rtol=1e-4)


class TestResolving:
    def test_form_of_the_clips(self, tmp_path: Path) -> None:
        write(tmp_path / "a.wav", tone(seconds=1.0, rate=44_100), 44_100)
        write(tmp_path / "b.wav", tone(seconds=1.2, rate=44_100), 44_100)
        resolved = Audio(source=str(tmp_path)).resolved()
        assert (resolved.rate, resolved.seconds) == (16_000, 1.18)
        assert resolved.resolved() == resolved
        assert Modality.resolve(resolved.model_dump(mode="json")) == resolved

    def test_what_is_set_stays(self, tmp_path: Path) -> None:
        tree(tmp_path, "a.wav", "b.wav")
        given = Audio(source=str(tmp_path), rate=4_000, seconds=0.25, mean=1.0)
        resolved = given.resolved()
        assert (resolved.rate, resolved.seconds, resolved.mean) == (4_000, 0.25, 1.0)
        assert resolved.std is not None

    @pytest.mark.parametrize("what", ["views", "plain", "raw", "dataset", "input_shape"])
    def test_too_early(self, what: str) -> None:
        calls = {
            "views": lambda early, batch: early.views(batch, 1),
            "plain": lambda early, batch: early.plain(batch),
            "raw": lambda early, batch: early.raw(batch),
            "dataset": lambda early, batch: early.dataset("train"),
            "input_shape": lambda early, batch: early.input_shape,
        }
        with pytest.raises(ConfigError, match=r"call resolved\(\) first"):
            calls[what](Audio(), batch_of(tone()))

    def test_seconds_within_what_is_read(self) -> None:
        with pytest.raises(ValidationError, match="seconds 20 is more than longest 10"):
            Audio(seconds=20)


class TestEncoders:
    def test_defaults(self) -> None:
        assert audio().default_encoder(False) == AudioConvNet()
        assert audio().default_encoder(True) == AudioResNet()
        assert audio(representation="waveform").default_encoder(False) == Wav2Vec()

    def test_each_reads_one_representation(self) -> None:
        with pytest.raises(ConfigError, match=r"set data\.representation=waveform"):
            audio().complete(Wav2Vec())
        with pytest.raises(ConfigError, match=r"encoder\.kind to wav2vec"):
            audio(representation="waveform").complete(AudioConvNet())


class TestSamples:
    def test_paths_and_arrays(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.wav", tone())
        found = audio().samples([path, str(path), tone(), (tone(), 16_000)])
        assert [clip.rate for clip in found] == [RATE, RATE, RATE, 16_000]
        assert torch.equal(found[0].wave, found[1].wave)

    def test_what_cannot_be_read_has_a_name(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"cannot read .*gone\.wav as sound"):
            audio().samples([tmp_path / "gone.wav"])
        with pytest.raises(DataError, match="cannot read item 1 as sound: it is silent"):
            audio().samples([tone(), np.zeros(100, np.float32)])


class TestThumbnail:
    def test_is_a_picture_of_wave_and_spectrogram(self) -> None:
        (sample,) = audio().samples([np.concatenate([tone(300), hiss(0.5) * 1e-4])])
        thumbnail = audio().thumbnail(sample)
        assert thumbnail is not None
        pixels = np.asarray(Image.open(io.BytesIO(thumbnail.data)).convert("RGB")).astype(int)
        assert pixels.shape == (88, 160, 3)
        ink = (pixels[:24] != 255).any(2).sum(0)
        assert ink[:78].min() > 20  # the tone is as tall as the picture
        assert ink[82:].max() <= 2
        bright = pixels[24:].sum(2)
        row = int(bright[:, 40].argmax())
        assert row > 45  # 300 Hz lies low, and low is below
        assert bright[row, :75].min() > bright[row, 85:].max()

    def test_short_ones(self) -> None:
        for count in (2, 30, 159):
            wave = np.linspace(-1, 1, count).astype(np.float32)
            assert draw(wave, np.zeros((64, 1), np.float32)).shape == (88, 160, 3)

    def test_nothing_of_what_cannot_be_read(self) -> None:
        assert audio().thumbnail(Unreadable(0, "gone")) is None
