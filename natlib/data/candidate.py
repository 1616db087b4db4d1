"""A way to train on a source, of several that differ in cost."""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Candidate"]


class Candidate(NamedTuple):
    """One of the ways to prepare the samples of a source and to encode them.

    Attributes:
        settings: what makes it up, as a layer of a run's configuration: ``{"data": {"size": 64},
            "encoder": {"kind": "convnet"}}``.
        text: what these settings mean, ``"views of 64 pixels"`` say.
        option: what a user gives to have it, ``"--size 64"`` say.
    """

    settings: Mapping[str, Any]
    text: str
    option: str
