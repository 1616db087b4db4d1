"""A run from its start, or from where it was interrupted, to its end."""

import contextlib
import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from natlib.data import notes_of
from natlib.errors import CheckpointError, DataError, RunNotFoundError
from natlib.evaluation import Evaluation
from natlib.model import save_model
from natlib.runtime.interruption import Interruption
from natlib.runtime.log import logger
from natlib.runtime.packages import version
from natlib.runtime.progress import ProgressReporter, SilentProgress
from natlib.training.checkpoint import (
    Position,
    latest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from natlib.training.config import RunConfig
from natlib.training.evaluation import OnlineKnn, final_evaluation
from natlib.training.loop import Loop
from natlib.training.preparation import open_samples, prepare, resolve, with_labels
from natlib.training.processes import Processes, training_processes
from natlib.training.recorder import Recorder
from natlib.training.run_directory import RunDirectory
from natlib.training.run_info import RunFailure, RunInfo, RunStatus
from natlib.training.same_run import same_run

__all__ = ["Run", "TrainResult"]


@dataclass(frozen=True)
class TrainResult:
    """What came of a run.

    Attributes:
        run: its directory.
        step: updates done.
        finished: False if it was interrupted; resuming goes on.
        signal: number of the signal that interrupted it.
        seconds: time that this call trained and evaluated.
        evaluation: the encoder beside its baselines; None if it was not evaluated.
        not_evaluated: why it was not, of a finished run.
        unreadable: samples that were left out, since they cannot be decoded; ``train.log``
            lists them.
        notes: what the source leaves out or guesses, a line each.
    """

    run: Path
    step: int
    finished: bool
    signal: int | None
    seconds: float
    evaluation: Evaluation | None
    not_evaluated: str | None = None
    unreadable: int = 0
    notes: tuple[str, ...] = ()


class Run:
    """A run that is ready to train: call :meth:`train`, once.

    Made by :meth:`start` or :meth:`resume`.

    Attributes:
        config: the configuration, with everything filled in that depends on data and machine.
        directory: where its files are.
        loop: what trains; its ``position`` says how far the run is.
        processes: this process among all that train.
    """

    def __init__(
        self,
        config: RunConfig,
        directory: RunDirectory,
        loop: Loop,
        processes: Processes,
        progress: ProgressReporter,
    ) -> None:
        self.config = config
        self.directory = directory
        self.loop = loop
        self.processes = processes
        self._progress = progress
        self._resources = contextlib.ExitStack()

    @classmethod
    def start(
        cls,
        config: RunConfig,
        out: Path | str | None = None,
        *,
        init_from: Path | str | None = None,
        overwrite: bool = False,
        progress: ProgressReporter | None = None,
    ) -> "Run":
        """Begin a new run: open the data, build the modules, write the run directory.

        Args:
            config: what to do.
            out: the run directory; by default a new one in ``runs``, named after modality,
                preset and time.
            init_from: a run whose encoder and head give the initial weights.
            overwrite: replace a run that exists.
            progress: told how far the run is.

        Raises:
            NatlibError: something is wrong with the configuration, the data or the machine.
        """
        progress = progress or SilentProgress()
        with contextlib.ExitStack() as resources:
            processes = resources.enter_context(training_processes(config.training.device))
            directory = RunDirectory(out or processes.agree(_default_name(config)))
            if processes.first:
                directory.check_free(overwrite)
            resolved = resolve(config, processes)
            try:
                samples = open_samples(resolved, directory, processes, progress)
                resolved, labels = with_labels(resolved, samples)
                loop = prepare(resolved, samples, labels, processes, init_from)
            except BaseException:
                if processes.first:
                    directory.give_up()
                raise
            resources.callback(loop.close)
            run = cls(resolved, directory, loop, processes, progress)
            if processes.first:
                directory.start(resolved, samples, run._info("running"))
            processes.wait()
            run._resources = resources.pop_all()
        return run

    @classmethod
    def resume(
        cls,
        path: Path | str,
        *,
        config: RunConfig | None = None,
        progress: ProgressReporter | None = None,
    ) -> "Run":
        """Take up a run where its last checkpoint left it.

        Args:
            path: the run directory.
            config: the configuration that is asked for now, if it is not simply the run's own;
                only how and where to compute may differ.
            progress: told how far the run is.

        Raises:
            NatlibError: there is no such run, its data have changed, or ``config`` asks for
                another run.
        """
        progress = progress or SilentProgress()
        directory = RunDirectory(path)
        saved = directory.read_config()
        if config is not None:
            saved = same_run(saved, config)
        checkpoint = latest_checkpoint(directory.checkpoints)
        if checkpoint is None:
            raise RunNotFoundError(
                f"no checkpoint in {directory.checkpoints}; the run was stopped before its first "
                f"one, start it anew (--out {path} --overwrite)"
            )
        with contextlib.ExitStack() as resources:
            processes = resources.enter_context(training_processes(saved.training.device))
            samples = open_samples(saved, directory, processes, progress)
            directory.check_same_samples(samples)
            saved, labels = with_labels(saved, samples)
            loop = prepare(saved, samples, labels, processes)
            resources.callback(loop.close)
            loop.position = read_checkpoint(checkpoint, loop.learner, loop.optimizer, loop.meter)
            run = cls(saved, directory, loop, processes, progress)
            if processes.first:
                directory.write_environment()
                directory.write_info(run._info("running"))
            run._resources = resources.pop_all()
        return run

    def train(self) -> TrainResult:
        """Train to the end, or until a signal asks to stop; then evaluate.

        Leaves the group of processes, whatever happens.

        Raises:
            NatlibError: training cannot go on; the last checkpoint stays.
        """
        began = time.monotonic()
        with self._resources:
            recorder = None
            if self.processes.first:
                recorder = Recorder(self.directory.path, self.loop.position.step)
                self._resources.callback(recorder.close)
            try:
                self._setup_objective()
                interruption = Interruption()
                finished = self._update(recorder, interruption)
                evaluation, why_not = self._evaluate() if finished else (None, None)
                self._conclude("finished" if finished else "interrupted")
            except BaseException as error:
                self._fail(error)
                raise
        return TrainResult(
            self.directory.path,
            self.loop.position.step,
            finished,
            interruption.signal,
            time.monotonic() - began,
            evaluation,
            why_not,
            self.loop.unreadable,
            tuple(notes_of(self.loop.samples)),
        )

    def _setup_objective(self) -> None:
        """Give the objective its folder, to the first process first."""
        if not self.processes.first:
            self.processes.wait()
        self.loop.learner.objective.setup(self.directory.objective)
        if self.processes.first:
            self.processes.wait()

    def _update(self, recorder: Recorder | None, interruption: Interruption) -> bool:
        """Run the updates that are left; returns whether all are done."""
        loop, progress = self.loop, self._progress
        knn = None
        if recorder is not None:
            self._log_start()
            knn = OnlineKnn(self.config, loop)
            if loop.position.step == loop.updates:
                # Of a finished run: its last save may have been cut off, or damaged since.
                self._save_model()
        with interruption, progress:
            progress.stage("training", loop.updates, loop.position.step)
            for position in loop.run(progress):
                interrupted = self.processes.any(interruption.signal is not None)
                if recorder is not None and knn is not None:
                    self._record(recorder, knn, position)
                self._save(position, interrupted, recorder)
                if interrupted:
                    return False
        return loop.position.step == loop.updates

    def _record(self, recorder: Recorder, knn: OnlineKnn, position: Position) -> None:
        """Record and report what is due after an update."""
        if position.step % self.config.training.log_every_steps == 0 or position.step == 1:
            values = self.loop.meter.read(self.loop.updates - position.step)
            recorder.record(position.step, position.epoch, values)
            self._progress.advance(position.step, _note(values, self.loop.learner.objective.shown))
        accuracy = knn.measure(position)
        if accuracy is not None:
            recorder.record(position.step, position.epoch, {"knn": accuracy})
            self._progress.say(f"epoch {position.epoch}: kNN accuracy {accuracy:.1f} %")

    def _save(self, position: Position, interrupted: bool, recorder: Recorder | None) -> None:
        """Write the checkpoint and the model that are due after an update."""
        training = self.config.training
        epoch_ended = position.epoch_step == 0
        every = training.checkpoint_every_steps
        due = every is not None and position.step % every == 0
        if not (epoch_ended or due or interrupted):
            return
        self.loop.learner.objective.merge()
        if recorder is not None:
            recorder.flush()
            write_checkpoint(
                self.directory.checkpoints,
                position,
                self.loop.learner,
                self.loop.optimizer,
                self.loop.meter,
                keep=training.keep_checkpoints,
            )
            self.directory.write_info(self._info("running"))
            if epoch_ended:
                self._save_model()
        self.processes.wait()

    def _save_model(self) -> None:
        assert self.config.encoder is not None
        save_model(
            self.directory.model,
            self.loop.learner.encoder,
            self.loop.learner.objective,
            recipe=self.config.encoder,
            objective=self.config.objective,
            modality=self.config.data,
        )

    def _evaluate(self) -> tuple[Evaluation | None, str | None]:
        """The evaluation at the end, or why there is none."""
        if not self.processes.first:
            return None, None
        if not self.config.evaluation.final:
            return None, "evaluation.final is false"
        try:
            return final_evaluation(self.config, self.directory, self.loop, self._progress), None
        except DataError as error:
            # Labels that nothing can be measured by do not undo the training.
            logger.info("not evaluated: %s", error)
            return None, str(error)

    def _conclude(self, status: RunStatus) -> None:
        if not self.processes.first:
            return
        loop = self.loop
        logger.info(
            "%s at update %d of %d, %d samples unreadable",
            status, loop.position.step, loop.updates, loop.unreadable,
        )  # fmt: skip
        self.directory.write_info(self._info(status))

    def _fail(self, error: BaseException) -> None:
        """Note what stopped the run; a full disk must not hide it."""
        if not self.processes.first:
            return
        failed = isinstance(error, Exception)
        if failed:
            logger.error("%s", error)
        with contextlib.suppress(CheckpointError):
            self.directory.write_info(
                self._info("failed", error) if failed else self._info("interrupted")
            )

    def _info(self, status: RunStatus, error: BaseException | None = None) -> RunInfo:
        loop = self.loop
        return RunInfo(
            status=status,
            step=loop.position.step,
            updates=loop.updates,
            samples=len(loop.samples.usable),
            unreadable=loop.unreadable,
            weights=sum(p.numel() for p in loop.learner.parameters() if p.requires_grad),
            processes=self.processes.count,
            device=str(self.processes.device),
            versions={name: version(name) for name in ("natlib", "torch")},
            failure=None
            if error is None
            else RunFailure(kind=type(error).__name__, message=str(error)),
        )

    def _log_start(self) -> None:
        samples = self.loop.samples
        for note in notes_of(samples):
            logger.warning("%s", note)
        for bad in samples.unreadable:
            logger.warning("skipped '%s': %s", samples.names[bad.index], bad.reason)
        info = self._info("running")
        logger.info(
            "training on %d samples (%d unreadable), %d updates, %d weights, %s x %d, from update "
            "%d",
            info.samples, info.unreadable, info.updates, info.weights, info.device,
            info.processes, info.step,
        )  # fmt: skip


def _note(values: Mapping[str, float], shown: Sequence[str]) -> str:
    """What a person who watches reads: the loss, and what the objective wants to be shown."""
    notes = []
    for template in ("loss {loss:.3f}", *shown):
        # A line that lacks one of its metrics goes without it.
        with contextlib.suppress(KeyError):
            notes.append(template.format_map(values))
    return "  ".join(notes)


def _default_name(config: RunConfig) -> str:
    moment = time.strftime("%Y%m%d-%H%M%S")
    name = f"runs/{config.data.kind}-{config.preset or 'custom'}-{moment}"
    # Two small runs may begin in the same second.
    others = (f"{name}-{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], others) if not Path(free).exists())
