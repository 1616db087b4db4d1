"""Sources that plug-ins bring, and names of sources that hold in any working directory."""

from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from natlib.errors import ConfigError, DataError
from natlib.families import source_plugins
from natlib.registry import origin

__all__ = ["name_note", "plugin_source", "stable_source"]


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

    A folder comes before names: ``cifar10`` is the folder of that name where there is one, and the
    set where there is none. A source that has become absolute is never taken for a name.

    Args:
        modality: the kind of the modality.
        source: a path, or a name.
        known: names that the modality itself gives to sources; they stay as they are beside a file
            of that name, and so do the names that plug-ins know.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return str(path.absolute())
    if source in known or not path.exists():
        return source
    absolute = str(path.absolute())
    # A plug-in's name may be that of a file here, too.
    same = _recognised(modality, source) is _recognised(modality, absolute)
    return absolute if same else source


def name_note(path: Path, known: Container[str]) -> list[str]:
    """What to say of a folder that is called like a set: at most one line.

    Args:
        path: the folder.
        known: names that the modality itself gives to sources.
    """
    if path.name not in known:
        return []
    return [f"the source is the folder {path}, not the set that natlib calls '{path.name}'"]


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
