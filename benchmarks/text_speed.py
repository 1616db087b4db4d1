"""Tokens per second: of reading, tokenising and augmenting, and of training each encoder.

    python benchmarks/text_speed.py [--data SOURCE] [--batches 20]

Everything on one thread, in time of the processor, so that other work on the machine matters
little; with memory as in training. An encoder is the bottleneck as long as it is slower than the
input; the last columns say by how much, with texts in memory (as a run keeps them if they fit) and
with texts read and tokenised in a worker process of their own. Tokens are those of the texts,
counted once, however many views are made of them.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterable

import torch

import natlib
from natlib.data import Batch
from natlib.encoders import EncoderRecipe
from natlib.runtime.malloc import disable_trim
from natlib_text import Text
from natlib_text.encoders.bag_of_ngrams import BagOfNgrams
from natlib_text.encoders.convnet import TextConvNet
from natlib_text.encoders.transformer import TextTransformer

ENCODERS: list[EncoderRecipe] = [
    BagOfNgrams(ngrams=1),
    BagOfNgrams(),
    TextConvNet(),
    TextTransformer(),
]


def rate(work: Callable[[Batch], object], batches: Iterable[Batch]) -> float:
    """Median over batches of tokens in a second; the first batch warms up."""
    rates = []
    for batch in batches:
        began = time.process_time()
        work(batch)
        seconds = time.process_time() - began
        rates.append(int((batch.data["tokens"] != 0).sum()) / seconds)
    return statistics.median(rates[1:])


def training(modality: Text, recipe: EncoderRecipe) -> Callable[[Batch], object]:
    """A whole step of training, on views that are made already."""
    torch.manual_seed(0)
    encoder = modality.complete(recipe).build(modality.input_shape)
    objective = natlib.compose("text", preset="nat").objective
    module = objective.build(encoder.dim)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *module.parameters()], lr=1e-3)

    def step(batch: Batch) -> None:
        views = [batch.data[f"view{number}"] for number in range(objective.views)]
        optimizer.zero_grad()
        module([encoder(view) for view in views], batch.index).loss.backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="docstrings", metavar="SOURCE")
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--batches", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    disable_trim()
    began = time.perf_counter()
    modality = Text(source=arguments.data, length=arguments.length).resolved()
    fitting = time.perf_counter() - began
    lazy, stored = modality.dataset("train"), modality.dataset("train")
    assert lazy is not None
    assert stored is not None
    began = time.perf_counter()
    stored.preload(workers=0)
    loading = time.perf_counter() - began
    order = stored.usable[torch.randperm(len(stored.usable))]
    numbers = [
        order[torch.arange(start, start + arguments.batch_size) % len(order)].tolist()
        for start in range(0, arguments.batches * arguments.batch_size, arguments.batch_size)
    ]
    batches = [modality.collate([stored[i] for i in part]) for part in numbers]
    views = natlib.compose("text", preset="nat").objective.views

    def read(samples: object) -> float:
        """Rate of decoding and putting together, in this process."""
        rates = []
        for part, batch in zip(numbers, batches, strict=True):
            began = time.process_time()
            modality.collate([samples[i] for i in part])  # type: ignore[index]
            seconds = time.process_time() - began
            rates.append(int((batch.data["tokens"] != 0).sum()) / seconds)
        return statistics.median(rates[1:])

    slow, quick = read(lazy), read(stored)
    augmenting = rate(lambda batch: modality.views(batch, views), batches)
    for batch in batches:
        made = modality.views(batch, views)
        batch.data |= {f"view{number}": view for number, view in enumerate(made)}
    print(
        f"{len(stored):,} texts; fitted in {fitting:.1f} s, read into memory in {loading:.1f} s\n"
    )
    print("| input | tokens per second |\n|---|---|")
    print(f"| read and tokenise, one worker | {slow:,.0f} |")
    print(f"| from memory | {quick:,.0f} |")
    print(f"| {views} views of a batch | {augmenting:,.0f} |\n")
    # Views are made between the steps, texts beside them.
    print("| encoder | tokens per second | share of views in a step, % | input is faster by |")
    print("|---|---|---|---|")
    for recipe in ENCODERS:
        speed = rate(training(modality, recipe), batches)
        whole = 1 / (1 / speed + 1 / augmenting)
        name = f"`{recipe.kind}`"
        if isinstance(recipe, BagOfNgrams):
            name += f", ngrams {recipe.ngrams}"
        faster = f"{quick / whole:.0f} from memory, {slow / whole:.1f} with a worker"
        print(f"| {name} | {speed:,.0f} | {100 * whole / augmenting:.1f} | {faster} |")


if __name__ == "__main__":
    main()
