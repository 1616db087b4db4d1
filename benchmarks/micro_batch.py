"""Memory and time of updates whose batch is encoded in parts.

    python benchmarks/micro_batch.py

Each size of part is a process of its own that does the same updates of NAT on images of random
numbers. Peak memory is what the system says of the whole process, less what it had before the first
update; times are medians, as ratios against whole batches, and ``expected`` is what
``training.micro_batch: auto`` takes a whole batch for.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch

import natlib
from natlib.encoders import EncoderRecipe
from natlib.training.fitting.activations import activation_bytes
from natlib.training.fitting.batch import ON_TOP
from natlib.training.learner import Learner

MIB = 2**20


def peak() -> float:
    """MiB that this process had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def one_case(arguments: argparse.Namespace, part: int) -> None:
    """Some updates; called in a process of its own."""
    torch.manual_seed(0)
    shape = (3, arguments.size, arguments.size)
    encoder = EncoderRecipe.resolve({"kind": arguments.encoder}).build(shape)
    learner = Learner(encoder, natlib.NAT().build(encoder.dim))
    optimizer = torch.optim.AdamW(learner.parameters())
    index = torch.arange(arguments.batch_size)
    parts = -(-arguments.batch_size // part)
    seconds, before = [], peak()
    for _ in range(arguments.updates):
        views = list(torch.randn(2, arguments.batch_size, *shape))
        began = time.perf_counter()
        optimizer.zero_grad()
        learner(views, index, epoch=0, health=False, parts=parts).loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - began)
    row = {"part": part, "mib": peak() - before, "seconds": statistics.median(seconds)}
    each = activation_bytes(encoder, torch.randn(2, *shape)) / 2
    row["expected"] = 2 * arguments.batch_size * each * ON_TOP / MIB
    print(json.dumps(row))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoder", default="resnet")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--parts", type=int, nargs="+", default=[256, 64, 16])
    parser.add_argument("--updates", type=int, default=5)
    parser.add_argument("--case", type=int, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case is not None:
        one_case(arguments, arguments.case)
        return
    print("| samples at once | memory, MiB | expected, MiB | time, as times the whole batch's |")
    print("|---|---|---|---|")
    whole = None
    for part in arguments.parts:
        command = [sys.executable, __file__, *sys.argv[1:], "--case", str(part)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        whole = whole or row["seconds"]
        share = min(1, part / arguments.batch_size / 2) if part < arguments.batch_size else 1
        print(
            f"| {part} | {row['mib']:,.0f} | {row['expected'] * share:,.0f} "
            f"| {row['seconds'] / whole:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
