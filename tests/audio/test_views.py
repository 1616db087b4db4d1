"""Views: reproducible, different for each sample, made of the clip, at the strength that is set."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from natlib_audio import Audio, Augmentation, Mel
from natlib_audio import waves as on_waves
from natlib_audio.augmentation import masked_spectra, masked_waves, one_wave
from natlib_audio.log_mel import band_hertz, warped_bands
from natlib_audio.spectra import interpolate_bands

from .sounds import RATE, batch_of, hiss, tone

OFF: dict[str, Any] = {
    "crop": (1.0, 1.0), "shift": 0, "speed": 0, "warp": 0, "gain": 0, "equaliser": 0,
    "noise": 0, "background": 0, "time_masks": 0, "frequency_masks": 0,
}  # fmt: skip
N = RATE // 2


def only(**settings: Any) -> Augmentation:
    """An augmentation with everything else turned off."""
    return Augmentation.model_validate(OFF | settings)


def audio(augment: Augmentation, **settings: Any) -> Audio:
    settings = {"rate": RATE, "seconds": 0.5, "mean": -5.0, "std": 2.0, **settings}
    return Audio(augment=augment, **settings)


def view(augment: Augmentation, *clips: Any, n: int = N) -> tuple[Tensor, Tensor]:
    batch = batch_of(*clips)
    return one_wave(augment, batch.data["wave"], batch.data["length"], n)


def peak_hertz(wave: Tensor) -> float:
    """Where the spectrum of a wave has most of its power."""
    spectrum = torch.fft.rfft(wave * torch.hann_window(len(wave)), 1 << 16).abs()
    return float(spectrum.argmax()) * RATE / (1 << 16)


def rms(wave: Tensor) -> Tensor:
    return wave.square().mean(-1).sqrt()


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("representation", ["log_mel", "waveform"])
class TestViews:
    def test_seeding_makes_views_reproducible(self, representation: str) -> None:
        modality = audio(Augmentation(), representation=representation)
        batch = batch_of(tone(), hiss(0.2), hiss(0.9, seed=1))
        torch.manual_seed(5)
        first = modality.views(batch, 2)
        torch.manual_seed(5)
        again = modality.views(batch, 2)
        for a, b in zip(first, again, strict=True):
            assert a.shape == (3, *modality.input_shape)
            assert torch.equal(a, b)
        assert not torch.equal(first[0], first[1])
        assert not torch.equal(modality.views(batch, 1)[0], first[0])

    @pytest.mark.parametrize(
        "settings",
        [
            {"crop": (0.3, 0.8)}, {"speed": 0.2}, {"equaliser": 6.0},
            {"noise": 0.5}, {"gain": 12.0}, {"time_masks": 1}, {"frequency_masks": 2},
        ],
        ids=str,
    )  # fmt: skip
    def test_equal_clips_get_different_views(
        self, representation: str, settings: dict[str, Any]
    ) -> None:
        modality = audio(only(**settings), representation=representation, equal_level=False)
        (found,) = modality.views(batch_of(*[hiss()] * 16), 1)
        assert len({row.numpy().tobytes() for row in found}) >= 5

    def test_with_everything_off_a_view_is_the_plain_clip(self, representation: str) -> None:
        modality = audio(only(), representation=representation)
        batch = batch_of(tone(), hiss(0.5, seed=1), hiss(0.2))
        torch.testing.assert_close(
            modality.views(batch, 1)[0], modality.plain(batch), atol=1e-4, rtol=1e-4
        )

    def test_clips_are_left_as_they_were(self, representation: str) -> None:
        batch = batch_of(tone(), hiss(0.3))
        before = batch.data["wave"].clone()
        audio(Augmentation(), representation=representation).views(batch, 2)
        assert torch.equal(batch.data["wave"], before)

    @pytest.mark.parametrize("seconds", [2 / RATE, 0.01, 0.5, 3.0])
    def test_any_length_gives_something_finite(self, representation: str, seconds: float) -> None:
        clip = hiss(seconds)
        strong = Augmentation(crop=(0.1, 1.0), noise=1, background=1, time_masks=3, time_mask=1.0)
        modality = audio(strong, representation=representation)
        (found,) = modality.views(batch_of(clip, tone()), 1)
        assert torch.isfinite(found).all()
        assert (found[1] != 0).any()


def test_crops_are_parts_of_the_clip() -> None:
    ramp = np.arange(1, 4001, dtype=np.float32)
    found, valid = view(only(crop=(0.25, 0.5), shift=1.0), *[ramp] * 200, n=2000)
    starts, lengths, offsets = set(), [], set()
    for row, shown in zip(found, valid, strict=True):
        kept = row[shown].tolist()
        assert kept == list(range(round(kept[0]), round(kept[0]) + len(kept)))
        assert not row[~shown].any()
        starts.add(kept[0])
        lengths.append(len(kept))
        offsets.add(int(shown.int().argmax()))
    # A quarter to a half of the 2,000 values that a view can show.
    assert min(lengths) >= 500
    assert max(lengths) <= 1000
    assert min(len(starts), len(offsets), len(set(lengths))) > 100
    assert max(starts) > 3000


def test_without_shift_a_shorter_part_comes_first() -> None:
    _, valid = view(only(crop=(0.25, 0.5)), *[hiss()] * 20)
    assert valid[:, 0].all()


def test_speed_moves_pitch_and_length_by_one_factor() -> None:
    found, valid = view(only(speed=0.25), *[tone(1000, 0.3)] * 50)
    ratios = []
    for row, shown in zip(found, valid, strict=True):
        wave = row[shown]
        hertz = peak_hertz(wave)
        assert hertz * len(wave) / RATE == pytest.approx(1000 * 0.3, rel=0.01)
        ratios.append(hertz / 1000)
    assert 1 / 1.26 < min(ratios) < 0.9
    assert 1.1 < max(ratios) < 1.26


def test_interpolation_is_that_of_catmull_and_rom() -> None:
    """A cubic through four values, against their paper's matrix."""
    values = torch.randn(1, 12)
    cut = on_waves.Cut(*(torch.tensor([x]) for x in (2.0, 9.0, 0.7, 0.0)))
    found, _ = on_waves.cut_out(values, torch.tensor([12]), cut, 9, True)
    basis = torch.tensor(
        [
            [0.0, 2.0, 0.0, 0.0],
            [-1.0, 0.0, 1.0, 0.0],
            [2.0, -5.0, 4.0, -1.0],
            [-1.0, 3.0, -3.0, 1.0],
        ]
    )
    for i in range(9):
        place = 2 + 0.7 * i
        t = place - int(place)
        powers = torch.tensor([1.0, t, t**2, t**3])
        taps = torch.tensor([float(values[0, int(place) + k]) for k in (-1, 0, 1, 2)])
        assert float(found[0, i]) == pytest.approx(float(powers @ basis @ taps / 2), abs=1e-4)


def test_beyond_the_ends_is_silence() -> None:
    cut = on_waves.Cut(*(torch.tensor([x]) for x in (0.0, 6.0, 1.0, 0.0)))
    found, _ = on_waves.cut_out(torch.ones(1, 4), torch.tensor([4]), cut, 6, True)
    assert found[0, :4].tolist() == pytest.approx([1, 1, 1, 1])


def test_gain_is_in_decibels() -> None:
    found, _ = view(only(gain=12.0), *[tone(peak=0.1)] * 300)
    decibels = 20 * torch.log10(rms(found) / rms(torch.from_numpy(tone(peak=0.1))))
    assert decibels.abs().max() <= 12.001
    assert decibels.max() > 10
    assert decibels.min() < -10


def test_noise_has_the_ratio_that_is_asked_for() -> None:
    clip = tone(440, 0.5)
    found, _ = view(only(noise=1.0, noise_snr=(10, 10)), *[clip] * 100)
    rest = found - torch.from_numpy(clip)
    decibels = 20 * torch.log10(rms(torch.from_numpy(clip)) / rms(rest))
    assert decibels.mean() == pytest.approx(10, abs=0.5)
    some, _ = view(only(noise=0.3), *[clip] * 400)
    noisy = (some - torch.from_numpy(clip)).abs().amax(1) > 1e-3
    assert noisy.float().mean() == pytest.approx(0.3, abs=0.08)


def test_a_background_is_another_clip_at_the_ratio_that_is_asked_for() -> None:
    clips = [tone(300 + 100 * i) for i in range(8)]
    found, _ = view(only(background=1.0, background_snr=(6, 6)), *clips)
    for row, own in zip(found, clips, strict=True):
        rest = row - torch.from_numpy(own)
        hertz = [300 + 100 * i for i in range(8)]
        if rms(rest) < 1e-3 or peak_hertz(row) == pytest.approx(peak_hertz(rest), abs=5):
            continue  # the one that met itself
        assert min(abs(peak_hertz(rest) - h) for h in hertz) < 5
        assert 20 * torch.log10(rms(torch.from_numpy(own)) / rms(rest)) == pytest.approx(6, abs=0.1)


def test_an_equaliser_changes_frequencies_and_no_times() -> None:
    clips = [tone(250), tone(1000), tone(3000)] * 100
    found, _ = view(only(equaliser=6.0), *clips)
    decibels = 20 * torch.log10(rms(found) / rms(torch.from_numpy(tone(250))))
    assert decibels.std() == pytest.approx(6, rel=0.25)
    for row, clip in zip(found[:6], clips[:6], strict=True):
        assert peak_hertz(row) == pytest.approx(peak_hertz(torch.from_numpy(clip)), abs=2)


class TestMasks:
    def test_stretches_of_time_and_frequency_are_blanked_out(self) -> None:
        spectra, valid = torch.ones(300, 20, 50), torch.ones(300, 50, dtype=torch.bool)
        augment = only(time_masks=1, time_mask=0.4, frequency_masks=1, frequency_mask=0.5)
        found = masked_spectra(augment, Mel(bands=20), RATE, spectra, valid)
        times, bands = (found.amax(1) == 0).sum(1), (found.amax(2) == 0).sum(1)
        assert times.max() <= 21
        assert bands.max() <= 11
        assert times.float().mean() == pytest.approx(10, rel=0.15)
        assert bands.float().mean() == pytest.approx(5, rel=0.15)
        for row in found[:50]:
            gone = (row.amax(0) == 0).nonzero().flatten()
            assert len(gone) == 0 or gone[-1] - gone[0] + 1 == len(gone)

    def test_a_mask_never_hides_all_of_a_clip(self) -> None:
        spectra, valid = torch.ones(200, 8, 50), torch.zeros(200, 50, dtype=torch.bool)
        valid[:, 10:12] = True
        augment = only(time_masks=4, time_mask=1.0)
        found = masked_spectra(augment, Mel(bands=8), RATE, spectra, valid)
        assert found.amax((1, 2)).min() == 1
        assert not found[:, :, ~valid[0]].any()

    def test_waves(self) -> None:
        wave, valid = torch.ones(200, 1000), torch.ones(200, 1000, dtype=torch.bool)
        found = masked_waves(only(time_masks=1, time_mask=0.3), wave, valid)
        gone = (found == 0).sum(1).float()
        assert gone.max() <= 301
        assert gone.mean() == pytest.approx(150, rel=0.15)

    def test_frequencies_of_waves(self) -> None:
        noise = torch.randn(100, 2000)
        valid = torch.ones(100, 2000, dtype=torch.bool)
        found = masked_waves(only(frequency_masks=1, frequency_mask=0.4), noise, valid)
        power = torch.fft.rfft(found).abs()
        gone = (power < 1e-3 * power.mean()).sum(1).float() / power.shape[1]
        assert gone.max() <= 0.41
        assert gone.mean() == pytest.approx(0.2, rel=0.2)


class TestWarp:
    def test_a_tone_moves_to_the_band_of_another_frequency(self) -> None:
        mel = Mel(bands=32)
        modality = audio(only(), mel=mel)
        plain = modality.plain(batch_of(tone(1000)))[:, 0]
        factor = 1.3
        place = warped_bands(mel, RATE, torch.tensor([factor]))
        moved = interpolate_bands(plain, place)
        hertz = band_hertz(mel, RATE)
        found = hertz[int(moved[0, :, 25].argmax())]
        assert found == pytest.approx(1000 / factor, rel=0.1)

    def test_a_factor_of_one_changes_nothing(self) -> None:
        place = warped_bands(Mel(bands=32), RATE, torch.ones(2))
        torch.testing.assert_close(place, torch.arange(32.0).expand(2, -1), atol=1e-3, rtol=0)


def test_what_is_turned_off_leaves_the_others_random_numbers() -> None:
    torch.manual_seed(1)
    gained, _ = view(only(gain=6.0), *[hiss()] * 8)
    torch.manual_seed(1)
    both, _ = view(only(gain=6.0, crop=(0.5, 1.0), noise=1.0), *[hiss()] * 8)
    torch.manual_seed(1)
    rest, _ = view(only(crop=(0.5, 1.0), noise=1.0), *[hiss()] * 8)
    torch.testing.assert_close(rms(gained) / rms(torch.from_numpy(hiss())), rms(both) / rms(rest))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop": (0.0, 1.0)}, r"crop is \[0, 1\]; expected 0 < low <= high <= 1"),
        ({"crop": (0.9, 0.5)}, r"crop is \[0.9, 0.5\]"),
        ({"noise_snr": (9, 3)}, r"noise_snr is \[9, 3\]; expected low <= high"),
        ({"background_snr": (9, 3)}, r"background_snr is \[9, 3\]"),
        ({"noise": 1.5}, "less than or equal to 1"),
        ({"gain": -1}, "greater than or equal to 0"),
        ({"equalizer": 3}, "unknown key 'equalizer'; did you mean 'equaliser'"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Augmentation.model_validate(values)
