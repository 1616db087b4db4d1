"""Tables made up for tests."""

from pathlib import Path

import numpy as np


def write_customers(path: Path, count: int = 160) -> Path:
    """A CSV file of people who stay or leave, some of whose incomes are missing."""
    rng = np.random.default_rng(0)
    lines = ["customer,age,income,city,visits,stays,split"]
    for number in range(count):
        stays = bool(rng.random() < 0.5)
        income = "" if rng.random() < 0.1 else f"{rng.normal(40_000, 9_000):.0f}"
        cells = (
            f"c{number:04d}", int(rng.normal(50 if stays else 35, 8)), income,
            rng.choice(["north", "south", "east"]), int(rng.poisson(6 if stays else 2)),
            "yes" if stays else "no", "test" if number % 4 == 3 else "train",
        )  # fmt: skip
        lines.append(",".join(map(str, cells)))
    path.write_text("\n".join(lines) + "\n")
    return path
