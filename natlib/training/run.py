"""A run from its start, or from where it was interrupted, to its end."""

import contextlib
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from natlib.data import notes_of
from natlib.errors import CheckpointError, DataError
from natlib.evaluation import Evaluation
from natlib.model import save_model
from natlib.runtime.interruption import Interruption
from natlib.runtime.log import logger
from natlib.runtime.memory_errors import memory_errors
from natlib.runtime.progress import ProgressReporter, SilentProgress
from natlib.training.checkpoint import Position, write_checkpoint
from natlib.training.config import RunConfig
from natlib.training.evaluation import OnlineKnn, final_evaluation
from natlib.training.finished import check_same_start, finished_result
from natlib.training.fitting import OpenSettings
from natlib.training.never_due import never_due
from natlib.training.opening import Opening, OpenRun, default_name
from natlib.training.own_kinds import own_kinds
from natlib.training.processes import training_processes
from natlib.training.recorder import Recorder
from natlib.training.result import TrainResult
from natlib.training.run_directory import RunDirectory
from natlib.training.run_info import RunStatus
from natlib.training.same_run import same_run

__all__ = ["Run", "TrainResult"]


_SMALLER = (
    "encode fewer samples at once (training.micro_batch: auto), or set a smaller encoder, smaller "
    "inputs or fewer targets"
)


class Run:
    """A run that is ready to train: call :meth:`train`, once.

    Made by :meth:`start` or :meth:`resume`. Until it ends, no other process may write to its
    directory.

    Attributes:
        config: the configuration, with everything filled in that depends on data and machine.
        directory: where its files are.
        loop: what trains; its ``position`` says how far the run is.
        processes: this process among all that train.
    """

    def __init__(
        self, opened: OpenRun, resources: contextlib.ExitStack, progress: ProgressReporter
    ) -> None:
        self._opened = opened
        self.config = opened.config
        self.directory = opened.directory
        self.loop = opened.loop
        self.processes = opened.processes
        self._progress = progress
        self._resources = resources
        self._note = ""

    @classmethod
    def start(
        cls,
        config: RunConfig,
        out: Path | str | None = None,
        *,
        init_from: Path | str | None = None,
        overwrite: bool = False,
        left_open: OpenSettings | None = None,
        progress: ProgressReporter | None = None,
    ) -> "Run":
        """Begin a new run: open the data, build the modules, write the run directory.

        Args:
            config: what to do.
            out: the run directory; by default a new one in ``runs``, named after modality,
                preset and time.
            init_from: a run whose encoder and head give the initial weights.
            overwrite: replace a run that exists. It is moved aside, and deleted after the first
                checkpoint of the new one.
            left_open: what natlib may choose to fit machine and data; by default nothing.
            progress: told how far the run is.

        Raises:
            NatlibError: something is wrong with the configuration, the data or the machine.
        """
        progress = progress or SilentProgress()
        with contextlib.ExitStack() as resources:
            processes = resources.enter_context(training_processes(config.training.device))
            directory = RunDirectory(out or processes.agree(default_name(config)))
            opening = Opening(directory, processes, resources, progress)
            opened = opening.begin(config, init_from, overwrite, left_open)
            return cls(opened, resources.pop_all(), progress)

    @classmethod
    def resume(
        cls,
        path: Path | str,
        *,
        config: RunConfig | None = None,
        progress: ProgressReporter | None = None,
    ) -> "Run":
        """Take up a run where its last checkpoint left it, or at update 0 where there is none.

        Args:
            path: the run directory.
            config: the configuration that is asked for now, if it is not simply the run's own;
                only how and where to compute may differ, and where the same samples are.
            progress: told how far the run is.

        Raises:
            NatlibError: there is no such run, its data have changed, or ``config`` asks for
                another run.
        """
        progress = progress or SilentProgress()
        directory = RunDirectory(path)
        saved = directory.config_to_resume()
        asked = saved if config is None else same_run(saved, config)
        with contextlib.ExitStack() as resources:
            processes = resources.enter_context(training_processes(asked.training.device))
            opened = Opening(directory, processes, resources, progress).take_up(saved, asked)
            return cls(opened, resources.pop_all(), progress)

    @classmethod
    def start_or_resume(
        cls,
        config: RunConfig,
        out: Path | str,
        *,
        init_from: Path | str | None = None,
        left_open: OpenSettings | None = None,
        progress: ProgressReporter | None = None,
    ) -> "Run | TrainResult":
        """Begin a run, or go on with the one that this has begun before; see :func:`.train`.

        Args:
            config: what to do.
            out: the run directory.
            init_from: a run whose encoder and head give the initial weights.
            left_open: what natlib may choose when the run begins; later, it is as it was chosen.
            progress: told how far the run is.

        Returns:
            A run to train, or what came of it where everything is done.

        Raises:
            NatlibError: there is another run in the directory, or see :meth:`start` and
                :meth:`resume`.
        """
        progress = progress or SilentProgress()
        directory = RunDirectory(out)
        with contextlib.ExitStack() as resources:
            processes = resources.enter_context(training_processes(config.training.device))
            opening = Opening(directory, processes, resources, progress)
            if not opening.has_begun():
                opened = opening.begin(config, init_from, left_open=left_open)
            else:
                saved = directory.read_config()
                if left_open is not None:
                    config = left_open.as_chosen_before(config, saved)
                asked = same_run(saved, config)
                check_same_start(directory, init_from)
                done = processes.agree(finished_result(directory, saved, asked))
                if done is not None:
                    return done
                opened = opening.take_up(saved, asked)
            return cls(opened, resources.pop_all(), progress)

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
                with memory_errors("training cannot go on", _SMALLER):
                    self._setup_objective()
                    tell = self._progress.say if self.processes.first else None
                    interruption = Interruption(tell, "this update")
                    finished = self._update(recorder, interruption)
                    evaluation, why_not = self._evaluate() if finished else (None, None)
                self._conclude("finished" if finished else "interrupted", why_not)
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
            if recorder is not None:
                for never in never_due(self.config):
                    logger.warning(never.text)
                    progress.say(never.text)
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
            self._note = _note(values, self.loop.learner.objective.shown)
        self._progress.advance(position.step, self._note)
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
            self.directory.check_there()
            recorder.flush()
            write_checkpoint(
                self.directory.checkpoints,
                position,
                self.loop.learner,
                self.loop.optimizer,
                self.loop.meter,
                keep=training.keep_checkpoints,
            )
            self._opened.checkpoint = position.step
            if self._opened.claim is not None:
                self._opened.claim.checkpointed()
            self.directory.write_info(self._opened.info("running"))
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

    def _conclude(self, status: RunStatus, not_evaluated: str | None) -> None:
        if not self.processes.first:
            return
        loop = self.loop
        logger.info(
            "%s at update %d of %d, %d samples unreadable",
            status, loop.position.step, loop.updates, loop.unreadable,
        )  # fmt: skip
        self.directory.write_info(self._opened.info(status, not_evaluated=not_evaluated))

    def _fail(self, error: BaseException) -> None:
        """Note what stopped the run; a full disk must not hide it."""
        if not self.processes.first:
            return
        failed = isinstance(error, Exception)
        if failed:
            logger.error("%s", error)
        with contextlib.suppress(CheckpointError):
            self.directory.write_info(
                self._opened.info("failed", error) if failed else self._opened.info("interrupted")
            )
        if isinstance(error, KeyboardInterrupt):
            self._progress.say(self._what_is_left())

    def _what_is_left(self) -> str:
        """What a person who did not wait for the end of an update, or an evaluation, still has."""
        checkpoint = self._opened.checkpoint or 0
        resume = f"natlib train --resume {shlex.quote(str(self.directory.path))}"
        if checkpoint == self.loop.updates:
            return f"Training is finished. To evaluate it: {resume}"
        return f"The last checkpoint is that of update {checkpoint}. To go on from there: {resume}"

    def _log_start(self) -> None:
        samples = self.loop.samples
        # No command knows such kinds, so whoever reads this calls natlib from Python.
        for own in own_kinds(self.config):
            logger.warning(own)
        for note in notes_of(samples):
            logger.warning("%s", note)
        for bad in samples.unreadable:
            logger.warning("skipped '%s': %s", samples.names[bad.index], bad.reason)
        info = self._opened.info("running")
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
