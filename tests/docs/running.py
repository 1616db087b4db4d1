"""Runs the commands of a page as a reader would type them, with smaller numbers."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.cli.command import natlib
from tests.processes import Said, in_two_processes, run_python

__all__ = ["INSTALLED", "SMALLER_PYTHON", "SMALLER_SCRIPTS", "commands", "run_command", "smaller"]

# Added to every command that begins a training. Everything else is run as it stands.
SMALLER_TRAINING = (
    "--max-samples 64 --batch-size 32 --workers 0 --set evaluation.weight_decays=[1.0] "
    "--set evaluation.max_train_samples=64"
)

# Replaced in Python, since nobody can add to it from outside.
SMALLER_PYTHON = {
    'settings=["training.epochs=20"]': (
        'settings=["training.epochs=1", "training.batch_size=32", "data.max_samples=64", '
        '"evaluation.weight_decays=[1.0]"]'
    ),
    '"data": {"source": "photos"}': (
        '"data": {"source": "photos"}, "training": {"epochs": 1, "batch_size": 32}, '
        '"evaluation": {"weight_decays": [1.0]}'
    ),
    "points=500": "points=20",
    "updates = 2000": "updates = 4",
}

INSTALLED = "installed"
"""Folder, in the working directory of a page, that ``pip install`` fills."""

# Added to scripts that measure; the last of two equal options counts.
SMALLER_SCRIPTS = {
    "python benchmarks/step_cost.py": "--batch-sizes 2 --rounds 1 --precision fp32",
    "python benchmarks/index_imagenet.py": "--files 2048 --workers 1",
    "python benchmarks/reassign.py": "--exact 256 --block 64 --samples 2000",
    "python benchmarks/centroids.py": "--batch 16 --dim 4 --layers 1 2 --seeds 1 --reference 4096",
    "python benchmarks/target_rows.py": "--rows 4 --dim 16 --rounds 2",
    "python -m benchmarks.solvers ": "--sizes 8 16 --repeats 1",
    "python -m benchmarks.solvers.small_matchings": "--sizes 8 --seeds 1 --rounds 2",
    "python benchmarks/memory.py": "--samples 2000 --steps 3 --dims 8 --assignment bank",
    "python benchmarks/micro_batch.py": (
        "--encoder convnet --size 8 --batch-size 4 --parts 2 --updates 1"
    ),
    "python benchmarks/audio_speed.py": (
        "--batches 1 --batch-size 2 --kinds wav --encoders audio_convnet"
    ),
    "python benchmarks/text_speed.py": "--batches 2 --batch-size 2 --length 8 --data notes.txt",
    "natlib report": "--points 20",
    "natlib eval runs/photos --protocol semi": (
        "--set per_class=[] --set fractions=[0.25] --set seeds=1 --set epochs=1 "
        "--set methods=[both] --set finetune.epochs=1 --set finetune.min_updates=0"
    ),
    "natlib eval runs/voc --protocol voc_classification --set train": (
        "--set epochs=1 --set learning_rates=[0.001]"
    ),
    "natlib eval runs/voc --protocol voc_detection": (
        "--set epochs=1 --set short_side=48 --set head_width=16 --set regions=8 --set proposals=20"
    ),
    "python benchmarks/voc.py": (
        "--epochs 1 --detector-epochs 1 --seeds 0 --batch-size 16 --rates 0.02 --side 48"
    ),
    # A plug-in is installed, for this page only, from nothing that a network brings.
    "pip install ./": f"--no-deps --no-build-isolation --no-index --quiet --target {INSTALLED}",
}

_TRAINING = re.compile(r"^(natlib|torchrun .* -m natlib_cli) train (?!.*--resume)")
_BUDGET = re.compile(r"--budget \S+")
_EVERY = re.compile(r"every(?:_epochs)?=(\d+)")
_SHELL = set("|&;<>$*?~#")  # not brackets: nothing here is called what they would match
_QUOTED = re.compile(r"'[^']*'|\"[^\"$]*\"")
_TORCHRUN = "torchrun --nproc-per-node 2 -m natlib_cli "


def commands(text: str) -> list[str]:
    """The commands of a block, one for each line; a backslash joins lines."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def smaller(command: str) -> str:
    """The same command with less to do."""
    if _TRAINING.match(command):
        # As many epochs as what is done every so many needs.
        command = re.sub(r" --budget \w+", "", command)
        every = [1 + int(count) for count in _EVERY.findall(command)]
        epochs = f" --epochs {max([1, *every])}"
        command, budgets = _BUDGET.subn("--budget 1s", command)
        return f"{command}{'' if budgets else epochs} {SMALLER_TRAINING}"
    less = [less for script, less in SMALLER_SCRIPTS.items() if command.startswith(script)]
    return " ".join([command, *less])


def run_command(command: str, folder: Path) -> tuple[int, str]:
    """Exit code and output of a command, which runs in the working directory.

    ``natlib`` is called in this process, which saves the seconds that an import of torch
    takes; scripts run in a process that is forked from one with torch, and what torchrun would
    start in two such; everything else, and whatever needs a shell, goes to bash.
    """
    if not _SHELL & set(_QUOTED.sub("", command)):
        program, *words = shlex.split(command)
        if program == "natlib":
            return _answer(natlib(*words))
        if command.startswith(_TORCHRUN):
            first, second = in_two_processes(natlib, *shlex.split(command.removeprefix(_TORCHRUN)))
            assert second == Said(0, "", "")
            return _answer(first)
        if program == "python":
            return _answer(run_python(*words, folder=folder))
    here = str(Path(sys.executable).parent)
    environment = os.environ | {
        "PATH": os.pathsep.join([here, os.environ.get("PATH", "")]),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


def _answer(said: Said) -> tuple[int, str]:
    return said.code, said.out + said.err
