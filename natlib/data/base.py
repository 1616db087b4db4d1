"""Samples with a stable index, and the modality that knows what a sample is."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Component, Registry
from natlib.data.preview import input_picture
from natlib.data.splits import Split, chosen_rows
from natlib.data.thumbnail import Thumbnail
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError
from natlib.families import MODALITIES

__all__ = ["Batch", "Modality", "SampleSet", "Unreadable"]


@dataclass(frozen=True)
class Unreadable:
    """A sample that could not be decoded: what a sample set returns in its place."""

    index: int
    reason: str


@dataclass
class Batch:
    """Samples put together by ``Modality.collate``.

    Attributes:
        index: int64[b], the stable index of each sample; none stands twice.
        data: tensors by name, the first dimension of each being b (uint8 pixels,
            say); only the modality that made them knows what they mean.
        unreadable: the samples that should have been here and could not be decoded.
    """

    index: Tensor
    data: dict[str, Tensor]
    unreadable: list[Unreadable] = field(default_factory=list)

    def to(self, device: torch.device) -> Self:
        """The same batch on a device; copies from pinned memory do not block."""
        data = {name: t.to(device, non_blocking=True) for name, t in self.data.items()}
        return type(self)(self.index.to(device, non_blocking=True), data, self.unreadable)

    def pin_memory(self) -> Self:
        """The same batch in page-locked memory (the data loader calls this)."""
        data = {name: t.pin_memory() for name, t in self.data.items()}
        return type(self)(self.index.pin_memory(), data, self.unreadable)


class SampleSet(Protocol):
    """Samples 0 .. n-1, in an order that depends on nothing but the data.

    Attributes:
        names: a name for each sample, a relative path for example.
        labels: int64[n], -1 where a sample has none; None if nothing has a label.
            Labels serve evaluation only.
        classes: what the labels 0, 1, ... stand for.
        usable: int64[u], the indices known to be decodable; all of them, as long
            as nothing is known to the contrary.
        unreadable: the samples that are already known not to be decodable.
        in_memory: whether samples are decoded already, so that workers cannot help.

    ``len`` counts all samples, the unreadable ones too, so that an index stays what it is.
    """

    names: Sequence[str]
    labels: Tensor | None
    classes: list[str]
    usable: Tensor
    unreadable: list[Unreadable]
    in_memory: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Any:
        """One decoded sample (anything that ``collate`` takes), or :class:`Unreadable`."""

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        """Decode everything into memory, if it is small enough; called once, before use.

        Sets ``in_memory``, ``usable`` and ``unreadable``.

        Args:
            workers: processes that decode; 0 decodes in this one.
            progress: called now and then with the samples done and the samples in all.
        """

    def fingerprint(self) -> str:
        """A digest of names and labels: equal if and only if the samples are the same ones."""


class Modality(Component):
    """One domain: where samples come from, how they are prepared, what views are.

    It is the ``data`` part of a run's configuration. Everything after ``collate``
    works on whole batches, on the device that trains.
    """

    registry: ClassVar[Registry[Any]] = MODALITIES
    presets: ClassVar[Path | None] = None
    """Folder of the YAML files that ``--preset`` names, if the modality ships any."""

    source: str | None = None
    """Where samples come from: a path, or a name that the modality knows."""
    max_samples: int | None = Field(default=None, ge=1)
    """Train on a random subset of this size."""
    subset_seed: int = Field(default=0, ge=0)
    """Seed of that subset."""

    @abstractmethod
    def resolved(self) -> Self:
        """The same modality with everything that depends on the source filled in.

        Called once, before training; what it returns is written to ``config.yaml``
        and to the saved model, so that inputs are prepared alike ever after. What is too large
        for a setting goes to :meth:`fitted`.

        Raises:
            DataError: the source does not exist or holds no samples.
        """

    def fitted(self) -> dict[str, bytes]:
        """What ``resolved`` has learnt from the training samples, as small files by name.

        A tokenizer, say, or the statistics of every column. They are kept in the run directory
        and in the saved model, and given back to :meth:`with_fitted`.
        """
        return {}

    def with_fitted(self, files: dict[str, bytes]) -> Self:
        """The same modality with what another one, resolved from the same settings, has fitted.

        Raises:
            ConfigError: a file is missing, damaged or unknown.
        """
        if files:
            raise ConfigError(
                f"the modality '{getattr(self, 'kind', '?')}' does not know the fitted file "
                f"'{min(files)}'; use the version of the plug-in that wrote it"
            )
        return self

    def complete(self, recipe: EncoderRecipe) -> EncoderRecipe:
        """The encoder with what it must know of the inputs beyond their shape filled in.

        The size of a vocabulary, say. Called on the resolved modality, once, before training.

        Raises:
            ConfigError: such an encoder cannot read these inputs; the message says which
                setting to change.
        """
        return recipe

    def with_source(self, source: str) -> Self:
        """The same preparation of inputs for samples from elsewhere, all of them."""
        return self.model_copy(update={"source": source, "max_samples": None})

    @abstractmethod
    def dataset(self, split: Split, cache: Path | None = None) -> SampleSet | None:
        """The samples of a split; None if the source has no such split.

        ``train`` is always there. ``max_samples`` limits the training split only.

        Args:
            split: which one.
            cache: a folder in which an index of the source may be kept.

        Raises:
            DataError: the source does not exist or holds no samples.
        """

    def subset(self, split: Split, count: int) -> Tensor | None:
        """Which samples of a split to use: int64[m], sorted, or None for all.

        ``max_samples`` and ``subset_seed`` choose a random subset of the training split only.

        Args:
            split: which one.
            count: how many samples the split has.
        """
        limit = self.max_samples if split == "train" else None
        return chosen_rows(count, limit, self.subset_seed)

    @abstractmethod
    def collate(self, samples: list[Any]) -> Batch:
        """Put decoded samples together, leaving out the unreadable ones (in a worker)."""

    @abstractmethod
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        """``count`` independently augmented views, each Tensor[b, *input_shape].

        Draws from torch's global generator of the batch's device, so that seeding
        it makes the views reproducible.
        """

    @abstractmethod
    def plain(self, batch: Batch) -> Tensor:
        """The samples as they are, Tensor[b, *input_shape]: for evaluation and embedding."""

    @abstractmethod
    def raw(self, batch: Batch) -> Tensor:
        """The raw-input baseline of the domain, float Tensor[b, r] (pixels, say)."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one prepared input, without the batch; known after ``resolved``."""

    @abstractmethod
    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        """The encoder to train when none is configured."""

    @abstractmethod
    def default_preset(self) -> str:
        """The preset for a run that names none; may depend on the source."""

    @abstractmethod
    def samples(self, items: Sequence[Any]) -> list[Any]:
        """Decode paths or arrays into what ``collate`` takes (for ``model.embed``).

        Raises:
            DataError: an item cannot be read; the message names it.
        """

    @abstractmethod
    def thumbnail(self, sample: Any) -> Thumbnail | None:
        """A decoded sample for a person to look at; None for one that is unreadable."""

    def preview(self, inputs: Tensor) -> Thumbnail | None:
        """One input as an encoder gets it, Tensor[*input_shape], for a person to look at.

        A row of :meth:`views` or :meth:`plain`. By default see
        :func:`natlib.data.input_picture`; None where nothing can be shown.
        """
        return input_picture(inputs)
