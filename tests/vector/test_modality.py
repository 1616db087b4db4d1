"""Vectors as natlib meets them: views, what is fitted, a run."""

from pathlib import Path

import numpy as np
import pytest
import torch

import natlib
from natlib.data import Batch
from natlib.errors import ConfigError, DataError
from natlib_vector import Augmentation, Vector
from natlib_vector.augmentation import augment_rows

ROWS = torch.arange(4000.0, dtype=torch.float64).view(500, 8)


def batch_of(modality: Vector, count: int = 64) -> Batch:
    samples = modality.dataset("train")
    assert samples is not None
    return modality.collate([samples[index] for index in range(count)])


class TestViews:
    def test_values_of_others_come_from_the_same_column(self) -> None:
        torch.manual_seed(0)
        changed = augment_rows(Augmentation(corrupt=0.4, dropout=0.0), ROWS)
        assert torch.equal(changed % 8, ROWS % 8)
        # One in 500 gets its own value back.
        assert float((changed != ROWS).double().mean()) == pytest.approx(0.4, abs=0.03)

    def test_dropout_makes_values_missing(self) -> None:
        torch.manual_seed(0)
        changed = augment_rows(Augmentation(corrupt=0.0, dropout=0.25), ROWS)
        gone = changed.isnan()
        assert float(gone.double().mean()) == pytest.approx(0.25, abs=0.03)
        assert torch.equal(changed[~gone], ROWS[~gone])
        # Each sample and column by itself.
        assert gone.any(0).all()
        assert 100 < len(gone.unique(dim=0)) < 257

    def test_nothing_turned_on_is_plain(self) -> None:
        modality = Vector(augment=Augmentation(corrupt=0, dropout=0, noise=0)).resolved()
        batch = batch_of(modality)
        (view,) = modality.views(batch, 1)
        assert torch.equal(view, modality.plain(batch))

    def test_noise_is_in_units_of_the_column(self) -> None:
        modality = Vector(augment=Augmentation(corrupt=0, dropout=0, noise=0.2)).resolved()
        batch = batch_of(modality, 1000)
        torch.manual_seed(0)
        (view,) = modality.views(batch, 1)
        assert float((view - modality.plain(batch)).std()) == pytest.approx(0.2, rel=0.02)

    def test_a_setting_leaves_the_random_numbers_of_others(self) -> None:
        torch.manual_seed(0)
        one = augment_rows(Augmentation(corrupt=0.3, dropout=0.0), ROWS)
        torch.manual_seed(0)
        other = augment_rows(Augmentation(corrupt=0.3, dropout=0.5), ROWS)
        kept = ~other.isnan()
        assert torch.equal(one[kept], other[kept])


class TestFitted:
    def test_no_other_file_will_do(self) -> None:
        modality = Vector().resolved()
        (name,) = modality.fitted()
        for files, message in (
            ({}, "got: nothing"),
            ({name: b"{}", "other.bin": b""}, r"got: columns\.json, other\.bin"),
            ({name: b"{"}, r"columns\.json is damaged"),
        ):
            with pytest.raises(ConfigError, match=message):
                modality.with_fitted(files)

    def test_training_samples_alone_are_learnt_from(self, tmp_path: Path) -> None:
        rows = np.random.default_rng(0).normal(size=(50, 3))
        np.savez(tmp_path / "one.npz", vectors=rows, test_vectors=rows + 100)
        np.savez(tmp_path / "two.npz", vectors=rows, test_vectors=rows - 100)
        one, two = (Vector(source=str(tmp_path / f"{n}.npz")).resolved() for n in ("one", "two"))
        assert one.fitted() == two.fitted()
        few = Vector(source=str(tmp_path / "one.npz"), max_samples=20).resolved()
        samples = few.dataset("train")
        assert samples is not None
        plain = few.plain(few.collate([samples[index] for index in range(20)]))
        torch.testing.assert_close(plain.mean(0), torch.zeros(3), atol=1e-6, rtol=0)

    def test_travels_with_a_run_and_a_model(self, tmp_path: Path) -> None:
        table = tmp_path / "t.csv"
        rng = np.random.default_rng(0)
        lines = [f"{rng.normal(5, 3):.3f},{rng.choice(['a', 'b'])},{i % 2}" for i in range(80)]
        table.write_text("x,kind,label\n" + "\n".join(lines))
        config = natlib.compose(
            "vector",
            options={"data": {"source": str(table)}, "training": {"epochs": 1, "batch_size": 16}},
            settings=["evaluation.weight_decays=[1.0]", "training.device=cpu"],
        )
        natlib.train(config, tmp_path / "run")
        before = natlib.load(tmp_path / "run").embed([[1.0, "a"], {"x": 2.0, "kind": "b"}])
        assert before.shape == (2, 256)
        # What the file holds now is of no account: the model knows its columns.
        table.write_text("x,kind,label\n1000,c,0\n2000,d,1\n")
        model = natlib.load(tmp_path / "run")
        assert np.array_equal(model.embed([[1.0, "a"], [2.0, "b"]]), before)
        assert not np.array_equal(before[0], before[1])
        (tmp_path / "run" / "model" / "fitted" / "columns.json").unlink()
        with pytest.raises(natlib.NatlibError, match=r"columns\.json is missing"):
            natlib.load(tmp_path / "run")


@pytest.mark.parametrize("what", ["views", "plain", "samples", "input_shape", "dataset"])
def test_too_early(what: str) -> None:
    modality, batch = Vector(), Batch(torch.arange(1), {"values": torch.zeros(1, 64)})
    calls = {
        "views": lambda: modality.views(batch, 1),
        "plain": lambda: modality.plain(batch),
        "samples": lambda: modality.samples([[1.0]]),
        "input_shape": lambda: modality.input_shape,
        "dataset": lambda: modality.dataset("train"),
    }
    with pytest.raises(ConfigError, match=r"call resolved\(\) first"):
        calls[what]()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([1.0], r"item 1 as a row: got shape \[1\], expected \[64\]; give the values of all"),
        ([float("inf")] + [0.0] * 63, "item 1 as a row: it holds infinity"),
        (["x"] * 64, "item 1 as a row: could not convert"),
    ],
)
def test_a_bad_item_is_named(item: list[object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Vector().resolved().samples([np.zeros(64), item])
