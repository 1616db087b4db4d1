"""What is known of packages without importing them."""

from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec

__all__ = ["require", "version"]


@lru_cache
def version(package: str) -> str:
    """The version of an installed distribution; reading it takes milliseconds, once."""
    return metadata.version(package)


def require(*packages: str) -> None:
    """Check that packages are installed, without importing them.

    An adapter calls this at import time for the packages that it imports inside functions, so that
    a missing package is noticed before a run begins.

    Raises:
        ModuleNotFoundError: one of them is missing.
    """
    for package in packages:
        if find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named '{package}'", name=package)
