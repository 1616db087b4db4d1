"""Clips per second: of decoding, of log-mel and augmentation, and of training each encoder.

    python benchmarks/audio_speed.py [--batches 4] [--batch-size 32] [--kinds wav flac ogg mp3]
        [--encoders audio_convnet audio_resnet wav2vec]

Everything on one thread, on made-up clips of one second at 16 kHz. An encoder is the bottleneck as
long as it is slower than what comes before it. Decoding runs beside the training, in a worker
process, or once, if clips are kept in memory; views are made between two steps, on the device that
trains (here the processor). The last columns say which share of a step they take, and by how much
the input is faster than such a step. Times are of the processor, medians over batches.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile
import torch

import natlib
from natlib.data import Batch
from natlib.encoders import EncoderRecipe
from natlib_audio import Audio
from natlib_audio.encoders.convnet import AudioConvNet
from natlib_audio.encoders.resnet import AudioResNet
from natlib_audio.encoders.wav2vec import Wav2Vec

ENCODERS: list[EncoderRecipe] = [
    AudioConvNet(widths=(16, 32, 64)),
    AudioConvNet(),
    AudioResNet(),
    Wav2Vec(),
]
RATE, SECONDS = 16_000, 1.0


def write(folder: Path, kind: str, count: int) -> list[Path]:
    """Chirps with some noise, which no codec finds trivial."""
    random = np.random.default_rng(0)
    time_axis = np.arange(round(SECONDS * RATE)) / RATE
    files = []
    for number in range(count):
        low, high = random.uniform(100, 4000, 2)
        phase = 2 * np.pi * (low + (high - low) * time_axis / 2) * time_axis
        wave = 0.4 * np.sin(phase) + 0.02 * random.standard_normal(len(time_axis))
        files.append(folder / f"{number}.{kind}")
        soundfile.write(files[-1], wave.astype(np.float32), RATE)
    return files


def per_second(work: Callable[[int], object], batches: int, clips: int) -> float:
    """Clips in a second of the processor; a first batch warms up."""
    taken = []
    for number in range(batches + 1):
        began = time.process_time()
        work(number % batches)
        taken.append(time.process_time() - began)
    return clips / statistics.median(taken[1:])


def training(
    modality: Audio, recipe: EncoderRecipe, views: Sequence[list[torch.Tensor]], index: torch.Tensor
) -> Callable[[int], object]:
    """A whole step of training, on views that are made already."""
    torch.manual_seed(0)
    encoder = modality.complete(recipe).build(modality.input_shape)
    module = natlib.compose("audio", preset="nat").objective.build(encoder.dim)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *module.parameters()], lr=1e-3)

    def step(number: int) -> None:
        optimizer.zero_grad()
        module([encoder(view) for view in views[number]], index).loss.backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batches", type=int, default=4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--kinds", nargs="+", default=["wav", "flac", "ogg", "mp3"])
    kinds = list(dict.fromkeys(recipe.kind for recipe in ENCODERS))
    parser.add_argument("--encoders", nargs="+", choices=kinds, default=kinds)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    size, count = arguments.batch_size, arguments.batches
    decoded = {}
    batch: Batch
    print("| input | clips per second |\n|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in arguments.kinds:
            files = write(Path(folder), kind, size)
            modality = Audio(source=folder, rate=RATE, seconds=SECONDS, mean=0.0, std=1.0)

            def read(_: int, files: list[Path] = files, modality: Audio = modality) -> Batch:
                return modality.collate(modality.samples(files))

            decoded[kind] = per_second(read, count, size)
            print(f"| decode {kind}, one worker | {decoded[kind]:,.0f} |", flush=True)
            batch = read(0)
    forms = {}
    for form in ("log_mel", "waveform"):
        shaped = modality.model_copy(update={"representation": form})
        made = [shaped.views(batch, 2) for _ in range(count)]
        speed = per_second(lambda _, shaped=shaped: shaped.views(batch, 2), count, size)
        forms[form] = (shaped, made, speed)
        print(f"| two views, {form} | {speed:,.0f} |", flush=True)
    slowest = min(decoded, key=lambda kind: decoded[kind])
    print("\n| encoder | clips per second | share of views in a step, % ", end="")
    print(f"| decoding {slowest} in a worker is faster by |\n|---|---|---|---|")
    for recipe in ENCODERS:
        if recipe.kind not in arguments.encoders:
            continue
        form = "waveform" if isinstance(recipe, Wav2Vec) else "log_mel"
        shaped, made, views = forms[form]
        speed = per_second(training(shaped, recipe, made, batch.index), count, size)
        whole = 1 / (1 / speed + 1 / views)
        name = f"`{recipe.kind}`"
        if isinstance(recipe, AudioConvNet):
            name += f", widths {', '.join(map(str, recipe.widths))}"
        share, faster = 100 * whole / views, decoded[slowest] / whole
        print(f"| {name} | {speed:,.0f} | {share:.0f} | {faster:.0f} |", flush=True)


if __name__ == "__main__":
    main()
