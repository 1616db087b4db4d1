"""``run.json``: what a run is and how it stands, for programs to read."""

from typing import Literal

from natlib.component import Settings

__all__ = ["RUN_FORMAT", "RunFailure", "RunInfo", "RunStatus"]

RUN_FORMAT = 2
"""Format of run directories; those of another one are refused."""

RunStatus = Literal["running", "interrupted", "failed", "finished"]
"""How a run stands. A process that is killed cannot write: its run stays ``running``."""


class RunFailure(Settings):
    """The error that stopped a run."""

    kind: str
    """Class of the error, ``NonFiniteError`` say."""
    message: str
    """What it said."""


class RunInfo(Settings):
    """What a run is and how it stands."""

    format: int = RUN_FORMAT
    """Format of the run directory."""
    status: RunStatus
    """Whether it goes on, and how it ended if not."""
    step: int
    """Updates done when this was written."""
    checkpoint: int | None = None
    """Updates done when the newest checkpoint was written; null before the first one."""
    updates: int
    """Updates of the whole run."""
    samples: int
    """Samples that it trains on, without those that cannot be read."""
    unreadable: int
    """Samples that are left out, since they cannot be decoded; ``train.log`` lists them."""
    weights: int
    """Numbers that are trained."""
    processes: int
    """Processes that train together."""
    device: str
    """What the first of them computes on."""
    versions: dict[str, str]
    """Versions of natlib and torch at the last start."""
    init_from: str | None = None
    """The run that gave the initial weights."""
    not_evaluated: str | None = None
    """Why a finished run was not evaluated."""
    failure: RunFailure | None = None
    """What stopped it, where an error did."""
