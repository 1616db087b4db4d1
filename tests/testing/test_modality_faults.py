"""Modalities that break their contract in one way each."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import pytest
import torch
from torch import Tensor

from natlib.data import ArraySamples, Batch, Split, Thumbnail, sparkline
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.errors import DataError
from natlib.testing import ContractError, check_modality
from natlib_vector import Vector


class Mine(Vector):
    kind: Literal["mine"] = "mine"  # type: ignore[assignment]


def edited(
    samples: ArraySamples | None, edit: Callable[[ArraySamples], None]
) -> ArraySamples | None:
    if samples is not None:
        edit(samples)
    return samples


class Restless(Mine):
    """Resolves to something else each time."""

    runs: ClassVar[int] = 0

    def resolved(self) -> Self:
        type(self).runs += 1
        return super().resolved().model_copy(update={"clip": 10.0 + self.runs})


class Leaves(Mine):
    """Leaves behind what it has fitted."""

    def with_fitted(self, files: dict[str, bytes]) -> Self:
        other = super().with_fitted(files)
        assert other._columns is not None
        columns = tuple(c.model_copy(update={"mean": 0.0}) for c in other._columns.columns)
        other._columns = other._columns.model_copy(update={"columns": columns})
        return other


class Careless(Mine):
    def with_fitted(self, files: dict[str, bytes]) -> Self:
        return super().with_fitted({"columns.json": files["columns.json"]})


class Traceback(Mine):
    def resolved(self) -> Self:
        if self.source not in (None, "wine") and not Path(str(self.source)).exists():
            Path(str(self.source)).read_text()
        return super().resolved()


class NoPreset(Mine):
    def default_preset(self) -> str:
        return "nta"


class OtherEncoder(Mine):
    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        class Wrong(MlpEncoder):
            kind: Literal["wrong"] = "wrong"  # type: ignore[assignment]

            def build(self, input_shape: tuple[int, ...]) -> Any:
                return super().build((3,))

        return Wrong()


class SameNames(Mine):
    def dataset(self, split: Split, cache: Path | None = None) -> ArraySamples | None:
        samples = super().dataset(split, cache)
        return edited(samples, lambda s: setattr(s, "names", ["row"] * len(s)))


class ManyLabels(Mine):
    def dataset(self, split: Split, cache: Path | None = None) -> ArraySamples | None:
        samples = super().dataset(split, cache)
        return edited(samples, lambda s: setattr(s, "classes", s.classes[:2]))


class NoSubset(Mine):
    def dataset(self, split: Split, cache: Path | None = None) -> ArraySamples | None:
        return Vector.dataset(self.model_copy(update={"max_samples": None}), split, cache)


class OneSubset(Mine):
    def dataset(self, split: Split, cache: Path | None = None) -> ArraySamples | None:
        return Vector.dataset(self.model_copy(update={"subset_seed": 0}), split, cache)


class Shuffled(Mine):
    def collate(self, samples: list[Any]) -> Batch:
        return super().collate(samples[::-1])


class KeepsBad(Mine):
    def collate(self, samples: list[Any]) -> Batch:
        batch = super().collate(samples)
        batch.unreadable = []
        return batch


class Unpicklable(Mine):
    def dataset(self, split: Split, cache: Path | None = None) -> ArraySamples | None:
        samples = super().dataset(split, cache)
        return edited(samples, lambda s: setattr(s, "handle", open(__file__)))


class TakesAnything(Mine):
    def samples(self, items: Sequence[Any]) -> list[Any]:
        try:
            return super().samples(items)
        except DataError:
            return []


class NoPicture(Mine):
    def thumbnail(self, sample: Any) -> Thumbnail | None:
        return None


class PictureOfNothing(Mine):
    def thumbnail(self, sample: Any) -> Thumbnail | None:
        return sparkline([0.0, 1.0])


class ByBatch(Mine):
    def plain(self, batch: Batch) -> Tensor:
        plain = super().plain(batch)
        return plain - plain.mean(0)


class Noisy(Mine):
    def plain(self, batch: Batch) -> Tensor:
        plain = super().plain(batch)
        return plain + torch.randn_like(plain)


class Wide(Mine):
    @property
    def input_shape(self) -> tuple[int, ...]:
        return (super().input_shape[0] - 1,)


class Seeded(Mine):
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        torch.manual_seed(1)
        return super().views(batch, count)


class Unseeded(Mine):
    own: ClassVar[torch.Generator] = torch.Generator()

    def views(self, batch: Batch, count: int) -> list[Tensor]:
        plain = self.plain(batch)
        return [plain + torch.randn(plain.shape, generator=self.own) for _ in range(count)]


class OneView(Mine):
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        return super().views(batch, 1) * count


class Doubles(Mine):
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        return [view.double() for view in super().views(batch, count)]


class InPlace(Mine):
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        batch.data["values"].mul_(1.01)
        return super().views(batch, count)


class OneDraw(Mine):
    """All samples of a batch are changed alike."""

    def views(self, batch: Batch, count: int) -> list[Tensor]:
        plain = self.plain(batch)
        return [plain * torch.rand(()) for _ in range(count)]


class RawRows(Mine):
    def raw(self, batch: Batch) -> Tensor:
        return super().raw(batch)[:1]


FAULTS: list[tuple[type[Vector], str]] = [
    (Restless, "resolving"),
    (Leaves, "saved with a model"),
    (Careless, "saved with a model"),
    (Traceback, "other sources"),
    (NoPreset, "presets"),
    (OtherEncoder, "the default encoder"),
    (SameNames, "sample sets"),
    (ManyLabels, "sample sets"),
    (NoSubset, "subsets"),
    (OneSubset, "subsets"),
    (Shuffled, "collating"),
    (KeepsBad, "unreadable samples"),
    (Unpicklable, "worker processes"),
    (TakesAnything, "items to embed"),
    (NoPicture, "thumbnails"),
    (PictureOfNothing, "thumbnails"),
    (ByBatch, "plain inputs"),
    (Noisy, "saved with a model"),
    (Wide, "the default encoder"),
    (Seeded, "views"),
    (Unseeded, "views"),
    (OneView, "views"),
    (Doubles, "views"),
    (InPlace, "views"),
    (OneDraw, "random numbers for each sample"),
    (RawRows, "the raw baseline"),
]


@pytest.mark.parametrize(("cls", "name"), FAULTS, ids=[cls.__name__ for cls, _ in FAULTS])
def test_found(cls: type[Vector], name: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_modality(cls(source="wine"))
    text = str(caught.value)
    assert f"the modality 'mine' fails the check '{name}': " in text, text
    assert "\n" not in text
    assert "; expected " in text


def test_without_faults() -> None:
    assert len(check_modality(Mine(source="wine"), items=[[1.0] * 13] * 3)) >= 25


def test_items_that_it_does_not_read() -> None:
    with pytest.raises(ContractError, match=r"'items to embed': it raised DataError: .* item 1"):
        check_modality(Mine(source="wine"), items=[[1.0] * 13, [1.0]])


def test_too_few_samples(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n" + "\n".join(str(x) for x in range(9)))
    with pytest.raises(ContractError, match="9 training samples are usable; expected 16"):
        check_modality(Mine(source=str(tmp_path / "t.csv")))
