"""Index as many image files as ImageNet has, and report the time and the memory.

Makes FILES hard links to tiny JPEG files in 1,000 folders under a temporary folder, indexes
them, lets worker processes of a data loader decode some, and removes everything.

    python benchmarks/index_imagenet.py --files 1281167 --workers 8
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image as PILImage

from natlib.data import load_batches
from natlib_image import Image

FOLDERS = 1000
BATCHES = 8
BATCH = 256


def make(root: Path, files: int) -> None:
    rng = np.random.default_rng(0)
    for number in range(FOLDERS):
        folder = root / "train" / f"n{number:08d}"
        folder.mkdir(parents=True)
        share = files // FOLDERS + (number < files % FOLDERS)
        first = folder / f"n{number:08d}_0.JPEG"
        PILImage.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(first, "JPEG")
        for row in range(1, share):
            os.link(first, folder / f"n{number:08d}_{row}.JPEG")
        # As if it had been there for a while: fresh folders are not cached.
        os.utime(folder, (1e9, 1e9))
    os.utime(root / "train", (1e9, 1e9))


def mib(pid: int | str, field: str) -> float:
    """A line of the kernel's account of a process's memory."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(field)) / 1024


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1_281_167)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        root, cache = Path(folder) / "images", Path(folder) / "cache"
        started = time.perf_counter()
        make(root, options.files)
        print(f"made {options.files:,} files in {time.perf_counter() - started:.0f} s")
        modality = Image(source=str(root), size=8, resize=8, cache_gib=0.0)
        print(f"before: {mib('self', 'Rss:'):.0f} MiB resident")
        for what in ("read the folder", "from the cached index"):
            started = time.perf_counter()
            samples = modality.dataset("train", cache)
            assert samples is not None
            assert len(samples) == options.files
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{what}: {time.perf_counter() - started:.1f} s, "
                f"{mib('self', 'Rss:'):.0f} MiB resident, {peak:.0f} MiB at the peak"
            )
        order = torch.randperm(len(samples))[: BATCHES * BATCH].view(BATCHES, BATCH).tolist()
        loaded = load_batches(
            modality, samples, order, device=torch.device("cpu"), workers=options.workers
        )
        for done, _ in enumerate(loaded, start=1):
            if done == BATCHES // 2:
                each = [mib(pid, "Pss:") for pid in children()]
                total = mib("self", "Pss:") + sum(each)
                print(
                    f"{len(each)} workers: {', '.join(f'{size:.0f}' for size in each)} MiB "
                    f"(proportional), {total:.0f} MiB with the main process"
                )


if __name__ == "__main__":
    main()
