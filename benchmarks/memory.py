"""Memory of training against the number of samples.

    python benchmarks/memory.py --json memory.json --picture memory.svg

Each case is a process of its own that trains through ``natlib.train`` for some updates and is
then interrupted, as a person would do it, which writes a checkpoint. Peak memory is what the
system says of the whole process, Python and torch included. Samples are computed from their
index, so that nothing but natlib's own bookkeeping grows with their number; the last column is
what holding one vector of d float32 numbers for each sample would take.
"""

import argparse
import contextlib
import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self, overload

import torch
from torch import Tensor

import natlib
from natlib.component import register
from natlib.data import Batch, Modality, Split, Unreadable
from natlib.encoders import EncoderRecipe, MlpEncoder
from natlib.runtime.progress import SilentProgress

FEATURES = 32
INK, FAINT = "#3b3b3b", "#b8b8b8"
COLOURS = ("#1f6fb4", "#c9581c", "#2f8f57", "#8a4fbf", "#b98a00", "#c2347a", "#12979d", "#5b5b5b")
MIB = 2**20


class Names(Sequence[str]):
    """The names of samples, made when they are asked for."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [f"{number:08d}" for number in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return f"{index:08d}"


class Numbers:
    """Samples that are computed from their index: ``natlib.data.SampleSet``."""

    def __init__(self, count: int) -> None:
        self.names = Names(count)
        self.labels: Tensor | None = None
        self.classes: list[str] = []
        self.usable = torch.arange(count)
        self.unreadable: list[Unreadable] = []
        self.in_memory = True
        self._waves = torch.linspace(0.01, 3.0, FEATURES)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[int, Tensor]:
        return index, torch.sin(index * self._waves)

    def preload(self, workers: int, progress: Callable[[int, int], None] | None = None) -> None:
        return None

    def fingerprint(self) -> str:
        return hashlib.sha256(str(len(self)).encode()).hexdigest()


@register
class NumbersModality(Modality):
    """The modality of :class:`Numbers`."""

    kind: Literal["numbers"] = "numbers"
    count: int = 1000
    """Samples."""

    def resolved(self) -> Self:
        return self

    def dataset(self, split: Split, cache: Path | None = None) -> Numbers | None:
        return Numbers(self.count) if split == "train" else None

    def collate(self, samples: list[Any]) -> Batch:
        index = torch.tensor([number for number, _ in samples])
        return Batch(index, {"vectors": torch.stack([vector for _, vector in samples])})

    def views(self, batch: Batch, count: int) -> list[Tensor]:
        plain = self.plain(batch)
        return [plain + 0.1 * torch.randn_like(plain) for _ in range(count)]

    def plain(self, batch: Batch) -> Tensor:
        return batch.data["vectors"]

    def raw(self, batch: Batch) -> Tensor:
        return self.plain(batch)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (FEATURES,)

    def default_encoder(self, accelerator: bool) -> EncoderRecipe:
        return MlpEncoder(widths=(64, 64))

    def default_preset(self) -> str:
        return "none"

    def samples(self, items: Sequence[Any]) -> list[Any]:
        return [(number, torch.as_tensor(item)) for number, item in enumerate(items)]

    def thumbnail(self, sample: Any) -> Any:
        return None


class Stop(SilentProgress):
    """Interrupts training once it has logged so many updates."""

    def __init__(self, steps: int) -> None:
        # Training notices a signal after the update that follows.
        self.steps = max(steps - 1, 1)

    def advance(self, done: int, note: str = "") -> None:
        if done == self.steps:
            signal.raise_signal(signal.SIGINT)


def peak() -> int:
    """Bytes that this process had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one_case(samples: int, dim: int, assignment: str, steps: int, batch: int, folder: Path) -> None:
    """Train, and print what it took as JSON; called in a process of its own."""
    before = peak()
    config = natlib.RunConfig(
        data=NumbersModality(count=samples),
        objective=natlib.NAT(
            assignment={"kind": assignment, "slots": 1}, targets=natlib.UniformSphere(dim=dim),
            head=natlib.MlpHead(widths=(64,)),
        ),
        training={
            "epochs": 1, "batch_size": batch, "device": "cpu", "workers": 0,
            "log_every_steps": 1, "optimizer": {"kind": "adamw", "learning_rate": 1e-3},
        },
    )  # fmt: skip
    began = time.perf_counter()
    result = natlib.train(config, folder / "run", progress=Stop(steps))
    checkpoints = list((folder / "run" / "checkpoints").glob("step-*/*.safetensors"))
    if not checkpoints:
        raise SystemExit("no checkpoint was written, so its memory was not measured")
    print(
        json.dumps(
            {
                "samples": samples, "dim": dim, "assignment": assignment, "steps": result.step,
                "before": before, "peak": peak(), "seconds": time.perf_counter() - began,
                "checkpoint": sum(file.stat().st_size for file in checkpoints),
            }
        )
    )  # fmt: skip


def measured(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for assignment in arguments.assignment:
        for dim in arguments.dims:
            for samples in arguments.samples:
                with scratch(arguments.folder) as folder:
                    case = f"{samples},{dim},{assignment}"
                    command = [sys.executable, __file__, "--case", case, "--folder", str(folder)]
                    command += ["--steps", str(arguments.steps)]
                    command += ["--batch-size", str(arguments.batch_size)]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(f"{case} failed: {done.stderr.strip()[-2000:]}")
                yield json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def scratch(parent: str | None) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def draw(rows: Sequence[dict[str, Any]], path: str) -> None:
    from matplotlib.figure import Figure

    image = Figure(figsize=(6.4, 4.2))
    axes = image.subplots()
    cases = list(dict.fromkeys((row["assignment"], row["dim"]) for row in rows))
    for colour, (assignment, dim) in zip(COLOURS, cases, strict=False):
        mine = [row for row in rows if (row["assignment"], row["dim"]) == (assignment, dim)]
        axes.plot(
            [row["samples"] for row in mine], [row["peak"] / MIB for row in mine],
            marker="o", color=colour, label=f"{assignment}, d = {dim}",
        )  # fmt: skip
    for dim, style in zip(dict.fromkeys(row["dim"] for row in rows), (":", "--"), strict=False):
        counts = sorted({row["samples"] for row in rows})
        axes.plot(
            counts, [4 * count * dim / MIB for count in counts],
            linestyle=style, color=FAINT, label=f"n x d float32, d = {dim}",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("samples", color=INK)
    axes.set_ylabel("peak memory, MiB", color=INK)
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    image.tight_layout()
    image.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--dims", type=int, nargs="+", default=[128, 2048])
    parser.add_argument("--assignment", nargs="+", default=["bank", "stream"])
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--folder", default=None, help="where runs go while they are measured")
    parser.add_argument("--json", default=None)
    parser.add_argument("--picture", default=None)
    parser.add_argument("--case", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        samples, dim, assignment = arguments.case.split(",")
        folder = Path(arguments.folder)
        one_case(int(samples), int(dim), assignment, arguments.steps, arguments.batch_size, folder)
        return
    print("| assignment | d | n | peak, MiB | over the smallest n, MiB | bytes per sample "
          "| seconds | checkpoint, MiB | n x d would be, MiB |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    rows: list[dict[str, Any]] = []
    for row in measured(arguments):
        rows.append(row)
        like = [
            one
            for one in rows
            if (one["assignment"], one["dim"]) == (row["assignment"], row["dim"])
        ]
        first = like[0]
        more = row["peak"] - first["peak"]
        extra = row["samples"] - first["samples"]
        each = f"{more / extra:.0f}" if extra > 0 else ""
        print(
            f"| {row['assignment']} | {row['dim']} | {row['samples']:,} | {row['peak'] / MIB:,.0f} "
            f"| {more / MIB:,.0f} | {each} | {row['seconds']:.0f} "
            f"| {row['checkpoint'] / MIB:,.1f} | {4 * row['samples'] * row['dim'] / MIB:,.0f} |",
            flush=True,
        )
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1) + "\n")
    if arguments.picture:
        draw(rows, arguments.picture)


if __name__ == "__main__":
    main()
