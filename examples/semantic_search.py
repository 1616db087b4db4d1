"""Search texts by meaning, with the vectors that ``natlib embed`` has written.

    natlib train --modality text --data notes.txt --out runs/notes
    natlib embed runs/notes notes.txt --out notes.npz
    python examples/semantic_search.py runs/notes notes.txt notes.npz "storm at sea"

Without a query it asks for one, again and again, until it gets an empty line.
"""

import argparse
from pathlib import Path

import numpy as np

import natlib


class Search:
    """Texts by their vectors.

    Args:
        run: the run that the vectors come from; it embeds the queries.
        source: what was embedded, for the words of what is found.
        vectors: the file that ``natlib embed`` wrote.
    """

    def __init__(self, run: Path, source: str, vectors: Path) -> None:
        self.model = natlib.load(run)
        with np.load(vectors) as file:
            embeddings, self.names, self.splits = (
                file[name] for name in ("embeddings", "names", "splits")
            )
        self.rows = unit(embeddings)
        modality = self.model.modality.with_source(source)
        self.sets = {split: modality.dataset(split) for split in np.unique(self.splits).tolist()}
        self.place = {
            (split, name): row
            for split, samples in self.sets.items()
            for row, name in enumerate(samples.names)
        }

    def find(self, query: str, count: int) -> list[tuple[float, str, str]]:
        """The nearest texts: cosine, name and words of each, the nearest first."""
        cosines = self.rows @ unit(self.model.embed([query]))[0]
        found = []
        for row in np.argsort(-cosines)[:count]:
            split, name = self.splits[row].item(), self.names[row].item()
            text = self.sets[split][self.place[split, name]].text
            found.append((float(cosines[row]), name, " ".join(text.split())))
        return found


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1, whose dot products are cosines."""
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("source")
    parser.add_argument("vectors", type=Path)
    parser.add_argument("query", nargs="?")
    parser.add_argument("--count", type=int, default=5, help="texts to show")
    arguments = parser.parse_args()
    search = Search(arguments.run, arguments.source, arguments.vectors)
    asked = [arguments.query] if arguments.query else iter(lambda: input("search for: "), "")
    for query in asked:
        for cosine, name, text in search.find(query, arguments.count):
            print(f"{cosine:5.2f}  {name:20}  {text[:100]}")


if __name__ == "__main__":
    main()
