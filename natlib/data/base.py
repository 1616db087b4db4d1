"""Samples with a stable index, and the modality that knows what a sample is."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch
from pydantic import Field
from torch import Tensor

from natlib.component import Component, Condition, Registry, Seed
from natlib.data.candidate import Candidate
from natlib.data.preview import input_picture
from natlib.data.source_plugins import stable_source
from natlib.data.splits import Split, chosen_rows
from natlib.data.thumbnail import Thumbnail
from natlib.encoders import EncoderRecipe
from natlib.errors import ConfigError
from natlib.families import MODALITIES

__all__ = ["Batch", "Modality", "SampleSet", "Unreadable"]


@dataclass(frozen=True)
class Unreadable:
    """A sample that could not be decoded; a sample set returns it in place of the sample."""

    index: int
    reason: str


@dataclass
class Batch:
    """Samples that ``Modality.collate`` has collated.

    Attributes:
        index: int64[b], the stable index of each sample, without duplicates.
        data: tensors by name, each with b as its first dimension (uint8 pixels, say); only the
            modality that made them knows what they mean.
        unreadable: the samples of the batch that could not be decoded.
    """

    index: Tensor
    data: dict[str, Tensor]
    unreadable: list[Unreadable] = field(default_factory=list)

    def to(self, device: torch.device) -> Self:
        """The batch on a device; copies from pinned memory do not block."""
        data = {name: t.to(device, non_blocking=True) for name, t in self.data.items()}
        return type(self)(self.index.to(device, non_blocking=True), data, self.unreadable)

    def pin_memory(self) -> Self:
        """The batch in page-locked memory (the data loader calls this)."""
        data = {name: t.pin_memory() for name, t in self.data.items()}
        return type(self)(self.index.pin_memory(), data, self.unreadable)


class SampleSet(Protocol):
    """Samples 0 .. n-1, in an order that depends on the data only.

    Attributes:
        names: a name for each sample, a relative path for example.
        labels: int64[n], -1 where a sample has none; None if no sample has one.
        classes: names of the labels 0, 1, ...
        usable: int64[u], the indices of all samples that are not known to be unreadable.
        unreadable: the samples that are known to be unreadable.
        in_memory: whether samples are decoded already, so that workers would not help.

    ``len`` counts all samples, including the unreadable ones, so that indices stay the same.
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
        """Decode all samples into memory if they fit; called once, before use.

        Sets ``in_memory``, ``usable`` and ``unreadable``.

        Args:
            workers: processes that decode; 0 decodes in this one.
            progress: called now and then with the samples done and the samples in all.
        """

    def fingerprint(self) -> str:
        """A digest of names and labels: equal if and only if the samples are the same."""


class Modality(Component):
    """A domain: where samples come from, how they are prepared, and what views are.

    It is the ``data`` part of a run's configuration. Everything after ``collate`` works on whole
    batches, on the device that trains.
    """

    registry: ClassVar[Registry[Any]] = MODALITIES
    presets: ClassVar[Path | None] = None
    """Folder of the YAML files that ``--preset`` names, if the modality ships any."""

    file_extensions: ClassVar[frozenset[str]] = frozenset()
    """How the names of files end that each hold one sample: ``jpg``, in lower case."""

    conditions: ClassVar[tuple[Condition, ...]] = (
        Condition(
            ("subset_seed",),
            on=("max_samples",),
            holds=lambda most: most is not None,
            remedy="set {max_samples}",
        ),
    )

    source: str | None = None
    """Where samples come from: a path, or a name that the modality knows."""
    max_samples: int | None = Field(default=None, ge=1)
    """Train on a random subset of so many samples."""
    subset_seed: Seed = 0
    """Seed of that subset."""

    @abstractmethod
    def resolved(self) -> Self:
        """The modality with all settings that depend on the source filled in.

        Called once, before training. The result is written to ``config.yaml`` and to the saved
        model, so that inputs are always prepared in the same way. What is too large for a setting
        belongs in :meth:`fitted`.

        Raises:
            DataError: the source does not exist or holds no samples.
        """

    def fitted(self) -> dict[str, bytes]:
        """What ``resolved`` has fitted on the training samples, as small files by name.

        A tokenizer, say, or the statistics of every column. They are saved in the run directory
        and with the model, and passed to :meth:`with_fitted` when these are loaded.
        """
        return {}

    def with_fitted(self, files: dict[str, bytes]) -> Self:
        """The modality with the fitted files of one that was resolved from the same settings.

        Raises:
            ConfigError: a file is missing, damaged or unknown.
        """
        if files:
            raise ConfigError(
                f"the modality '{getattr(self, 'kind', '?')}' does not know the fitted file "
                f"'{min(files)}'; use the version of the plug-in that wrote it"
            )
        return self

    @property
    def input_axes(self) -> int | None:
        """Number of axes of ``input_shape``, known before anything is read; None if it is not."""
        return None

    def check_encoder(self, recipe: EncoderRecipe) -> None:
        """Refuse an encoder that cannot read these inputs, whatever the data are.

        Called when a configuration is put together; what depends on the data is refused by
        :meth:`complete`, or when the encoder is built.

        Raises:
            ConfigError: it cannot; the message says which setting to change.
        """
        axes, wanted = self.input_axes, recipe.input_axes
        if axes is not None and wanted is not None and axes != wanted:
            raise ConfigError(
                f"the encoder '{recipe.kind}' reads inputs with {_axes(wanted)}, and those of the "
                f"modality '{getattr(self, 'kind', '?')}' have {_axes(axes)}; choose another one "
                "(encoder.kind), or leave encoder out"
            )

    def encoder_in(self, folder: Path) -> EncoderRecipe:
        """The recipe that reads the checkpoint in a folder. By default there is none.

        Raises:
            ConfigError: no encoder for this modality reads such a folder.
        """
        raise ConfigError(
            f"the modality '{getattr(self, 'kind', '?')}' has no encoder that reads checkpoints, "
            f"so not {folder} either; train one (natlib train)"
        )

    def for_encoder(self, recipe: EncoderRecipe | None, accelerator: bool = False) -> Self:
        """The modality with inputs that suit an encoder, where nothing else is set.

        Called before :meth:`resolved`. By default, it takes what the encoder names, see
        :meth:`natlib.encoders.EncoderRecipe.inputs`.

        Args:
            recipe: what will be trained; None for the default.
            accelerator: whether it will be trained on one.
        """
        wanted = {} if recipe is None else self.fitting(recipe.inputs())
        unset = {
            name: value
            for name, value in wanted.items()
            if name in type(self).model_fields and name not in self.model_fields_set
        }
        return self.changed(**unset) if unset else self

    def fitting(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        """What an encoder's weights were trained with, made to go with what is set here."""
        return inputs

    def complete(self, recipe: EncoderRecipe) -> EncoderRecipe:
        """The encoder with everything filled in that it needs to know besides the input shape.

        The size of a vocabulary, say. Called on the resolved modality, once, before training.

        Raises:
            ConfigError: the encoder cannot read these inputs; the message says which setting to
                change.
        """
        return recipe

    def with_source(self, source: str) -> Self:
        """The modality with another source, of which all samples are used.

        The name of a folder that is here is that folder, see :func:`natlib.data.stable_source`.
        """
        if Path(source).expanduser().is_dir():
            source = stable_source(getattr(self, "kind", "?"), source)
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
        """Collate decoded samples into a batch, without the unreadable ones (in a worker)."""

    @abstractmethod
    def views(self, batch: Batch, count: int) -> list[Tensor]:
        """``count`` independently augmented views, each Tensor[b, *input_shape].

        Draws from torch's global generator of the batch's device, so that seeding it makes the
        views reproducible.
        """

    @abstractmethod
    def plain(self, batch: Batch) -> Tensor:
        """The samples without augmentation, Tensor[b, *input_shape], to evaluate and embed."""

    @abstractmethod
    def raw(self, batch: Batch) -> Tensor:
        """The raw-input baseline of the domain, float Tensor[b, r] (pixels, say)."""

    @property
    @abstractmethod
    def input_shape(self) -> tuple[int, ...]:
        """Shape of a prepared input, without the batch; known after ``resolved``."""

    @abstractmethod
    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        """The encoder to train by default."""

    @abstractmethod
    def default_preset(self) -> str:
        """The default preset; may depend on the source."""

    def candidates(self) -> Sequence[Candidate]:
        """Ways to train on the source that differ in cost, from the cheapest to the costliest.

        Where there is no accelerator, and a user leaves it open, natlib takes the costliest that
        the machine can train in the time that there is. By default there is only one way, which
        needs no name.
        """
        return ()

    @abstractmethod
    def samples(self, items: Sequence[Any]) -> list[Any]:
        """Decode paths or arrays into what ``collate`` takes (for ``model.embed``).

        Raises:
            DataError: an item cannot be read; the message names it.
        """

    def extents(self, items: Sequence[Any]) -> list[int] | None:
        """Roughly how long items are that :meth:`samples` reads; None where that does not matter.

        Items of similar extent are embedded together, which spares padding.
        """
        return None

    @abstractmethod
    def thumbnail(self, sample: Any) -> Thumbnail | None:
        """A thumbnail of a decoded sample; None for an unreadable one."""

    def preview(self, inputs: Tensor) -> Thumbnail | None:
        """A thumbnail of an input as an encoder gets it, Tensor[*input_shape].

        The input is a row of :meth:`views` or :meth:`plain`. By default, see
        :func:`natlib.data.input_picture`; None where nothing can be shown.
        """
        return input_picture(inputs)


def _axes(count: int) -> str:
    return "1 axis" if count == 1 else f"{count} axes"
