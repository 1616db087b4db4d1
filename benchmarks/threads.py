"""How OpenMP's threads wait: training with an idle machine, and beside one busy process.

    python benchmarks/threads.py --json threads.json

Trains the preset ``digits`` on a CPU, each time in a process of its own, and reads samples per
second from the times in ``metrics.jsonl``, without the first epochs. Settings take turns, alone
and beside a process that computes without end, so that what else the machine does meets all of
them; a ratio compares two neighbours in time. Use it on a machine that does nothing else.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
# What GNU's OpenMP does where neither variable is set: natlib leaves it alone if it is.
BEFORE = "GOMP_SPINCOUNT=300000"
CURRENT = "natlib"
BATCH, LOG_EVERY, WARM_UP = 128, 10, 0.25


def train(epochs: int) -> None:
    """Train, and print samples per second; called in a process of its own."""
    import natlib

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        settings = (
            f"training.epochs={epochs}", f"training.batch_size={BATCH}",
            f"training.log_every_steps={LOG_EVERY}", "training.knn_every_epochs=null",
            "training.device=cpu", "evaluation.weight_decays=[0.001]", "evaluation.baselines=false",
        )  # fmt: skip
        natlib.train(natlib.compose("image", preset="digits", settings=settings), run)
        lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    # The last line of an epoch also covers its checkpoint: compare equal places in epochs.
    lines = [line for line in lines if line["epoch"] >= WARM_UP * epochs]
    first, last = lines[0], lines[-1]
    samples = BATCH * (last["step"] - first["step"])
    print(json.dumps(samples / (last["time"] - first["time"])))


def measured(setting: str, epochs: int) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    if setting != CURRENT:
        name, value = setting.split("=")
        environment[name] = value
    command = [sys.executable, __file__, "--train", str(epochs)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{setting} failed: {done.stderr.strip()[-2000:]}")
    return float(json.loads(done.stdout.splitlines()[-1]))


@contextlib.contextmanager
def busy() -> Iterator[None]:
    """A process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def rounds(settings: list[str], count: int, epochs: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        for place, beside in (("alone", contextlib.nullcontext), ("beside", busy)):
            # Every other round backwards, so that none always comes first.
            for setting in settings if number % 2 == 0 else settings[::-1]:
                with beside():
                    rate = measured(setting, epochs)
                row = {"round": number, "place": place, "setting": setting, "rate": rate}
                print(f"round {number}, {place}, {setting}: {rate:,.0f}", file=sys.stderr)
                yield row


def table(rows: list[dict[str, Any]], settings: list[str]) -> str:
    rate = {(row["setting"], row["place"], row["round"]): row["rate"] for row in rows}
    count = 1 + max(row["round"] for row in rows)
    lines = [
        f"| setting | alone | beside a busy process | alone, over {BEFORE} | beside, over it |",
        "|---|---|---|---|---|",
    ]
    for setting in settings:
        rates, ratios = [], []
        for place in ("alone", "beside"):
            mine = [rate[setting, place, number] for number in range(count)]
            over = [rate[setting, place, n] / rate[BEFORE, place, n] for n in range(count)]
            rates.append(f"{statistics.median(mine):,.0f}")
            ratios.append(f"{statistics.median(over):.2f} ({min(over):.2f} to {max(over):.2f})")
        lines.append(f"| `{setting}` | {' | '.join((*rates, *ratios))} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--also", nargs="*", default=["OMP_WAIT_POLICY=passive"], metavar="NAME=VALUE",
        help="settings beside natlib's own and the one before it",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--json", default=None)
    parser.add_argument("--train", type=int, default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train)
        return
    settings = [BEFORE, CURRENT, *arguments.also]
    rows = list(rounds(settings, arguments.rounds, arguments.epochs))
    print(table(rows, settings))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
