"""Open a run: begin a new one, or take one up where its last checkpoint left it."""

import contextlib
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from natlib.data import SampleSet
from natlib.errors import DataError
from natlib.runtime.packages import version
from natlib.runtime.progress import ProgressReporter
from natlib.training.checkpoint import (
    latest_checkpoint,
    prune_checkpoints,
    read_checkpoint,
    read_weights,
    write_checkpoint,
)
from natlib.training.claim import Claim
from natlib.training.config import RunConfig
from natlib.training.fitting.batch import fitting_micro_batch
from natlib.training.fitting.explanation import explanation
from natlib.training.fitting.form import Form, choose_form
from natlib.training.fitting.length import no_larger_batch, with_epochs
from natlib.training.fitting.machine import Machine
from natlib.training.fitting.open_settings import OpenSettings
from natlib.training.fitting.updates import seconds_of_update
from natlib.training.loop import Loop
from natlib.training.preparation import open_samples, prepare, resolve, with_labels
from natlib.training.processes import Processes
from natlib.training.run_directory import RunDirectory
from natlib.training.run_info import RunFailure, RunInfo, RunStatus
from natlib.training.same_run import moves
from natlib.training.start import keep_start

__all__ = ["OpenRun", "Opening", "default_name"]


@dataclass
class OpenRun:
    """A run that is ready to train, in one of its processes.

    Attributes:
        config: the configuration, with everything filled in that depends on data and machine.
        directory: where its files are.
        loop: what trains.
        processes: this process among all.
        claim: the right to write to the directory, of the first process.
        init_from: the run that gave the initial weights.
        checkpoint: updates done when the newest checkpoint was written.
    """

    config: RunConfig
    directory: RunDirectory
    loop: Loop
    processes: Processes
    claim: Claim | None
    init_from: str | None = None
    checkpoint: int | None = None

    def info(
        self,
        status: RunStatus,
        error: BaseException | None = None,
        not_evaluated: str | None = None,
    ) -> RunInfo:
        """What the run is and how it stands."""
        loop = self.loop
        return RunInfo(
            status=status,
            step=loop.position.step,
            checkpoint=self.checkpoint,
            updates=loop.updates,
            samples=len(loop.samples.usable),
            unreadable=loop.unreadable,
            weights=sum(p.numel() for p in loop.learner.parameters() if p.requires_grad),
            processes=self.processes.count,
            device=str(self.processes.encoder_device),
            versions={name: version(name) for name in ("natlib", "torch")},
            init_from=self.init_from,
            not_evaluated=not_evaluated,
            failure=None
            if error is None
            else RunFailure(kind=type(error).__name__, message=str(error)),
        )


class Opening:
    """Opens a run in a directory.

    Args:
        directory: the run directory.
        processes: this process among all that train.
        resources: takes what has to be given back when the run ends.
        progress: told how far it is.
    """

    def __init__(
        self,
        directory: RunDirectory,
        processes: Processes,
        resources: contextlib.ExitStack,
        progress: ProgressReporter,
    ) -> None:
        self._directory = directory
        self._processes = processes
        self._resources = resources
        self._progress = progress
        self._claim: Claim | None = None
        if processes.first:
            self._claim = resources.enter_context(Claim(directory, progress.say))

    def has_begun(self) -> bool:
        """Whether a run has begun here, as all processes see it."""
        begun = self._claim.has_begun() if self._claim is not None else False
        return self._processes.agree(begun)

    def begin(
        self,
        config: RunConfig,
        init_from: Path | str | None = None,
        overwrite: bool = False,
        left_open: OpenSettings | None = None,
    ) -> OpenRun:
        """Begin a new run; see :meth:`natlib.training.Run.start`."""
        began = time.monotonic()
        directory, processes = self._directory, self._processes
        machine = Machine.here(processes.encoder_device)
        if left_open is not None and not left_open.applies_to(machine):
            left_open = None
        if self._claim is not None:
            self._claim.take_new(config, overwrite)
        form = Form(config)
        if left_open is not None:
            if processes.first:
                form = choose_form(left_open, config, machine, directory.index)
            form = processes.agree(form)
            if form.candidate is None and left_open.asks("training", "epochs"):
                left_open = None  # nothing is left to choose
        resolved = resolve(form.config, processes, self._progress)
        samples = open_samples(resolved, directory, processes, self._progress)
        resolved, labels = with_labels(resolved, samples)
        if left_open is not None:
            resolved = no_larger_batch(left_open, resolved, len(samples.usable))
        loop = prepare(resolved, samples, labels, processes, init_from)
        self._resources.callback(loop.close)
        resolved = self._with_micro_batch(resolved, loop)
        if left_open is not None:
            resolved = self._fitted(left_open, form, resolved, loop, machine, began)
            # As if nothing had been trained yet.
            loop = prepare(resolved, samples, labels, processes, init_from)
            self._resources.callback(loop.close)
        opened = OpenRun(resolved, directory, loop, processes, self._claim)
        if init_from is not None:
            opened.init_from = str(Path(init_from).absolute())
        if self._claim is not None:
            self._claim.clear()
            directory.begin(resolved, samples, opened.info("running"))
            assert resolved.encoder is not None
            if init_from is not None or resolved.encoder.pretrained is not None:
                with directory.writing():
                    keep_start(directory, loop.learner.encoder)
            if init_from is not None:
                # Those weights may be gone when the run resumes; they may be in the run that it
                # replaces.
                write_checkpoint(
                    directory.checkpoints,
                    loop.position,
                    loop.learner,
                    loop.optimizer,
                    loop.meter,
                    keep=1,
                )
            directory.write_config(resolved)
            self._claim.begun()
        processes.wait()
        return opened

    def take_up(self, saved: RunConfig, config: RunConfig) -> OpenRun:
        """Take up a run; see :meth:`natlib.training.Run.resume`.

        Args:
            saved: its configuration.
            config: the configuration to go on with.
        """
        directory, processes = self._directory, self._processes
        if self._claim is not None:
            self._claim.take()
            directory.settle()
        processes.wait()
        samples = self._same_samples(config)
        moved = moves(saved, config)
        config, labels = with_labels(config, samples)
        checkpoint = latest_checkpoint(directory.checkpoints)
        weights = None if checkpoint is None else read_weights(checkpoint)
        loop = prepare(config, samples, labels, processes, weights=weights)
        self._resources.callback(loop.close)
        opened = OpenRun(config, directory, loop, processes, self._claim)
        opened.init_from = directory.read_info().init_from
        if checkpoint is None:
            directory.check_may_begin()
            self._progress.say(f"{directory.path} has no checkpoint yet: it begins at update 0.")
        else:
            loop.position = read_checkpoint(checkpoint, loop.learner, loop.optimizer, loop.meter)
            opened.checkpoint = loop.position.step
        processes.wait()
        if self._claim is not None:
            if moved:
                # From now on they are looked for there.
                update = {"data": config.data, "labels": config.labels}
                directory.write_config(saved.model_copy(update=update))
                self._progress.say(
                    f"The data have moved ({'; '.join(map(str, moved))}); the samples are the same."
                )
            prune_checkpoints(directory.checkpoints, config.training.keep_checkpoints)
            with directory.writing():
                directory.write_environment()
            directory.write_info(opened.info("running"))
        return opened

    def _fitted(
        self,
        left: OpenSettings,
        form: Form,
        config: RunConfig,
        loop: Loop,
        machine: Machine,
        began: float,
    ) -> RunConfig:
        """Time the loop's updates, choose the number of epochs, and say what was chosen."""
        with self._progress:
            seconds = self._processes.agree(seconds_of_update(loop, self._progress))
        updates, count = loop.epoch_updates, len(loop.samples.usable)
        passed = self._processes.agree(time.monotonic() - began)
        config = with_epochs(left, form, config, count, seconds * updates, passed)
        if self._processes.first:
            for line in explanation(left, form, config, machine, count, seconds, updates):
                self._progress.say(line)
        return config

    def _with_micro_batch(self, config: RunConfig, loop: Loop) -> RunConfig:
        """The configuration with the micro-batch that fits into memory, where it is left open."""
        if config.training.micro_batch != "auto":
            return config
        found = fitting_micro_batch(loop)
        whole = loop.largest_share
        chosen = self._processes.smallest(found.micro_batch or whole)
        size = chosen if chosen < whole else None
        if self._processes.first:
            gib = f"{found.needed / 2**30:.1f} of {found.available / 2**30:.1f} GiB"
            text = (
                f"A batch of {whole} would take about {gib} that are free: it is encoded "
                f"{chosen} samples at a time."
                if size is not None
                else f"A batch of {whole} is encoded at once: it takes about {gib} that are free."
            )
            self._progress.say(text)
        training = config.training.model_copy(update={"micro_batch": size})
        loop.config = training
        return config.model_copy(update={"training": training})

    def _same_samples(self, config: RunConfig) -> SampleSet:
        path = self._directory.path
        try:
            samples = open_samples(config, self._directory, self._processes, self._progress)
        except DataError as error:
            source = config.data.source
            if source is None or not Path(source).is_absolute() or Path(source).exists():
                raise
            raise DataError(
                f"{error}; if the data have moved, say where they are now (--resume {path} --data "
                "NEW)"
            ) from error
        self._directory.check_same_samples(samples)
        return samples


def default_name(config: RunConfig) -> str:
    """A free name in ``runs``, after modality, preset and time."""
    moment = time.strftime("%Y%m%d-%H%M%S")
    name = f"runs/{config.data.kind}-{config.preset or 'custom'}-{moment}"
    # Two small runs may begin in the same second.
    others = (f"{name}-{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], others) if not Path(free).exists())
