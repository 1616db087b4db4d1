"""The plug-in reads its formats, refuses what it cannot read, and augments as it says."""

from pathlib import Path

import numpy as np
import pytest
import torch
from natlib_timeseries.modality import TimeSeries
from natlib_timeseries.views import Augmentation, one_view

from natlib.errors import DataError
from natlib.testing import check_modality

RNG = np.random.default_rng(0)


@pytest.fixture
def ucr(tmp_path: Path) -> Path:
    folder = tmp_path / "Wafer"
    folder.mkdir()
    for name, count in (("Wafer_TRAIN.tsv", 40), ("Wafer_TEST.tsv", 20)):
        labels = np.where(np.arange(count) % 2, 1, -1)[:, None]
        rows = np.concatenate([labels, RNG.normal(size=(count, 30))], axis=1)
        np.savetxt(folder / name, rows, delimiter="\t")
    return folder


def npz(path: Path, **arrays: object) -> TimeSeries:
    np.savez(path, **arrays)
    return TimeSeries(source=str(path))


def test_modality_on_files(ucr: Path, tmp_path: Path) -> None:
    check_modality(TimeSeries(source=str(ucr)))
    check_modality(npz(tmp_path / "a.npz", series=RNG.normal(size=(40, 3, 25))))


def test_ucr_folders_have_labels_and_a_test_split(ucr: Path) -> None:
    modality = TimeSeries(source=str(ucr)).resolved()
    train, test = modality.dataset("train"), modality.dataset("test")
    assert modality.input_shape == (1, 30)
    assert (len(train), len(test)) == (40, 20)
    # A class that is called -1 is a class.
    assert train.classes == test.classes == ["-1", "1"]
    assert train.labels.tolist()[:4] == [0, 1, 0, 1]
    assert modality.dataset("val") is None


def test_series_of_npz_files_keep_their_channels(tmp_path: Path) -> None:
    series = RNG.normal(size=(20, 3, 25))
    modality = npz(tmp_path / "a.npz", series=series, labels=["a", "b"] * 10).resolved()
    samples = modality.dataset("train")
    assert samples.classes == ["a", "b"]
    np.testing.assert_array_equal(samples[4].values, series[4].astype(np.float32))
    plain = modality.plain(modality.collate([samples[4]]))
    torch.testing.assert_close(plain.mean(-1), torch.zeros(1, 3), atol=1e-6, rtol=0)


def test_every_split_has_its_own_labels(tmp_path: Path) -> None:
    labels = {"labels": ["a", "b"] * 3, "val_labels": ["b", "c", "b"], "test_labels": ["c"]}
    series = {n.replace("labels", "series"): np.ones((len(labels[n]), 1, 9)) for n in labels}
    modality = npz(tmp_path / "a.npz", **labels, **series).resolved()
    found = {split: modality.dataset(split) for split in ("train", "val", "test")}
    assert [len(samples) for samples in found.values()] == [6, 3, 1]
    assert found["val"].labels.tolist() == [1, 2, 1]
    assert found["test"].labels.tolist() == [2]
    assert found["test"].classes == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.eye(3)}, r"no 'series' \[n, channels, time\], but \['x'\]"),
        ({"series": np.eye(3)}, r"no 'series' \[n, channels, time\]"),
        ({"series": np.zeros((0, 1, 5))}, "no 'series'"),
        ({"series": np.array([[["a"]]])}, "cannot be read as series: could not convert"),
        ({"series": np.array([None])}, "cannot be read as series"),
        ({"series": np.ones((4, 1, 5)), "labels": [1]}, "4 samples and labels"),
    ],
)
def test_files_that_hold_no_series(tmp_path: Path, arrays: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        npz(tmp_path / "a.npz", **arrays).resolved().dataset("train")


def test_sources_that_are_not_there_or_damaged(ucr: Path, tmp_path: Path) -> None:
    for path, message in (
        ("wave", "did you mean 'waves'"),
        (str(ucr / "gone"), "neither an existing path"),
        (str(tmp_path), "no 'series'"),
        (str(ucr / "Wafer_TRAIN.tsv"), "cannot be read as series"),
    ):
        with pytest.raises(DataError, match=message):
            TimeSeries(source=path).resolved()
    (ucr / "Wafer_TRAIN.tsv").write_text("1\t2\t3\n1\t2\n")
    with pytest.raises(DataError, match="cannot be read as series"):
        TimeSeries(source=str(ucr)).resolved()
    for name in ("a.npz", "a.npy"):
        (tmp_path / name).write_bytes(b"PK\x03\x04 no archive")
        with pytest.raises(DataError, match="cannot be read as series"):
            TimeSeries(source=str(tmp_path / name)).resolved()
    np.save(tmp_path / "a.npy", np.eye(3))
    with pytest.raises(DataError, match="cannot be read as series"):
        TimeSeries(source=str(tmp_path / "a.npy")).resolved()


def test_a_few_bad_series_are_left_out(tmp_path: Path) -> None:
    series = RNG.normal(size=(60, 1, 20))
    series[7, 0, 3], series[9, 0, 0] = np.nan, np.inf
    samples = npz(tmp_path / "a.npz", series=series).resolved().dataset("train")
    samples.preload(workers=0)
    assert [bad.index for bad in samples.unreadable] == [7, 9]
    series[20:30] = np.nan
    samples = npz(tmp_path / "a.npz", series=series).resolved().dataset("train")
    with pytest.raises(DataError, match=r"12 of 60 samples \(20\.0%\) cannot be decoded"):
        samples.preload(workers=0)


def test_series_of_another_length(ucr: Path) -> None:
    with pytest.raises(DataError, match=r"\(1, 30\); expected \(2, 96\), as in training"):
        TimeSeries().resolved().with_source(str(ucr)).dataset("train")


class TestViews:
    OFF = Augmentation(crop=1.0, warp=0.0, scale=0.0, jitter=0.0, mask=0.0)
    SERIES = torch.from_numpy(RNG.normal(size=(64, 2, 50)).astype(np.float32))

    def test_nothing_turned_on(self) -> None:
        torch.testing.assert_close(one_view(self.OFF, self.SERIES), self.SERIES, atol=1e-4, rtol=0)

    def test_crop_and_warp_read_times_in_order(self) -> None:
        ramp = torch.linspace(0, 1, 50).expand(64, 1, 50)
        torch.manual_seed(0)
        cropped = one_view(self.OFF.model_copy(update={"crop": 0.5}), ramp)[:, 0]
        lengths = cropped[:, -1] - cropped[:, 0]
        assert 0.5 <= float(lengths.min()) < 0.6
        assert 0.9 < float(lengths.max()) <= 1.0001
        warped = one_view(self.OFF.model_copy(update={"warp": 0.2}), ramp)[:, 0]
        assert (warped.diff(dim=1) >= -1e-5).all()
        assert float((warped - ramp[:, 0]).abs().max()) == pytest.approx(0.2, abs=0.02)

    def test_scale_and_jitter(self) -> None:
        torch.manual_seed(0)
        scaled = one_view(self.OFF.model_copy(update={"scale": 0.3}), self.SERIES) / self.SERIES
        factors = scaled[:, :, 10]
        torch.testing.assert_close(scaled, factors[..., None].expand_as(scaled), rtol=0.1, atol=0)
        assert float(factors.log().std()) == pytest.approx(0.3, rel=0.2)
        noisy = one_view(self.OFF.model_copy(update={"jitter": 0.3}), self.SERIES)
        assert float((noisy - self.SERIES).std()) == pytest.approx(0.3, rel=0.05)

    def test_mask_hides_one_gap_in_all_channels(self) -> None:
        torch.manual_seed(0)
        masked = one_view(self.OFF.model_copy(update={"mask": 0.4}), self.SERIES)
        hidden = masked == 0
        assert torch.equal(hidden[:, 0], hidden[:, 1])
        share = hidden[:, 0].float().mean(1)
        assert 0.3 < float(share.max()) <= 0.42
        starts = (hidden[:, 0, 1:] & ~hidden[:, 0, :-1]).sum(1)
        assert (starts <= 1).all()
