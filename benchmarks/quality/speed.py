"""How long an update of each method takes; they take turns, and so share the machine's moods."""

import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

import torch

from natlib.data import training_samples
from natlib.training import RunConfig, SilentProgress
from natlib.training.preparation import prepare, resolve
from natlib.training.processes import training_processes

__all__ = ["seconds_per_update", "speed_table"]

# Buffers are allocated and images decoded in the first updates.
_WARMUP = 3


def seconds_per_update(configs: Mapping[str, RunConfig], rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of each of ``rounds`` updates of every run, which take turns after each update.

    Args:
        configs: what each method trains with.
        rounds: how many updates are measured.

    Raises:
        SystemExit: a run is shorter than that.

    Returns:
        For each method ``settings``, the objective's, and ``seconds``, one for each round.
    """
    loops = {}
    device = next(iter(configs.values())).training.device
    with training_processes(device) as processes:
        for name, config in configs.items():
            resolved = resolve(config, processes)
            samples = training_samples(resolved.data)
            samples.preload(0)
            loops[name] = prepare(resolved, samples, None, processes)
            if loops[name].updates < rounds + _WARMUP:
                raise SystemExit(
                    f"a run has {loops[name].updates} updates, and {rounds} rounds after "
                    f"{_WARMUP} are to be timed; give fewer --rounds, or a larger --size"
                )
        taken: dict[str, list[float]] = {name: [] for name in configs}
        updates = {name: loop.run(SilentProgress()) for name, loop in loops.items()}
        for number in range(rounds + _WARMUP):
            for name, update in updates.items():
                began = time.perf_counter()
                next(update)
                if processes.device.type == "cuda":
                    torch.cuda.synchronize()
                if number >= _WARMUP:
                    taken[name].append(time.perf_counter() - began)
        for name, loop in loops.items():
            with closing(updates[name]):
                loop.close()
    return {
        name: {
            "settings": config.objective.model_dump(mode="json"),
            "seconds": [round(value, 5) for value in taken[name]],
        }
        for name, config in configs.items()
    }


def speed_table(found: Mapping[str, Mapping[str, Any]], to: str) -> str:
    """Median milliseconds, and how many times those of ``to`` in the same round, with quartiles."""
    lines = [
        f"| method | an update, ms | times {to} | half of the rounds |",
        "|---|---|---|---|",
    ]
    for name, run in found.items():
        low, middle, high = statistics.quantiles(_ratios(run["seconds"], found[to]["seconds"]))
        milliseconds = 1000 * statistics.median(run["seconds"])
        lines.append(f"| {name} | {milliseconds:.0f} | {middle:.2f} | {low:.2f} to {high:.2f} |")
    return "\n".join(lines)


def _ratios(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(mine, theirs, strict=True)]
