"""How fast natlib embeds, beside what people would write without it.

    python benchmarks/embed_speed.py texts CHECKPOINT FILE.csv
    python benchmarks/embed_speed.py run RUN

``texts``: ``Embedder.embed`` beside ``SentenceTransformer.encode``, on the same texts (the column
``text``), model, threads and batch size. ``run``: ``Model.embed_set`` on the training samples of a
run beside a bare loop over a DataLoader, each with samples decoded on access. Both take turns;
printed are the speed of natlib as a multiple of the other's, the median over rounds, and the
largest difference between embeddings.
"""

import argparse
import csv
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

import natlib
from natlib.model import EmbeddingModel

Vectors = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    texts = kinds.add_parser("texts", help="beside sentence-transformers")
    texts.add_argument("checkpoint")
    texts.add_argument("table")
    run = kinds.add_parser("run", help="beside a bare loop")
    run.add_argument("run")
    for each in (texts, run):
        each.add_argument("--samples", type=int, default=1000)
        each.add_argument("--batch-size", type=int, nargs="+", default=[32, 256])
        each.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for size in arguments.batch_size:
        ours, theirs = (beside_library if arguments.kind == "texts" else beside_loop)(
            arguments, size
        )
        compare(ours, theirs, arguments.rounds, size)


def compare(
    ours: Callable[[], Vectors], theirs: Callable[[], Vectors], rounds: int, size: int
) -> None:
    """Let both take turns, once without the clock, and print the ratio."""
    gap = float(np.abs(ours() - theirs()).max())
    ratios = []
    for _ in range(rounds):
        begin = time.perf_counter()
        theirs()
        between = time.perf_counter()
        ours()
        ratios.append((between - begin) / (time.perf_counter() - between))
    print(
        f"batches of {size:4}: {statistics.median(ratios):.2f} times as fast "
        f"({min(ratios):.2f} to {max(ratios):.2f}), largest difference {gap:.1e}, "
        f"{torch.get_num_threads()} threads"
    )


def beside_library(arguments: argparse.Namespace, size: int) -> Any:
    from sentence_transformers import SentenceTransformer

    with open(arguments.table, newline="", encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file)][: arguments.samples]
    library = SentenceTransformer(arguments.checkpoint, device="cpu")
    model = natlib.Embedder(arguments.checkpoint, "text")
    return (
        lambda: model.embed(texts, batch_size=size),
        lambda: library.encode(texts, batch_size=size),
    )


def beside_loop(arguments: argparse.Namespace, size: int) -> Any:
    model: EmbeddingModel = natlib.load(arguments.run)
    modality = model.modality.model_copy(update={"max_samples": arguments.samples})
    samples = modality.dataset("train")
    assert samples is not None  # there are always training samples

    @torch.no_grad()
    def loop() -> Vectors:
        loader: DataLoader[Any] = DataLoader(
            samples,  # type: ignore[arg-type]
            batch_size=size,
            collate_fn=modality.collate,
        )
        rows = [model.encoder(modality.plain(batch)) for batch in loader]
        return torch.cat(rows).numpy()

    return lambda: model.embed_set(samples, batch_size=size).vectors, loop


if __name__ == "__main__":
    main()
