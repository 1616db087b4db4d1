"""NAT beside the losses that people use instead, on one budget.

    python -m benchmarks.quality search ARENA DATA --out RUNS [--trials 12]
    python -m benchmarks.quality final ARENA DATA --out RUNS [--seeds 0 1 2]
    python -m benchmarks.quality ablation ARENA DATA --out RUNS [--seeds 0 1 2]
    python -m benchmarks.quality orderings a DATA --out RUNS [--seeds 0 1 2]
    python -m benchmarks.quality speed ARENA DATA --out RUNS [--rounds 40]

ARENA is one of those in arenas.py. DATA has train/<class>/ and test/<class>/ (or val/), or is a
table with the columns split, label and text (d-text). ``search`` gives every method equally many
trials on part of the training samples and evaluates them on another part; ``final`` trains each
method with its best settings and reads the test samples once for each run; ``ablation`` changes one
thing of NAT at a time, evaluated like a search; ``orderings`` asks the 2017 paper's questions about
its own recipe, on images, where nothing is chosen; ``speed`` takes the time of updates of all
methods in turns, with the settings of their final runs. Finished runs are not made again,
interrupted or killed ones are resumed, and the same command in a second terminal takes its share of
the runs. With --record results are kept in docs/measured/, each as soon as it is there, and taken
from there where they are known, so that a comparison may be made in parts and on several machines.
All methods look at embeddings of two views and at nothing else, so each of them is in every arena.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import natlib
from benchmarks.quality import peers  # noqa: F401  (registers them)
from benchmarks.quality.ablations import ABLATIONS, changed
from benchmarks.quality.arenas import ARENAS, Arena, Size
from benchmarks.quality.methods import METHODS
from benchmarks.quality.orderings import ORDERINGS, SIZE, recipe
from benchmarks.quality.record import Record
from benchmarks.quality.running import BusyError, run
from benchmarks.quality.speed import seconds_per_update, speed_table
from benchmarks.quality.tables import draw_curves, final_table, score, search_table

Trial = tuple[dict[str, Any], dict[str, Any]]
Task = tuple[Path, Path, list[str], str, str]
# The method whose final runs have the baselines beside them, where not all have.
BESIDE = "nat"
MEASURED = Path(__file__).parents[2] / "docs" / "measured"


def all_of(tasks: dict[tuple[str, int], Task], record: Record) -> dict[Any, dict[str, Any]]:
    """Results of runs by name and number; waits for those that another process is making."""
    found: dict[Any, dict[str, Any]] = {}
    while len(found) < len(tasks):
        progress = len(found)
        for name, task in tasks.items():
            if name in found:
                continue
            try:
                found[name] = record.find(task[2]) or run(*task)
            except BusyError:
                continue
            record.add(name[0], found[name])
            print(f"{len(found)} of {len(tasks)}: {name}: {score(found[name]):.2f}", flush=True)
        if len(found) == progress:
            time.sleep(10)
    return {name: found[name] for name in tasks}


def recorded(what: str, options: argparse.Namespace) -> Record:
    """Where results of this kind are kept."""
    path = MEASURED / f"quality-{options.arena}-{what}.json"
    return Record(path if options.record else None)


def task(
    arena: Arena,
    folder: Path,
    source: Path,
    size: Size,
    seed: int,
    name: str,
    own: list[str],
    *,
    baselines: bool,
) -> Task:
    """A run of a method, whose own settings come last."""
    common = arena.common(size, seed, baselines=baselines)
    settings = [*common, *arena.own.get(name, ()), *own]
    return folder, source, settings, arena.modality, "nat"


def search(arena: Arena, options: argparse.Namespace) -> dict[str, list[Trial]]:
    """Every method's trials, in the order in which they were drawn."""
    source = arena.validation(options.data, options.out / "validation", arena.held_out)
    drawn = {name: METHODS[name].trials(options.trials) for name in options.methods}
    tasks = {
        (name, number): task(
            arena,
            options.out / "search" / f"{name}-{number:02d}",
            source,
            arena.search,
            0,
            name,
            METHODS[name].settings(trial),
            baselines=not arena.baselines_once,
        )
        # All methods' first trials, then all second ones: a search that is stopped is fair.
        for number in range(options.trials)
        for name, trials in drawn.items()
        for trial in trials[number : number + 1]
    }
    found = all_of(tasks, recorded("search", options))
    return {
        name: [(trial, found[name, number]) for number, trial in enumerate(trials)]
        for name, trials in drawn.items()
    }


def chosen(found: dict[str, list[Trial]]) -> dict[str, dict[str, Any]]:
    """The best settings of each method on validation images."""
    return {name: max(trials, key=lambda t: score(t[1]))[0] for name, trials in found.items()}


def final_tasks(arena: Arena, options: argparse.Namespace) -> dict[tuple[str, int], Task]:
    """Each method with its best settings, for each seed."""
    best = chosen(search(arena, options))
    return {
        (name, seed): task(
            arena,
            options.out / "final" / f"{name}-{seed}",
            options.data,
            arena.final,
            seed,
            name,
            METHODS[name].settings(best[name]),
            baselines=name == BESIDE or not arena.baselines_once,
        )
        for seed in options.seeds
        for name in options.methods
    }


def final(arena: Arena, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Runs of each method with its best settings, a run for each seed."""
    found = all_of(final_tasks(arena, options), recorded("final", options))
    return {name: [found[name, seed] for seed in options.seeds] for name in options.methods}


def ablation(arena: Arena, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Runs of NAT's best settings with one thing changed, evaluated on validation images."""
    options.methods = ["nat"]
    best = METHODS["nat"].settings(chosen(search(arena, options))["nat"])
    source = arena.validation(options.data, options.out / "validation", arena.held_out)
    names = [name for name in ABLATIONS if not options.only or name in options.only]
    tasks = {
        (name, seed): task(
            arena,
            options.out / "ablation" / f"{name.replace(' ', '-')}-{seed}",
            source,
            arena.search,
            seed,
            "nat",
            changed(best, ABLATIONS[name]),
            baselines=False,
        )
        for seed in options.seeds
        for name in names
    }
    found = all_of(tasks, recorded("ablation", options))
    return {name: [found[name, seed] for seed in options.seeds] for name in names}


def orderings(arena: Arena, options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Runs of the 2017 recipe in small, and with one thing changed."""
    size = SIZE if options.size is None else Size(*options.size)
    tasks = {
        (name, seed): (
            options.out / "orderings" / f"{number}-{seed}",
            options.data,
            [*recipe(size, seed), *other, *options.settings],
            arena.modality,
            "nat2017",
        )
        for seed in options.seeds
        for number, (name, other) in enumerate(ORDERINGS.items())
    }
    found = all_of(tasks, recorded("orderings", options))
    return {name: [found[name, seed] for seed in options.seeds] for name in ORDERINGS}


def speed(arena: Arena, options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Seconds of updates of the final runs."""
    options.seeds = [0]
    configs = {
        name: natlib.compose(
            modality, preset=preset, options={"data": {"source": str(source)}}, settings=settings
        )
        for (name, _), (_, source, settings, modality, preset) in final_tasks(
            arena, options
        ).items()
    }
    found = seconds_per_update(configs, options.rounds)
    if options.record:
        path = MEASURED / f"quality-{options.arena}-speed.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
    return found


WHAT = {
    "search": search,
    "final": final,
    "ablation": ablation,
    "orderings": orderings,
    "speed": speed,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=list(WHAT))
    parser.add_argument("arena", choices=list(ARENAS))
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--trials", type=int, default=12, help="of each method")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("SAMPLES", "EPOCHS"), help="to try things out"
    )
    parser.add_argument(
        "--set", dest="settings", action="append", default=[], metavar="KEY=VALUE",
        help="of all methods",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=40, help="updates of each method (speed)")
    parser.add_argument("--only", nargs="+", help="names of ablations", choices=list(ABLATIONS))
    parser.add_argument("--record", action="store_true", help="keep results in docs/measured/")
    options = parser.parse_args()
    if options.what == "orderings" and ARENAS[options.arena].modality != "image":
        parser.error("the paper's recipe is for images: orderings of arena a, b or c")
    arena = ARENAS[options.arena]
    if options.size is not None:
        size = Size(*options.size)
        arena = replace(arena, search=size, final=size)
    arena = replace(arena, settings=(*arena.settings, *options.settings))
    options.out = options.out / options.arena
    results: Any = WHAT[options.what](arena, options)
    if options.what == "speed":
        print(speed_table(results, "simclr" if "simclr" in results else next(iter(results))))
    else:
        print(search_table(results) if options.what == "search" else final_table(results))
    if options.what == "final":
        draw_curves(results, options.out / "curves.png")


if __name__ == "__main__":
    main()
