"""What of natlib's optional dependencies is missing."""

import re
from importlib import metadata

__all__ = ["how_to_install"]

_REQUIREMENT = re.compile(r"([\w.-]+).*;.*\bextra == ['\"]([\w.-]+)['\"]")


def how_to_install(module: str, needed_by: str = "", distribution: str = "natlib") -> str | None:
    """The command that installs a missing package, where an extra has it.

    Args:
        module: the name that cannot be imported.
        needed_by: the module that imports it; of several extras the one that it is named after, or
            else the smallest.
        distribution: whose extras.
    """
    wanted = _normal(module.partition(".")[0])
    packages: dict[str, set[str]] = {}
    for text in metadata.requires(distribution) or ():
        if match := _REQUIREMENT.match(text):
            packages.setdefault(match[2], set()).add(_normal(match[1]))
    found = [extra for extra, names in packages.items() if wanted in names]
    if not found:
        return None
    extra = min(found, key=lambda extra: (extra not in needed_by, len(packages[extra])))
    return f"pip install '{distribution}[{extra}]'"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
