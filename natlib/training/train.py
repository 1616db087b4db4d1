"""Train a run from its configuration: data, modules, loop, files and evaluation in order."""

import itertools
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from natlib.errors import DataError
from natlib.evaluation import (
    Evaluation,
    Splits,
    evaluate,
    has_labels,
    online_knn,
    split_training_samples,
)
from natlib.model import save_model
from natlib.runtime.interruption import Interruption
from natlib.runtime.progress import ProgressReporter, SilentProgress, stages
from natlib.training.checkpoint import (
    Position,
    latest_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from natlib.training.config import RunConfig
from natlib.training.loop import Loop
from natlib.training.preparation import open_samples, prepare, resolve, with_labels
from natlib.training.processes import Processes, training_processes
from natlib.training.recorder import Recorder
from natlib.training.run_directory import RunDirectory
from natlib.training.same_run import same_run

__all__ = ["TrainResult", "resume", "train"]

logger = logging.getLogger("natlib")


@dataclass(frozen=True)
class TrainResult:
    """What came of a run.

    Attributes:
        run: its directory.
        step: updates done.
        finished: False if it was interrupted; resuming goes on.
        signal: number of the signal that interrupted it.
        seconds: time since this start.
        evaluation: the encoder beside its baselines, where there are labels.
        unjudged: why there is none although there are labels.
        unreadable: samples that were left out, since they cannot be decoded; ``train.log``
            lists them.
    """

    run: Path
    step: int
    finished: bool
    signal: int | None
    seconds: float
    evaluation: Evaluation | None
    unjudged: str | None = None
    unreadable: int = 0


def train(
    config: RunConfig,
    out: Path | str | None = None,
    *,
    init_from: Path | str | None = None,
    overwrite: bool = False,
    progress: ProgressReporter | None = None,
) -> TrainResult:
    """Train a new run.

    Args:
        config: what to do.
        out: the run directory; by default a new one in ``runs``, named after modality,
            preset and time.
        init_from: a run whose encoder and head give the initial weights.
        overwrite: replace a run that exists.
        progress: told how far training is.

    Raises:
        NatlibError: something is wrong with the configuration, the data or the machine.
    """
    with training_processes(config.training.device) as processes:
        directory = RunDirectory(out or processes.agree(_default_name(config)))
        if processes.first:
            directory.check_free(overwrite)
        resolved = resolve(config, processes)
        try:
            samples = open_samples(resolved, directory, processes, progress or SilentProgress())
            resolved, labels = with_labels(resolved, samples)
            loop = prepare(resolved, samples, labels, processes, init_from)
        except BaseException:
            if processes.first:
                directory.give_up()
            raise
        if processes.first:
            directory.start(resolved, samples)
        processes.wait()
        _attach(loop, directory, processes)
        return _run(resolved, directory, loop, processes, progress or SilentProgress())


def resume(
    run: Path | str,
    *,
    config: RunConfig | None = None,
    progress: ProgressReporter | None = None,
) -> TrainResult:
    """Go on with a run that was interrupted, as if it had not been.

    Args:
        run: the run directory.
        config: the configuration that is asked for now, if it is not simply the run's own;
            only how and where to compute may differ.
        progress: told how far training is.

    Raises:
        NatlibError: there is no such run, its data have changed, or ``config`` asks for
            another run.
    """
    directory = RunDirectory(run)
    saved = directory.read_config()
    if config is not None:
        saved = same_run(saved, config)
    checkpoint = latest_checkpoint(directory.checkpoints)
    with training_processes(saved.training.device) as processes:
        samples = open_samples(saved, directory, processes, progress or SilentProgress())
        directory.check_same_samples(samples)
        saved, labels = with_labels(saved, samples)
        loop = prepare(saved, samples, labels, processes)
        loop.position = read_checkpoint(checkpoint, loop.learner, loop.optimizer)
        if processes.first:
            directory.write_environment()
        _attach(loop, directory, processes)
        return _run(saved, directory, loop, processes, progress or SilentProgress())


def _default_name(config: RunConfig) -> str:
    moment = time.strftime("%Y%m%d-%H%M%S")
    name = f"runs/{config.data.kind}-{config.preset or 'custom'}-{moment}"
    # Two small runs may begin in the same second.
    others = (f"{name}-{number}" for number in itertools.count(2))
    return next(free for free in itertools.chain([name], others) if not Path(free).exists())


def _attach(loop: Loop, directory: RunDirectory, processes: Processes) -> None:
    """Give the objective its folder, to the first process first."""
    if not processes.first:
        processes.wait()
    loop.learner.objective.attach(directory.objective)
    if processes.first:
        processes.wait()


def _run(
    config: RunConfig,
    directory: RunDirectory,
    loop: Loop,
    processes: Processes,
    progress: ProgressReporter,
) -> TrainResult:
    began = time.monotonic()
    recorder = Recorder(directory.path, loop.position.step) if processes.first else None
    interruption = Interruption()
    interrupted = False
    try:
        _log_start(config, loop, processes)
        splits = _online_splits(config, loop) if processes.first else None
        if processes.first and loop.position.step == loop.updates:
            # Of a finished run: its last save may have been cut off, or damaged since.
            _save_model(config, directory, loop)
        with interruption, progress:
            progress.stage("training", loop.updates, loop.position.step)
            for position in loop.run(progress):
                interrupted = processes.any(interruption.signal is not None)
                _measure(config, loop, recorder, progress, position, splits)
                _save(config, directory, loop, processes, position, interrupted)
                if interrupted:
                    break
            interrupted = interrupted or loop.position.step < loop.updates
        evaluation, unjudged = None, None
        if processes.first and not interrupted:
            try:
                evaluation = _evaluate(config, directory, loop, progress)
            except DataError as error:
                # Labels that nothing can be judged by do not undo the training.
                unjudged = str(error)
                logger.warning("not judged: %s", error)
        logger.info(
            "stopped at update %d of %d, %d samples unreadable",
            loop.position.step,
            loop.updates,
            loop.unreadable,
        )
    except Exception as error:
        if processes.first:
            logger.error("%s", error)
        raise
    finally:
        if recorder is not None:
            recorder.close()
        loop.close()
    return TrainResult(
        directory.path,
        loop.position.step,
        not interrupted,
        interruption.signal,
        time.monotonic() - began,
        evaluation,
        unjudged,
        loop.unreadable,
    )


def _measure(
    config: RunConfig,
    loop: Loop,
    recorder: Recorder | None,
    progress: ProgressReporter,
    position: Position,
    splits: Splits | None,
) -> None:
    """Record and report what is due after an update."""
    training = config.training
    if recorder is None:
        return
    if position.step % training.log_every_steps == 0 or position.step == 1:
        values = loop.meter.values(loop.updates - position.step)
        recorder.record(position.step, position.epoch, values)
        note = f"loss {values['loss']:.3f}"
        if "matched_cosine" in values:
            note += f"  matched {values['matched_cosine']:.3f}"
            note += f" (random {values['random_cosine']:.3f})"
        if "pseudo_label_accuracy" in values:
            note += f"  pseudo-labels {values['pseudo_label_accuracy']:.1f} %"
        progress.advance(position.step, note)
    every = training.knn_every_epochs
    if splits is not None and every and position.epoch_step == 0 and position.epoch % every == 0:
        accuracy = online_knn(
            loop.learner.encoder,
            config.data,
            splits,
            config.evaluation,
            device=loop.processes.device,
            workers=loop.workers,
        )
        recorder.record(position.step, position.epoch, {"knn": accuracy})
        progress.say(f"epoch {position.epoch}: kNN accuracy {accuracy:.1f} %")


def _save(
    config: RunConfig,
    directory: RunDirectory,
    loop: Loop,
    processes: Processes,
    position: Position,
    interrupted: bool,
) -> None:
    """Write the checkpoint and the model that are due after an update."""
    epoch_ended = position.epoch_step == 0
    every_steps = config.training.checkpoint_every_steps
    due = every_steps is not None and position.step % every_steps == 0
    if not (epoch_ended or due or interrupted):
        return
    loop.learner.objective.merge()
    if processes.first:
        write_checkpoint(
            directory.checkpoints,
            position,
            loop.learner,
            loop.optimizer,
            keep=config.training.keep_checkpoints,
        )
        if epoch_ended:
            _save_model(config, directory, loop)
    processes.wait()


def _save_model(config: RunConfig, directory: RunDirectory, loop: Loop) -> None:
    save_model(
        directory.model,
        encoder=loop.learner.encoder,
        objective=loop.learner.objective,
        config=config,
    )


def _online_splits(config: RunConfig, loop: Loop) -> Splits | None:
    """What kNN is watched on: training samples, since the test split is read at the end only."""
    if config.training.knn_every_epochs is None or not has_labels(loop.samples):
        return None
    try:
        return split_training_samples(loop.samples, config.evaluation.seed, _seen(loop))
    except DataError as error:
        logger.warning("kNN is not measured: %s", error)
        return None


def _evaluate(
    config: RunConfig, directory: RunDirectory, loop: Loop, progress: ProgressReporter
) -> Evaluation | None:
    if not has_labels(loop.samples):
        return None
    assert config.encoder is not None
    with progress:
        evaluation = evaluate(
            loop.learner.encoder,
            loop.learner.objective,
            config.data,
            config.evaluation,
            config.encoder,
            device=loop.processes.device,
            workers=loop.workers,
            progress=stages(progress),
            train=loop.samples,
            cache=directory.index,
            seen=_seen(loop),
        )
    directory.evaluation.write_text(evaluation.to_json(), encoding="utf-8")
    return evaluation


def _seen(loop: Loop) -> Tensor | None:
    """The samples whose labels training sees."""
    return None if loop.labels is None else loop.labels.index


def _log_start(config: RunConfig, loop: Loop, processes: Processes) -> None:
    if not processes.first:
        return
    for bad in loop.samples.unreadable:
        logger.warning("skipped '%s': %s", loop.samples.names[bad.index], bad.reason)
    weights = sum(p.numel() for p in loop.learner.parameters() if p.requires_grad)
    logger.info(
        "training on %d samples (%d unreadable), %d updates, %d weights, %s x %d, from update %d",
        len(loop.samples.usable),
        len(loop.samples.unreadable),
        loop.updates,
        weights,
        processes.device,
        processes.count,
        loop.position.step,
    )
