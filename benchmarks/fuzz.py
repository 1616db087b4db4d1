"""Random configurations and damaged runs, many of them: what is accepted must train.

    python benchmarks/fuzz.py --configs 20000 --runs 2000

Each case is a function of the seed and its number, printed with every fault. A configuration is
given as Python objects or, every other one, as a file; one that is accepted is written, read again
and compared; every ``--train-every``-th of these trains for two updates, in a process whose memory
and time are bounded. Of a run, one file is damaged; then a command is called. Faults are errors
that are not natlib's own, messages of several lines or that name no key, values that cannot be read
again, crashes and hangs. The exit code is 1 if there was one.
"""

import argparse
import collections
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

from natlib.configuration import dump_yaml
from tests.fuzz.configurations import draw, fault, outcome_of
from tests.fuzz.damage import Damaged, runs_to_damage
from tests.fuzz.training import train

Said = tuple[str, str]
"""How a case ended, and what is wrong with it, if anything is."""


def configurations(count: int, seed: int, every: int) -> Iterator[Said]:
    accepted = 0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "config.yaml"
        for number in range(count):
            case = draw(seed, number)
            try:
                if number % 2:
                    text = dump_yaml(case.options())
                    file.write_text(text, encoding="utf-8", errors="surrogatepass")
                outcome = outcome_of(case, file if number % 2 else None)
                wrong = fault(case, outcome)
            except Exception as error:
                yield "fault", f"configuration {number}, {case}: {type(error).__name__}: {error}"
                continue
            kind = "refused" if outcome.config is None else "accepted"
            if wrong is None and outcome.config is not None:
                accepted += 1
                if accepted % every == 0:
                    ending = train(case)
                    kind = f"accepted, {ending.kind}"
                    wrong = ending.words if ending.kind == "fault" else None
            yield kind, "" if wrong is None else f"configuration {number}, {case}: {wrong}"


def damaged_runs(count: int, seed: int) -> Iterator[Said]:
    with tempfile.TemporaryDirectory() as folder:
        runs = runs_to_damage(Path(folder))
        for number in range(count):
            damaged = Damaged.draw(seed, number, runs)
            kind, wrong = damaged.outcome(Path(folder) / "copy")
            yield kind, "" if wrong is None else f"run {number}, {damaged}: {wrong}"


def show(title: str, cases: Iterator[Said], count: int) -> int:
    """Go through cases, report how they end, and return the number of faults."""
    counts: collections.Counter[str] = collections.Counter()
    faults, began, said = 0, time.monotonic(), 0.0
    for done, (kind, wrong) in enumerate(cases, start=1):
        counts[kind] += 1
        if wrong:
            faults += 1
            print(f"FAULT {wrong}", flush=True)
        spent = time.monotonic() - began
        if spent - said > 10 or done == count:
            said = spent
            left = spent / done * (count - done)
            print(f"{title}: {done} of {count}, {left:.0f} s left", file=sys.stderr, flush=True)
    ends = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    print(f"{title}: {count} cases, {ends}; {faults} faults", flush=True)
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configs", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-every", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    faults = 0
    if arguments.configs:
        cases = configurations(arguments.configs, arguments.seed, arguments.train_every)
        faults += show("configurations", cases, arguments.configs)
    if arguments.runs:
        faults += show("damaged runs", damaged_runs(arguments.runs, arguments.seed), arguments.runs)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
