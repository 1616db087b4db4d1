"""Ways to judge a run: one protocol, one table beside its baselines, one JSON file."""

from natlib.protocols.base import Protocol, Subject
from natlib.protocols.judging import compose_protocol, judge, subject_of
from natlib.protocols.kept import keep, kept_results
from natlib.protocols.knn import Knn
from natlib.protocols.linear import Linear

__all__ = [
    "Knn",
    "Linear",
    "Protocol",
    "Subject",
    "compose_protocol",
    "judge",
    "keep",
    "kept_results",
    "subject_of",
]
