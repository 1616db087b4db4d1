"""Where samples come from: what a source offers, and sources that plug-ins bring."""

from abc import abstractmethod
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from natlib.data.reading import evenly_spaced
from natlib.data.splits import Split
from natlib.errors import ConfigError, DataError
from natlib.families import source_plugins
from natlib.registry import origin

__all__ = ["Source", "SourceSplit", "plugin_source", "stable_source"]


class SourceSplit(Protocol):
    """The samples of one split as they are stored, not decoded yet.

    Attributes:
        names: a name for each sample, a relative path for example.
        labels: int64[n], -1 where a sample has none; None if nothing has a label.
        classes: what the labels 0, 1, ... stand for.
    """

    names: Sequence[str]
    labels: Tensor | None
    classes: list[str]

    def __len__(self) -> int: ...

    @abstractmethod
    def item(self, index: int) -> Any:
        """One stored sample: a path, an array, whatever the modality decodes; may raise."""

    @abstractmethod
    def digest(self) -> bytes:
        """Equal if and only if the samples are the same ones; names suffice for files."""


class Source(Protocol):
    """Up to three splits of samples; ``train`` is always one of them."""

    @abstractmethod
    def split(self, split: Split, cache: Path | None = None) -> SourceSplit | None:
        """The samples of a split; None if the source has no such split.

        Args:
            split: which one.
            cache: a folder in which an index of the source may be kept.

        Raises:
            DataError: the source cannot be read or holds no samples.
        """

    def peek(self, count: int) -> Sequence[Any]:
        """Up to ``count`` items from all over the training split.

        A source that can find some items without listing all of them overrides this.
        """
        train = self.split("train")
        if train is None:
            return []
        return [train.item(index) for index in evenly_spaced(len(train), count)]


def plugin_source(modality: str, source: str) -> Any | None:
    """A source that a plug-in recognises, opened; None if no plug-in does.

    A plug-in registers a class under the entry-point group ``natlib.sources.<modality>``. Its
    class method ``recognises(source)`` tells from a name or a path, quickly and without raising,
    whether the class reads that source; the class is then called with it. What it returns has to be
    a source of that modality, :class:`Source` for images and audio.

    Args:
        modality: the kind of the modality (``image``).
        source: what the user gave as ``data.source``.

    Raises:
        ConfigError: a plug-in cannot be imported, or its class has no ``recognises``.
        DataError: several plug-ins recognise the source.
    """
    recognised = _recognised(modality, source)
    return None if recognised is None else recognised(source)


def stable_source(modality: str, source: str, known: Container[str] = ()) -> str:
    """A source as it can be found again from any working directory: a path becomes absolute.

    Args:
        modality: the kind of the modality.
        source: a path, or a name.
        known: names that the modality itself gives to sources; they stay as they are, and so do
            the names that plug-ins know.
    """
    path = Path(source).expanduser()
    if source in known or not path.exists():
        return source
    absolute = str(path.absolute())
    # A plug-in's name may be that of a folder here, too.
    same = _recognised(modality, source) is _recognised(modality, absolute)
    return absolute if same else source


def _recognised(modality: str, source: str) -> Callable[[str], Any] | None:
    """The class of the plug-in that reads a source."""
    plugins = source_plugins(modality)
    found: list[tuple[str, Callable[[str], Any]]] = []
    for entry in plugins.found().values():
        cls = plugins.load(entry)
        if not callable(getattr(cls, "recognises", None)):
            raise ConfigError(
                f"{origin(entry)} registers the {plugins.noun} '{entry.name}', but {entry.value} "
                "has no class method 'recognises'; add it, or uninstall the plug-in"
            )
        if cls.recognises(source):
            found.append((f"'{entry.name}' of {origin(entry)}", cls))
    if len(found) > 1:
        raise DataError(
            f"several plug-ins recognise the source '{source}': "
            f"{' and '.join(name for name, _ in found)}; uninstall all but one"
        )
    return found[0][1] if found else None
