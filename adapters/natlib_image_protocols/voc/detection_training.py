"""Train a detector, and detect objects with it."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from natlib.errors import NonFiniteError
from natlib_image_protocols.voc.scaled import ScaledImage, ScaledImages

__all__ = ["detect", "train_detector"]

_MOMENTUM = 0.9
_WEIGHT_DECAY = 1e-4
_WARMUP = 0.05
# In its first steps, a fresh box regressor may be far off.
_LONGEST_GRADIENT = 10.0


def train_detector(
    build: Callable[[], nn.Module],
    images: ScaledImages,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: torch.device,
    workers: int,
    progress: Callable[[int, int], None],
) -> nn.Module:
    """Train a detector by SGD with momentum, warm-up and a cosine schedule.

    Images are mirrored at random. Seeds torch's global generators and draws from them.

    Args:
        build: builds a detector of torchvision.
        images: the training images.
        epochs: passes over them.
        batch_size: images in a step.
        learning_rate: the highest learning rate.
        seed: of fresh weights, the order of images, mirroring and the choice of regions.
        device: the device to compute on.
        workers: processes that decode.
        progress: called with the steps done and the steps in all.

    Raises:
        NonFiniteError: the loss became NaN or infinite.
    """
    torch.manual_seed(seed)
    detector = build().to(device)
    weights = [p for p in detector.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(
        weights, lr=learning_rate, momentum=_MOMENTUM, weight_decay=_WEIGHT_DECAY
    )
    steps = epochs * math.ceil(len(images) / batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _factor(step, steps))
    detector.train()
    done = 0
    for _ in range(epochs):
        order = torch.randperm(len(images)).tolist()
        for batch in _batches(images, order, batch_size, workers):
            batch = [_mirrored(image) if torch.rand(()) < 0.5 else image for image in batch]
            losses = detector(
                [image.pixels.to(device).float() / 255 for image in batch],
                [_target(image, device) for image in batch],
            )
            loss = torch.stack(list(losses.values())).sum()
            if not math.isfinite(value := loss.item()):
                raise NonFiniteError(
                    f"the loss of the detector became {value} in step {done + 1} of {steps}; "
                    f"set learning_rates lower than {learning_rate:g}",
                    0,
                )
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, _LONGEST_GRADIENT)
            optimizer.step()
            schedule.step()
            done += 1
            progress(done, steps)
    return detector.eval()


@torch.no_grad()
def detect(
    detector: nn.Module,
    images: ScaledImages,
    *,
    batch_size: int,
    device: torch.device,
    workers: int,
    progress: Callable[[int, int], None],
) -> tuple[list[dict[str, Tensor]], list[ScaledImage]]:
    """Detect objects.

    Returns:
        For each image, ``boxes``, ``scores`` and ``labels`` (from 0) on the CPU; and the images,
        without their pixels.
    """
    found: list[dict[str, Tensor]] = []
    truth: list[ScaledImage] = []
    for batch in _batches(images, list(range(len(images))), batch_size, workers):
        for answer in detector([image.pixels.to(device).float() / 255 for image in batch]):
            own = {name: value.cpu() for name, value in answer.items()}
            # torchvision's 0 is the background.
            found.append(own | {"labels": own["labels"] - 1})
        truth += [image._replace(pixels=image.pixels[:, :0, :0]) for image in batch]
        progress(len(found), len(images))
    return found, truth


def _batches(
    images: ScaledImages, order: list[int], batch_size: int, workers: int
) -> Iterator[list[ScaledImage]]:
    loader: DataLoader[ScaledImage] = DataLoader(
        Subset(images, order), batch_size, num_workers=workers, collate_fn=list
    )
    yield from loader


def _factor(step: int, steps: int) -> float:
    """Share of the highest learning rate."""
    warmup = max(1, round(_WARMUP * steps))
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def _mirrored(image: ScaledImage) -> ScaledImage:
    left, top, right, bottom = image.boxes.unbind(1)
    width = image.pixels.shape[2]
    boxes = torch.stack([width - right, top, width - left, bottom], 1)
    return image._replace(pixels=image.pixels.flip(2), boxes=boxes)


def _target(image: ScaledImage, device: torch.device) -> dict[str, Tensor]:
    counts = ~image.difficult
    return {
        "boxes": image.boxes[counts].to(device),
        "labels": image.labels[counts].to(device) + 1,
    }
