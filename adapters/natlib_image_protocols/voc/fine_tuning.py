"""Fine-tune an encoder with a linear layer that predicts the classes in an image."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from natlib.encoders import Encoder, StagedEncoder
from natlib.errors import ConfigError
from natlib_image.augmentation import Augmentation
from natlib_image_protocols.voc.one_vs_rest import binary_loss
from natlib_image_protocols.voc.prepared import VocSamples

__all__ = ["Classifier", "fine_tune", "head_stages"]

# Large crops, so that they mostly still show what the labels name.
_VIEWS = Augmentation(
    crop="resized", crop_scale=(0.3, 1.0), flip=0.5, jitter=0.0, grey=0.0, blur=0.0, solarise=0.0
)
_WEIGHT_DECAY = 1e-4


class Classifier(nn.Module):
    """Encoder and linear layer; some stages of the encoder may be frozen.

    Args:
        encoder: the encoder; training changes it.
        classes: c.
        trained: names of the stages that are trained; None trains all of them.
    """

    def __init__(self, encoder: Encoder, classes: int, trained: list[str] | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.linear = nn.Linear(encoder.dim, classes)
        self._frozen: list[nn.Module] = []
        if trained is not None and isinstance(encoder, StagedEncoder):
            self._frozen = [part for name, part in encoder.body.items() if name not in trained]
        for part in self._frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> "Classifier":
        super().train(mode)
        for part in self._frozen:
            part.eval()  # their batch norms keep their statistics
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.encoder(inputs))
        return logits


def head_stages(encoder: Encoder, input_shape: tuple[int, ...]) -> list[str]:
    """The fully connected stages of an encoder, or its last stage if it has none.

    Raises:
        ConfigError: the encoder is not a chain of stages.
    """
    if not isinstance(encoder, StagedEncoder):
        raise ConfigError(
            "this encoder is not a chain of stages, so it is unknown which layers are its head; "
            "use train=frozen or train=all"
        )
    parameter = next(encoder.parameters())
    was_training = encoder.training
    with torch.no_grad():
        outputs = encoder.eval().stages(parameter.new_zeros(1, *input_shape))
    encoder.train(was_training)
    names = list(outputs)
    last_map = max((n for n, name in enumerate(names) if outputs[name].ndim == 4), default=-1)
    weighty = [name for name in names if any(True for _ in encoder.body[name].parameters())]
    return [name for name in names[last_map + 1 :] if name in weighty] or weighty[-1:]


def fine_tune(
    encoder: Encoder,
    data: VocSamples,
    index: Tensor,
    *,
    trained: list[str] | None,
    learning_rate: float,
    epochs: int,
    batch_size: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> Classifier:
    """Train a copy of an encoder and a fresh linear layer with AdamW and a cosine schedule.

    Draws from torch's global generators, and seeds that of the CPU.

    Args:
        encoder: the encoder to start from; it is copied.
        data: the set.
        index: int64[n], the images to train on.
        trained: see :class:`Classifier`.
        learning_rate: the highest learning rate.
        epochs: passes over the images.
        batch_size: images in a step.
        seed: of the linear layer, the order of images and the crops.
        progress: called with the steps done and the steps in all.
    """
    torch.manual_seed(seed)
    model = Classifier(copy.deepcopy(encoder), len(data.splits.classes), trained).to(data.device)
    views = data.modality.model_copy(update={"augment": _VIEWS})
    optimizer = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=learning_rate,
        weight_decay=_WEIGHT_DECAY,
    )
    steps = epochs * math.ceil(len(index) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    done = 0
    for _ in range(epochs):
        for batch in data.batches(index[torch.randperm(len(index))], batch_size):
            done += 1
            # Batch norms after a global average need more than one image.
            if len(batch.index) > 1 or len(index) == 1:
                optimizer.zero_grad()
                logits = model(views.views(batch, 1)[0])
                binary_loss(logits, data.labels[batch.index.cpu()].to(data.device)).backward()
                optimizer.step()
            schedule.step()
            progress(done, steps)
    return model.eval()
