"""What the matching costs in a training step.

    python benchmarks/step_cost.py [--device cuda] [--encoder resnet --size 32]

Four steps take turns, so that drift of the machine affects all of them alike; medians are compared:
bare (forward and backward of the encoder), NAT without its matching (samples keep their slots),
NAT, and NAT that matches the first view while the second one is computed. ``waiting`` is the
time that a step waits for its matching, as a share of the step, without and with overlap.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

import natlib
from natlib.assignment import BankModule
from natlib.encoders import EncoderRecipe
from natlib.objectives import NATModule
from natlib.runtime.autotune import Autotune


def measured(functions: dict[str, Callable[[], None]], rounds: int, cuda: bool) -> dict[str, float]:
    """Median seconds of each, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(rounds + 2):
        for name, function in functions.items():
            if cuda:
                torch.cuda.synchronize()
            began = time.perf_counter()
            function()
            if cuda:
                torch.cuda.synchronize()
            if number >= 2:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--encoder", default="convnet")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[256, 1024])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    bf16 = arguments.precision == "bf16"

    print(f"{arguments.encoder}, {arguments.size} px, {device}, {arguments.precision},", end=" ")
    print(f"{torch.get_num_threads()} threads, two views, d = 32, solver lapjv")
    print(
        "| batch | m | bare ms | NAT / bare | NAT / without matching | overlapped / without |",
        end="",
    )
    print(" waiting, % of step | waiting with overlap, % of step |")
    print("|---|---|---|---|---|---|---|---|")
    for batch in arguments.batch_sizes:
        for slots in (1, 8):
            torch.manual_seed(0)
            shape = (3, arguments.size, arguments.size)
            encoder = EncoderRecipe.resolve(arguments.encoder).build(shape).to(device)
            views = [torch.randn(batch, *shape, device=device) for _ in range(2)]
            index = torch.randperm(10 * batch)[:batch].to(device)
            modules: dict[str, NATModule] = {}
            waited: dict[str, list[float]] = {"off": [], "on": []}
            for overlap, match_on in (("off", "mean"), ("on", "first")):
                # A bank that matches in every second epoch: epoch 1 is a step without matching.
                bank = natlib.Bank(slots=slots, every=2)
                objective = natlib.NAT(assignment=bank, match_on=match_on)
                module = objective.build(encoder.dim, samples=10 * batch).to(device)
                assert isinstance(module.assignment, BankModule)
                # On a CPU it would find out first whether another thread pays.
                module.assignment.matcher.overlap = Autotune([True])
                modules[overlap] = module

            def nat(
                epoch: int,
                overlap: str,
                encoder: torch.nn.Module = encoder,
                modules: dict[str, NATModule] = modules,
                views: list[Tensor] = views,
                index: Tensor = index,
                waited: dict[str, list[float]] = waited,
            ) -> None:
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    output = modules[overlap]((encoder(v) for v in views), index, epoch=epoch)
                output.loss.backward()
                if "solver_seconds" in output.health:
                    waited[overlap].append(float(output.health["solver_seconds"]))

            def bare(encoder: torch.nn.Module = encoder, views: list[Tensor] = views) -> None:
                with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                    features = [encoder(view) for view in views]
                torch.stack(features).float().square().mean().backward()

            steps = {
                "bare": bare,
                "without": lambda nat=nat: nat(1, "off"),
                "off": lambda nat=nat: nat(0, "off"),
                "on": lambda nat=nat: nat(0, "on"),
            }
            seconds = measured(steps, arguments.rounds, device.type == "cuda")
            share = {
                name: 100 * statistics.median(values) / seconds[name]
                for name, values in waited.items()
            }
            print(
                f"| {batch} | {slots} | {1e3 * seconds['bare']:.0f} "
                f"| {seconds['off'] / seconds['bare']:.3f} "
                f"| {seconds['off'] / seconds['without']:.3f} "
                f"| {seconds['on'] / seconds['without']:.3f} "
                f"| {share['off']:.2f} | {share['on']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
