"""``natlib.train`` and ``natlib.resume``: a whole run in one call."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from natlib.errors import ConfigError
from natlib.runtime.log import logger
from natlib.runtime.progress import ProgressReporter
from natlib.training.compose import asked_for, compose
from natlib.training.config import RunConfig
from natlib.training.fitting import OpenSettings, left_open, parse_duration
from natlib.training.result import TrainResult
from natlib.training.run import Run

__all__ = ["resume", "train"]


def train(
    config: RunConfig | None = None,
    out: Path | str | None = None,
    *,
    modality: str | None = None,
    data: Path | str | None = None,
    preset: str | None = None,
    file: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    encoder: str | None = None,
    targets: str | None = None,
    assignment: str | None = None,
    solver: str | None = None,
    settings: Sequence[str] = (),
    budget: str | None = None,
    init_from: Path | str | None = None,
    overwrite: bool = False,
    continue_run: bool = False,
    progress: ProgressReporter | None = None,
    tell: Callable[[str], None] = logger.warning,
) -> TrainResult:
    """Train a run: of a configuration, or as ``natlib train`` composes one from its options.

    A configuration is trained as it is. Where options are given instead, what they leave open fits
    data and machine, see :class:`natlib.training.OpenSettings`.

    Args:
        config: what to do; leave it out to give options.
        out: the run directory; by default a new one in ``runs``, named after modality,
            preset and time.
        modality: kind of data, ``"image"`` say; this and the following as in
            :func:`natlib.training.compose`.
        data: where samples come from.
        preset: one of the modality's presets.
        file: a YAML or JSON file with any part of a configuration.
        options: a nested mapping: ``{"training": {"epochs": 20}}``.
        encoder: kind of the encoder.
        targets: kind of the target distribution.
        assignment: kind of the assignment.
        solver: kind of the solver.
        settings: ``"objective.targets.dim=64"`` and the like.
        budget: how long the run may take, ``"20m"`` say; chooses the number of epochs, for a
            configuration too.
        init_from: a run whose encoder and head give the initial weights.
        overwrite: replace a run that exists.
        continue_run: go on with a run of this configuration that is in ``out``, and evaluate one
            that is trained; where all is done, do nothing. The same call thus starts a run, and
            finishes it however often it is interrupted.
        progress: told how far training is.
        tell: called with a line where an option changes something else.

    Raises:
        NatlibError: something is wrong with the configuration, the data or the machine.
    """
    layers: dict[str, Any] = {
        "modality": modality, "preset": preset, "file": file, "encoder": encoder,
        "targets": targets, "assignment": assignment, "solver": solver,
    }  # fmt: skip
    given = {name for name, value in layers.items() if value is not None}
    given |= {name for name, value in (("data", data), ("options", options)) if value is not None}
    given |= {"settings"} if settings else set()
    if config is not None and given:
        raise ConfigError(
            f"train takes a configuration or what one is composed of, and got both ({min(given)}); "
            "give natlib.compose these, or leave the configuration out"
        )
    left = None
    if config is None:
        merged = dict(options or {})
        if data is not None:
            merged["data"] = {**merged.get("data", {}), "source": str(data)}
        composed: Any = partial(compose, **layers, options=merged, settings=settings)
        config = composed(tell=tell)
        asked = asked_for(file=file, options=merged, encoder=encoder, settings=settings)
        left = left_open(config, partial(composed, tell=_ignore), asked, preset, budget)
    elif budget is not None:
        left = OpenSettings(partial(compose, base=config), {}, False, parse_duration(budget))
    if continue_run:
        if out is None or overwrite:
            raise ConfigError(
                "to continue a run, give its directory (--out), and leave out overwrite"
            )
        found = Run.start_or_resume(
            config, out, init_from=init_from, left_open=left, progress=progress
        )
        return found if isinstance(found, TrainResult) else found.train()
    run = Run.start(
        config, out, init_from=init_from, overwrite=overwrite, left_open=left, progress=progress
    )
    return run.train()


def _ignore(note: str) -> None:
    """It has been said."""


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
