"""Picture of what a detector finds among drawn shapes, from what was recorded:

python docs/pictures/detections.py

trains a small detector on made-up images and writes docs/measured/detections.json.
"""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

__all__ = ["draw"]

RECORDED = Path(__file__).parents[1] / "measured" / "detections.json"
SHAPES = ("square", "disc")
WIDTH, HEIGHT, SHOWN, SURE = 96, 72, 4, 0.5
KEYS = ("boxes", "labels", "scores")


def draw(folder: Path) -> None:
    """Write the picture."""
    from pictures.style import Theme, save

    record = json.loads(RECORDED.read_text(encoding="utf-8"))

    def plot(theme: Theme) -> Figure:
        figure, axes = plt.subplots(1, SHOWN, figsize=(8.2, 1.75))
        for axis, image in zip(axes, record["images"], strict=True):
            axis.set(xlim=(0, WIDTH), ylim=(HEIGHT, 0), xticks=[], yticks=[], aspect="equal")
            axis.patch.set_alpha(0)
            for spine in axis.spines.values():
                spine.set_color(theme.faint)
            for item in image["truth"]:
                fill(axis, item, theme.colours[SHAPES.index(item["class"])])
            said: list[tuple[float, float]] = []
            for item in image["found"]:
                left, top, right, bottom = item["box"]
                axis.add_patch(
                    Rectangle((left, top), right - left, bottom - top, fill=False, ec=theme.ink)
                )
                text = f"{item['class']} {item['score']:.2f}"
                # A second answer for the same shape stands below it.
                second = any(abs(left - x) + abs(top - y) < 12 for x, y in said)
                place, align = (bottom + 1, "top") if second else (top - 1, "bottom")
                axis.text(left, place, text, color=theme.ink, fontsize=5.6, va=align)
                said.append((left, top))
        figure.tight_layout(pad=0.5)
        return figure

    save(folder, "detections", plot)


def fill(axis: Axes, item: dict[str, Any], colour: str) -> None:
    """A shape as it was drawn."""
    left, top, right, bottom = item["box"]
    if item["class"] == "square":
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, color=colour, lw=0))
    else:
        middle = ((left + right) / 2, (top + bottom) / 2)
        axis.add_patch(Circle(middle, (right - left) / 2, color=colour, lw=0))


def scene(rng: Any) -> Any:
    """A grey image with up to five shapes of any brightness that do not overlap."""
    import numpy as np
    import torch

    from natlib_image_protocols.voc.scaled import ScaledImage

    pixels = rng.integers(90, 140, (HEIGHT, WIDTH)).astype(np.uint8)
    boxes: list[list[int]] = []
    labels: list[int] = []
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    for _ in range(int(rng.integers(2, 6))):
        side = int(rng.integers(12, 28))
        left, top = int(rng.integers(0, WIDTH - side)), int(rng.integers(9, HEIGHT - side))
        box = [left, top, left + side, top + side]
        if any(box[0] < b[2] and b[0] < box[2] and box[1] < b[3] and b[1] < box[3] for b in boxes):
            continue
        inside = (abs(x - left - side / 2) < side / 2) & (abs(y - top - side / 2) < side / 2)
        label = int(rng.integers(2))
        if SHAPES[label] == "disc":
            inside = (x - left - side / 2) ** 2 + (y - top - side / 2) ** 2 < (side / 2) ** 2
        pixels[inside] = rng.integers(0, 50) if rng.random() < 0.5 else rng.integers(180, 256)
        boxes.append(box)
        labels.append(label)
    return ScaledImage(
        torch.from_numpy(pixels).expand(3, -1, -1).clone(),
        torch.tensor(boxes, dtype=torch.float32),
        torch.tensor(labels),
        torch.zeros(len(boxes), dtype=torch.bool),
    )


def record() -> None:
    """Train a detector, and write down what it finds in images that it has not seen."""
    import numpy as np
    import torch

    from natlib_image import Image
    from natlib_image.encoders.convnet import ConvNet
    from natlib_image_protocols.voc.detection_metric import detection_precision
    from natlib_image_protocols.voc.detection_training import detect, train_detector
    from natlib_image_protocols.voc.detector import DetectorShape, build_detector

    rng = np.random.default_rng(0)
    known, asked = ([scene(rng) for _ in range(count)] for count in (80, 40))
    modality = Image(source="digits", size=32, resize=32)
    shape = DetectorShape(
        short_side=HEIGHT, long_side=WIDTH, pyramid=False, batch_norm=True, backbone=True,
        regions=32, proposals=50, head_width=64,
    )  # fmt: skip

    def build() -> torch.nn.Module:
        encoder = ConvNet(widths=(16, 32, 32)).build((3, 32, 32))
        return build_detector(encoder, modality, len(SHAPES), shape)

    common: dict[str, Any] = {
        "batch_size": 4, "device": torch.device("cpu"), "workers": 0,
        "progress": lambda done, total: None,
    }  # fmt: skip
    detector = train_detector(build, known, epochs=20, learning_rate=0.02, seed=0, **common)
    found, truth = detect(detector, asked, **common)
    images = [
        {
            "truth": [
                {"class": SHAPES[label], "box": box}
                for box, label in zip(image.boxes.tolist(), image.labels.tolist(), strict=True)
            ],
            "found": [
                {"class": SHAPES[label], "box": [round(x, 1) for x in box], "score": round(s, 3)}
                for box, label, s in zip(*(own[k].tolist() for k in KEYS), strict=True)
                if s >= SURE
            ],
        }
        for own, image in zip(found[:SHOWN], truth[:SHOWN], strict=True)
    ]
    precision = detection_precision(found, truth, SHAPES)
    text = json.dumps({"test_images": len(asked), **precision, "images": images}, indent=1)
    RECORDED.write_text(text + "\n", encoding="utf-8")
    print(precision)


if __name__ == "__main__":
    record()
