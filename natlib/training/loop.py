"""The training loop.

An *update* is one step of the optimiser. It takes ``accumulate`` batches, each matched by
itself. Everything random in an update is seeded by (seed, update, batch, process), so that
a resumed run needs to know its position only.
"""

import contextlib
import gc
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from natlib.data import (
    MOST_UNREADABLE,
    Batch,
    Modality,
    SampleSet,
    TrainingLabels,
    load_batches,
)
from natlib.encoders import encoders_in, place_encoder
from natlib.errors import ConfigError, DataError, DeviceError, DivergedError, NonFiniteError
from natlib.objectives import ObjectiveOutput
from natlib.runtime.log import logger
from natlib.runtime.progress import ProgressReporter
from natlib.runtime.seeding import seed_generators
from natlib.training.checkpoint import Position
from natlib.training.config import TrainingConfig
from natlib.training.epochs import partition_for
from natlib.training.learner import Learner
from natlib.training.meter import Meter
from natlib.training.micro_batch import parts_of
from natlib.training.processes import Processes
from natlib.training.pseudo_labels import measure_pseudo_labels
from natlib.training.weight_change import weight_change

__all__ = ["Loop"]


class Loop:
    """Runs updates; reads and writes no run files.

    Args:
        config: settings of the loop.
        modality: makes views.
        samples: what to train on.
        learner: encoder and objective; moved to the device and, where there are several
            processes, wrapped.
        views: views of a sample in a step.
        processes: this process among all.
        workers: processes that decode.
        labels: labels that training sees, and those that metrics may look at.
        labelled_share: share of labelled samples in each batch; None leaves it to chance.

    Attributes:
        smallest_part: fewest samples that the encoder takes at once in training.
    """

    def __init__(
        self,
        config: TrainingConfig,
        modality: Modality,
        samples: SampleSet,
        learner: Learner,
        views: int,
        processes: Processes,
        workers: int,
        labels: TrainingLabels | None = None,
        labelled_share: float | None = None,
    ) -> None:
        self.config = config
        self.modality = modality
        self.samples = samples
        self.views = views
        self.processes = processes
        self.workers = workers
        self.position = Position(0, 0, 0)
        self.meter = Meter((*learner.objective.timed, "loader"))
        self._unreadable: set[int] = set()
        self.labels = labels
        self._partition = partition_for(samples, config, processes, labels, labelled_share)
        self.learner = learner.to(processes.device)
        for encoder in encoders_in(learner):
            place_encoder(encoder, processes.encoder_device)
        if config.precision == "bf16" and processes.apart is not None:
            raise ConfigError(
                f"training.precision is bf16, which is not for '{processes.apart}'; set it to fp32"
            )
        self.optimizer = config.optimizer.build(
            [p for p in learner.parameters() if p.requires_grad]
        )
        if config.compile:
            learner.encoder.compile()
        self.smallest_part = _smallest_part(learner.encoder, processes)
        if config.micro_batch in range(1, self.smallest_part):
            raise ConfigError(
                "training.micro_batch is 1, and the encoder has batch norm, which needs two or "
                "more samples at once; set it to 2 or more"
            )
        self._stepper: nn.Module = learner
        if processes.count > 1:
            on_cuda = processes.device.type == "cuda"
            # Buffers differ between processes on purpose: the table, until it is merged.
            self._stepper = DistributedDataParallel(
                learner,
                device_ids=[processes.device] if on_cuda else None,
                broadcast_buffers=False,
            )

    @property
    def epoch_updates(self) -> int:
        """Updates in an epoch."""
        return -(-self._partition.steps // self.config.accumulate)

    @property
    def updates(self) -> int:
        """Updates in the whole run."""
        return self.epoch_updates * self.config.epochs

    @property
    def largest_share(self) -> int:
        """Most samples that this process gets of a batch."""
        whole = min(self.config.batch_size, len(self.samples.usable))
        return -(-whole // self.processes.count)

    @property
    def unreadable(self) -> int:
        """Samples that this process is known to have left out, since they cannot be decoded."""
        return len(self.samples.unreadable) + len(self._unreadable)

    def run(self, progress: ProgressReporter) -> Iterator[Position]:
        """Train on from ``position``, yielding it after every update.

        Ends early if a signal breaks off work between two epochs.

        Args:
            progress: told about work between epochs.
        """
        self.learner.train()
        self.meter.resume()
        while self.position.epoch < self.config.epochs:
            epoch = self.position.epoch
            work = self.learner.objective.before_epoch(epoch)
            if work is not None and self.position.epoch_step == 0:
                if not work(progress):
                    return
                progress.stage("training", self.updates, self.position.step)
            first = self.position.epoch_step * self.config.accumulate
            batches = load_batches(
                self.modality,
                self.samples,
                self._partition.batches(epoch, first),
                device=self.processes.device,
                workers=self.workers,
            )
            for epoch_step in range(self.position.epoch_step, self.epoch_updates):
                self._update(batches, epoch, epoch_step)
                done = Position(epoch, epoch_step + 1, self.position.step + 1)
                if done.epoch_step == self.epoch_updates:
                    done = Position(epoch + 1, 0, done.step)
                self.position = done
                yield done

    def close(self) -> None:
        """Release what is bound to the process group; call it before the group is destroyed.

        A wrapper that outlives its group ends it from within Python's memory management,
        which can wait for ever for the group's own threads.
        """
        if self._stepper is not self.learner:
            self._stepper = self.learner
            gc.collect()

    def _update(self, batches: Iterator[Batch], epoch: int, epoch_step: int) -> None:
        config, step = self.config, self.position.step
        first = epoch_step * config.accumulate
        numbers = range(first, min(first + config.accumulate, self._partition.steps))
        health = (step + 1) % config.log_every_steps == 0 or step == 0
        rate = config.schedule.rate(config.optimizer.learning_rate, step, self.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        for number in numbers:
            last = number == numbers[-1]
            self._backward(batches, epoch, number, len(numbers), last, health and last)
        if config.clip_gradient is not None:
            nn.utils.clip_grad_norm_(self.learner.parameters(), config.clip_gradient)
        trained = [p for p in self.learner.encoder.parameters() if p.requires_grad]
        before = [p.detach().clone() for p in trained] if health else []
        self.optimizer.step()
        self.learner.objective.after_update(self.learner.encoder, step / self.updates)
        if health:
            self.meter.latest({"weight_change": weight_change(before, trained)})
        self.meter.latest({"learning_rate": torch.tensor(rate)})
        self.meter.updated()

    def _backward(
        self,
        batches: Iterator[Batch],
        epoch: int,
        number: int,
        accumulated: int,
        last: bool,
        health: bool,
    ) -> None:
        """Forward and backward of one batch; gradients add up."""
        waited = time.perf_counter()
        batch = next(batches)
        self.meter.spent("loader", time.perf_counter() - waited)
        self._note_unreadable(batch)
        if len(batch.index) < 2:
            raise DataError(
                "fewer than two samples of a batch could be decoded "
                f"({_names(self.samples, batch)}); remove the unreadable files"
            )
        seed_generators(self.processes.encoder_device, self._seed(epoch, number))
        views = self.modality.views(batch, self.views)
        visible = None
        if self.labels is not None:
            visible = self.labels.visible[batch.index.cpu()].to(batch.index.device)
        device = self.processes.device
        reduce_now = contextlib.nullcontext() if last else self._no_reduction()
        with reduce_now:
            bf16 = self.config.precision == "bf16"
            try:
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    output = self._stepper(
                        views,
                        batch.index,
                        labels=visible,
                        epoch=epoch,
                        health=health,
                        parts=self._parts(batch, number),
                    )
            except NonFiniteError as error:
                raise self._non_finite(batch, views, error.position) from error
            except RuntimeError as error:
                if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                    raise
                raise DeviceError(
                    f"the encoder cannot be compiled here: {str(error).splitlines()[0]}; "
                    "train without --compile (training.compile), or install a C++ compiler"
                ) from error
            (output.loss * self._loss_scale(batch, number, accumulated)).backward()
        self._measure(output, batch, accumulated)

    def _non_finite(self, batch: Batch, views: Sequence[Tensor], position: int) -> NonFiniteError:
        """The error that names the sample at fault.

        Batch norm in the encoder spreads one sample's NaN over the batch, so that features
        cannot tell; inputs can.
        """
        bad = ~torch.stack([torch.isfinite(view).flatten(1).all(1) for view in views]).all(0)
        inputs_are_bad = bool(bad.any())
        if inputs_are_bad:
            position = int(bad.nonzero()[0])
        index = int(batch.index[position])
        sample = f"sample '{self.samples.names[index]}' (index {index})"
        if inputs_are_bad:
            text = f"{sample} holds NaN or infinity; repair it, then resume"
            return NonFiniteError(text, position)
        return DivergedError(
            f"the features of {sample} became NaN or infinite in update "
            f"{self.position.step + 1}; lower training.optimizer.learning_rate or set "
            "training.clip_gradient in a new run (--init-from takes over what was learnt)",
            position,
        )

    def _measure(self, output: ObjectiveOutput, batch: Batch, accumulated: int) -> None:
        per_sample = output.loss.detach()
        if self.learner.objective.loss_is_sum:
            per_sample = per_sample / len(batch.index)
        self.meter.average("loss", per_sample / accumulated)
        for name, value in output.parts.items():
            self.meter.average(f"loss_{name}", value / accumulated)
        self.meter.latest(output.health)
        self.meter.trained(len(batch.index) * self.processes.count)
        measure_pseudo_labels(self.meter, output, batch.index, self.labels)

    def _loss_scale(self, batch: Batch, number: int, accumulated: int) -> float:
        """What makes the mean of all processes' gradients the gradient of the whole loss."""
        count = self.processes.count
        if self.learner.objective.loss_is_sum:
            return float(count)
        share = len(batch.index) * count / self._partition.step_size(number)
        return (share if count > 1 else 1.0) / accumulated

    def _parts(self, batch: Batch, number: int) -> int:
        """In how many parts a batch is encoded."""
        assert self.config.micro_batch != "auto"
        if self.processes.count > 1:
            # The same number in every process, since batch norm waits for the others in each part.
            most = -(-self._partition.step_size(number) // self.processes.count)
            return parts_of(most, self.config.micro_batch)
        samples = len(batch.index)
        return min(parts_of(samples, self.config.micro_batch), samples // self.smallest_part)

    def _no_reduction(self) -> contextlib.AbstractContextManager[None]:
        if isinstance(self._stepper, DistributedDataParallel):
            return cast("contextlib.AbstractContextManager[None]", self._stepper.no_sync())
        return contextlib.nullcontext()

    def _seed(self, epoch: int, number: int) -> int:
        batches_before = epoch * self._partition.steps + number
        stream = batches_before * self.processes.count + self.processes.rank
        # An odd constant spreads neighbouring runs' seeds over all 63 bits.
        return (self.config.seed * 0x9E3779B97F4A7C15 + stream) % 2**63

    def _note_unreadable(self, batch: Batch) -> None:
        for sample in batch.unreadable:
            if sample.index not in self._unreadable:
                self._unreadable.add(sample.index)
                name = self.samples.names[sample.index]
                logger.warning("skipped '%s': %s", name, sample.reason)
        most = MOST_UNREADABLE * len(self.samples)
        if len(self._unreadable) > max(most, 1):
            some = ", ".join(
                repr(self.samples.names[i]) for i in itertools.islice(self._unreadable, 3)
            )
            raise DataError(
                f"{len(self._unreadable)} of {len(self.samples)} samples cannot be decoded "
                f"(such as {some}), more than 5 %; remove or repair them (train.log lists all)"
            )


def _smallest_part(encoder: nn.Module, processes: Processes) -> int:
    """Fewest samples that may be encoded together; batch norm of vectors needs two."""
    if processes.count > 1:
        return 1
    return 1 + any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in encoder.modules())


def _names(samples: SampleSet, batch: Batch) -> str:
    return ", ".join(repr(samples.names[bad.index]) for bad in batch.unreadable[:3])
