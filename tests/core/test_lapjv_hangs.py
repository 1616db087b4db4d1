"""The ``lapjv`` package hangs or crashes on some inputs; natlib's solver must not.

Raw ``lapjv`` in float64 takes practically for ever on costs of rank 1 and on those of
sorted points, and corrupts memory on float32 costs near 1e38. Since a hang in C cannot
be interrupted, the solver runs in a process of its own, which the system ends when it has
computed for long enough, however many others compute beside it.
"""

import json
from pathlib import Path

from tests.processes import run_python

ROOT = Path(__file__).parents[2]

PROGRAM = """
import itertools, json, resource, sys
import numpy as np, torch
from natlib.solvers import Lapjv
from tests.core.cost_matrices import FAMILIES, lowest_cost, make

resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
torch.set_num_threads(1)
tried, wrong = 0, []
sizes = [(2, 30), (3, 30), (5, 30), (17, 12), (64, 4), (128, 2), (300, 1)]
for (b, seeds), family in itertools.product(sizes, FAMILIES):
    for seed in range(seeds):
        values = make(family, b, b, seed)
        values /= max(np.abs(values).max(), 1)
        lowest = lowest_cost(values)
        for scale, dtype in itertools.product((1e-44, 1e-30, 1.0, 1e38), ("float32", "float64")):
            cost = torch.from_numpy((values * scale).astype(dtype))
            matching = Lapjv().solve(cost)
            tried += 1
            if sorted(matching.columns.tolist()) != list(range(b)):
                wrong.append(["not one-to-one", family, b, seed, scale, dtype])
            elif scale != 1e-44:  # float32 keeps a few bits of 1e-44: another problem
                # A matrix that float32 has rounded is another one too: by 6e-8 an entry.
                tolerance = (3e-6 if dtype == "float32" else 1e-13) * b
                paid = float(values[np.arange(b), matching.columns.numpy()].sum())
                if paid > lowest + tolerance:
                    wrong.append([paid - lowest, family, b, seed, scale, dtype])
print(json.dumps([tried, wrong]))
"""


# Of computing. All problems together take a few; a hang takes for ever.
SECONDS = 120


def test_thousands_of_degenerate_problems_are_solved_without_a_hang() -> None:
    run = run_python("-c", PROGRAM.replace("SECONDS", str(SECONDS)), folder=ROOT)
    assert run.code == 0, run  # of a hang it is -SIGKILL, of a crash -SIGSEGV
    tried, wrong = json.loads(run.out)
    assert tried > 10_000
    assert wrong == []
