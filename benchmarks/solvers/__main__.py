"""What natlib's solvers cost and find, also beside those of other packages, in one run.

    python -m benchmarks.solvers [--solvers lapjv lapjv:levels=256 ...] [--json FILE] [--out FILE]
    pip install 'natlib[benchmark]' && python -m benchmarks.solvers --peers

Features are matched with as many targets on the sphere. The gap is what is missing to the optimum,
as a share of what the optimum gains over a random matching. Prints Markdown; ``--out`` draws a
picture. Calls of all solvers take turns, so that drift of the machine hits all alike; medians are
compared. Sizes at which a call would take longer than ``--limit`` seconds, by the sizes
before, are left out.
"""

import argparse
from pathlib import Path

import torch

from benchmarks.solvers.candidates import candidates
from benchmarks.solvers.instances import FEATURES
from benchmarks.solvers.measurement import write_measurements
from benchmarks.solvers.measuring import measure
from benchmarks.solvers.peers import peers
from benchmarks.solvers.picture import check_drawable, draw
from benchmarks.solvers.tables import (
    Results,
    print_approximate,
    print_ratios,
    print_surprises,
    print_times,
)
from natlib.errors import ConfigError, NatlibError
from natlib.runtime.progress import ConsoleProgress


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--solvers", nargs="+", metavar="KIND[:KEY=VALUE,...]",
        help="by default every registered kind, those that trade accuracy for time with several "
        "settings",
    )  # fmt: skip
    parser.add_argument("--peers", action="store_true", help="measure other packages' too")
    parser.add_argument("--features", nargs="+", default=list(FEATURES), choices=list(FEATURES))
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 256, 1024, 4096])
    parser.add_argument("--dim", type=int, default=128, help="of the targets")
    parser.add_argument("--problems", type=int, default=1, help="solved together")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=8.0, help="seconds of a call")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, help="of torch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the numbers")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a picture: .svg, .png or .pdf")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        report(arguments)
    except NatlibError as error:
        parser.error(str(error))


def report(arguments: argparse.Namespace) -> None:
    # Complains now, not after hours of measuring.
    if arguments.out:
        check_drawable(arguments.out)
    for file in filter(None, (arguments.out, arguments.json)):
        if not file.absolute().parent.is_dir():
            raise ConfigError(f"{file.parent} is no folder; make it first")
    others, missing = peers(arguments.device) if arguments.peers else ([], [])
    measurements = measure(
        [*candidates(arguments.solvers), *others],
        features=arguments.features,
        sizes=arguments.sizes,
        dim=arguments.dim,
        problems=arguments.problems,
        repeats=arguments.repeats,
        limit=arguments.limit,
        seed=arguments.seed,
        device=arguments.device,
        progress=ConsoleProgress(),
    )
    if arguments.json:
        write_measurements(arguments.json, measurements)
    if arguments.out:
        draw(measurements, arguments.out)
    print(f"{arguments.device}, {torch.get_num_threads()} threads, d = {arguments.dim}, ", end="")
    print(f"medians of up to {arguments.repeats} calls")
    for line in missing:
        print(f"- {line}")
    results = Results(measurements)
    print_times(results)
    if others:
        print_ratios(results, [peer.label for peer in others if peer.exact], arguments.limit)
    print_approximate(results)
    print_surprises(measurements)


if __name__ == "__main__":
    main()
