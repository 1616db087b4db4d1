"""``natlib.train`` and ``natlib.resume``: a whole run in one call."""

from pathlib import Path

from natlib.errors import ConfigError
from natlib.runtime.progress import ProgressReporter
from natlib.training.config import RunConfig
from natlib.training.fitting import OpenSettings
from natlib.training.result import TrainResult
from natlib.training.run import Run

__all__ = ["resume", "train"]


def train(
    config: RunConfig,
    out: Path | str | None = None,
    *,
    init_from: Path | str | None = None,
    overwrite: bool = False,
    continue_run: bool = False,
    left_open: OpenSettings | None = None,
    progress: ProgressReporter | None = None,
) -> TrainResult:
    """Train a run; see :meth:`Run.start`.

    Args:
        config: what to do.
        out: the run directory; by default a new one in ``runs``, named after modality,
            preset and time.
        init_from: a run whose encoder and head give the initial weights.
        overwrite: replace a run that exists.
        continue_run: go on with a run of this configuration that is in ``out``, and evaluate one
            that is trained; where all is done, do nothing. The same call thus starts a run, and
            finishes it however often it is interrupted.
        left_open: what natlib may choose to fit machine and data; by default nothing.
        progress: told how far training is.

    Raises:
        NatlibError: something is wrong with the configuration, the data or the machine.
    """
    if continue_run:
        if out is None or overwrite:
            raise ConfigError(
                "to continue a run, give its directory (--out), and leave out overwrite"
            )
        found = Run.start_or_resume(
            config, out, init_from=init_from, left_open=left_open, progress=progress
        )
        return found if isinstance(found, TrainResult) else found.train()
    run = Run.start(
        config, out, init_from=init_from, overwrite=overwrite, left_open=left_open,
        progress=progress,
    )  # fmt: skip
    return run.train()


def resume(
    run: Path | str,
    *,
    config: RunConfig | None = None,
    progress: ProgressReporter | None = None,
) -> TrainResult:
    """Go on with a run that was interrupted, as if it had not been; see :meth:`Run.resume`.

    Args:
        run: the run directory.
        config: the configuration that is asked for now, if it is not simply the run's own;
            only how and where to compute may differ.
        progress: told how far training is.

    Raises:
        NatlibError: there is no such run, its data have changed, or ``config`` asks for
            another run.
    """
    return Run.resume(run, config=config, progress=progress).train()
