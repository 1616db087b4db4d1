"""Everything that determines a run, in one value."""

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from natlib.component import Seed, Settings
from natlib.configuration import json_text
from natlib.data import LabelsConfig, Modality
from natlib.encoders import EncoderRecipe
from natlib.evaluation.config import EvaluationConfig
from natlib.objectives import NAT, Objective
from natlib.training.optimizers import AdamW, Optimizer
from natlib.training.schedules import Cosine, Schedule

__all__ = [
    "DeviceName",
    "EvaluationConfig",
    "LabelsConfig",
    "RunConfig",
    "TrainingConfig",
]


DeviceName = Literal["auto", "cpu", "cuda", "mps"]


class TrainingConfig(Settings):
    """The loop."""

    epochs: int = Field(default=100, ge=1)
    """Passes over the training samples."""
    batch_size: int = Field(default=256, ge=2)
    """Samples in a step over all processes together."""
    last_batch: Literal["spread", "drop"] = "spread"
    """``spread`` cuts an epoch into batches whose sizes differ by at most one, so that every
    sample is seen; ``drop`` leaves out what does not fill the last batch, as the paper does."""
    micro_batch: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    """Samples that a process encodes at once; null for all of its batch. Fewer need less memory and
    more time, since each is encoded twice (gradient caching); targets are matched, and the loss is
    computed, for the whole batch all the same. ``auto`` measures how many fit into memory, when
    the run begins. With batch norm, statistics are those of a part."""
    accumulate: int = Field(default=1, ge=1)
    """Batches whose gradients make one update; each is matched by itself."""
    optimizer: Optimizer = AdamW()
    """How weights are updated."""
    schedule: Schedule = Cosine()
    """How the learning rate changes over the run."""
    clip_gradient: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient; longer ones are shortened."""
    seed: Seed = 0
    """Seed of weights, order of samples, augmentation and dropout."""
    device: DeviceName = "auto"
    """``auto`` takes a CUDA device if there is one. ``mps``, a GPU of Apple, computes the encoder
    there and the rest on the CPU."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """``bf16`` runs encoder and head under autocast; matching and loss stay in float32."""
    compile: bool = False
    """Compile the encoder with torch.compile."""
    workers: int | None = Field(default=None, ge=0)
    """Processes that decode samples; by default one a core, none where samples are in memory."""
    checkpoint_every_steps: int | None = Field(default=None, ge=1)
    """Also write a checkpoint every N updates; one is written at the end of every epoch."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """How many checkpoints are kept."""
    log_every_steps: int = Field(default=10, ge=1)
    """Steps between two lines of ``metrics.jsonl``."""
    knn_every_epochs: int | None = Field(default=None, ge=1)
    """Measure kNN accuracy every N epochs, where there are labels."""

    @model_validator(mode="after")
    def _check_micro_batch(self) -> Self:
        if isinstance(self.micro_batch, int) and self.micro_batch >= self.batch_size:
            raise ValueError(
                f"micro_batch is {self.micro_batch} and batch_size {self.batch_size}, so no batch "
                "is cut into parts; set a smaller micro_batch, or leave it out"
            )
        return self


class RunConfig(Settings):
    """Everything that determines a run; ``config.yaml`` in the run directory is one."""

    preset: str | None = None
    """The preset that this started from (a note, not an instruction)."""
    data: Modality
    """The modality: where samples come from, how they are prepared, what views are."""
    encoder: EncoderRecipe | None = None
    """What is trained; by default the modality chooses for the device."""
    objective: Objective = NAT()
    """What is minimised."""
    labels: LabelsConfig | None = None
    """Labels that training sees; by default none, and labels serve evaluation only."""
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def digest(self) -> str:
        """SHA-256 of the configuration, in hexadecimal."""
        return hashlib.sha256(json_text(self).encode()).hexdigest()
