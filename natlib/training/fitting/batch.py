"""Into how small parts a batch has to be cut for its activations to fit into memory."""

from typing import NamedTuple

import torch
from torch import Tensor

from natlib.data import load_batches
from natlib.runtime.log import logger
from natlib.runtime.memory import available_memory
from natlib.runtime.seeding import seed_generators
from natlib.runtime.unchanged import unchanged_buffers
from natlib.training.fitting.activations import activation_bytes, state_bytes
from natlib.training.loop import Loop
from natlib.training.micro_batch import encode_in_parts, parts_of

__all__ = ["ON_TOP", "Fitting", "fitting_micro_batch"]

# Of what is kept for a backward pass: gradients of activations, work space and copies in other
# layouts come on top. Measured with benchmarks/micro_batch.py.
ON_TOP = 1.5
# Part of the available memory that a batch may take; other programs use the machine too.
_SHARE = 0.8
# Samples whose memory is measured, two at a time, since texts differ in length.
_MEASURED = 16


class Fitting(NamedTuple):
    """How a batch fits into memory.

    Attributes:
        micro_batch: samples that are encoded together; None for the whole batch.
        needed: bytes that the whole batch takes in this process.
        available: bytes that there are for it.
    """

    micro_batch: int | None
    needed: int
    available: int


def fitting_micro_batch(loop: Loop) -> Fitting:
    """Find the largest micro-batch that fits; leaves no trace in the loop.

    On a CPU, where a program that needs too much memory is killed without a word, this is computed
    from the activations of a few samples. A process alone on CUDA tries batches instead, from the
    whole one downwards.

    Args:
        loop: ready to train, before its first update.
    """
    with torch.random.fork_rng():
        return _fitting(loop)


def _fitting(loop: Loop) -> Fitting:
    device, batch = loop.processes.device, loop.largest_share
    inputs = _inputs(loop)
    of_each = [_bytes_of_a_sample(loop, each) for each in inputs]
    # Neither is there yet.
    free = available_memory(device) - state_bytes([loop.learner])
    available = max(0, int(free * _SHARE))
    needed = int(batch * sum(of_each) * ON_TOP)
    # Where batch norm waits for other processes, one that runs out of memory would stop them all.
    if device.type == "cuda" and loop.processes.count == 1:
        return Fitting(_tried(loop, inputs, batch), needed, available)
    if needed <= available:
        return Fitting(None, needed, available)
    most = max(loop.smallest_part, int(available / (max(of_each) * ON_TOP)))
    # A power of two, so that a little more or less memory does not change it.
    return Fitting(min(2 ** (most.bit_length() - 1), batch), needed, available)


def _inputs(loop: Loop) -> list[Tensor]:
    """What the encoder gets for a few samples: views, and what the objective adds."""
    device, usable = loop.processes.device, loop.samples.usable
    chosen = usable[torch.linspace(0, len(usable) - 1, min(_MEASURED, len(usable))).long()]
    batches = iter([chosen.tolist()])
    batch = next(load_batches(loop.modality, loop.samples, batches, device=device))
    seed_generators(device, loop.config.seed)
    views = loop.modality.views(batch, loop.views)
    with unchanged_buffers(loop.learner):
        return [*views, *loop.learner.objective.extra_inputs(views)]


def _bytes_of_a_sample(loop: Loop, inputs: Tensor) -> float:
    """The largest of any pair."""
    with _arithmetic(loop):
        return max(
            activation_bytes(loop.learner.encoder, pair) / len(pair) for pair in inputs.split(2)
        )


def _tried(loop: Loop, inputs: list[Tensor], batch: int) -> int | None:
    """The largest of the batch, half of it and so on, with which a step does not fail."""
    size = batch
    while size > loop.smallest_part and not _fits(loop, inputs, batch, parts_of(batch, size)):
        logger.info("a batch of %d does not fit on %s", size, loop.processes.device)
        size = max(loop.smallest_part, -(-size // 2))
    return None if size == batch else size


def _fits(loop: Loop, inputs: list[Tensor], batch: int, parts: int) -> bool:
    encoder = loop.learner.encoder
    try:
        # Stands for the optimiser's averages.
        averages = torch.empty(
            state_bytes([loop.learner]), dtype=torch.uint8, device=loop.processes.device
        )
        with unchanged_buffers(encoder), _arithmetic(loop):
            repeated = [each[torch.arange(batch) % len(each)] for each in inputs]
            features = [encode_in_parts(encoder, each, parts) for each in repeated]
            torch.stack([each.float().square().sum() for each in features]).sum().backward()
        del averages
        return True
    except torch.OutOfMemoryError:
        return False
    finally:
        loop.optimizer.zero_grad(set_to_none=True)
        torch.cuda.empty_cache()


def _arithmetic(loop: Loop) -> torch.autocast:
    bf16 = loop.config.precision == "bf16"
    return torch.autocast(loop.processes.device.type, torch.bfloat16, enabled=bf16)
