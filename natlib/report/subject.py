"""The trained model of a run, its samples and their features."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from natlib.data import Modality, SampleSet, random_part, training_samples
from natlib.doctor import EXAMINED
from natlib.encoders import Encoder
from natlib.evaluation import encode
from natlib.model import Model, load
from natlib.report.gallery import Gallery
from natlib.runs import RunLog
from natlib.training import RunDirectory, decoding_workers, start_of

__all__ = ["Subject", "Tell", "read_subject"]

Tell = Callable[[str, int, int], None]
"""Called with the stage, the number of steps done and their total."""


@dataclass(frozen=True)
class Subject:
    """A trained model, what it was before, and the samples that a report shows.

    Shapes: u samples.

    Attributes:
        model: encoder and objective of the run.
        modality: prepares inputs.
        samples: the training samples of the run.
        index: int64[u], the samples that the report shows, in ascending order.
        examined: int64[·], the rows of the samples that ``natlib doctor`` looks at.
        labels: int64[u], -1 if a sample has none; None if no sample has any.
        features: Tensor[u, ·] of ``encoder``, ``head`` and ``start``.
        start: the encoder as it began.
        start_name: what that is called.
        gallery: thumbnails of the samples.
        seed: seed of all random choices.
    """

    model: Model
    modality: Modality
    samples: SampleSet
    index: Tensor
    examined: Tensor
    labels: Tensor | None
    features: dict[str, Tensor]
    start: Encoder
    start_name: str
    gallery: Gallery
    seed: int

    def label_of(self, row: int) -> str | None:
        """The name of a sample's class; None if it has none."""
        if self.labels is None or self.labels[row] < 0:
            return None
        return self.samples.classes[int(self.labels[row])]

    def name_of(self, row: int) -> str:
        """The name of a sample."""
        return str(self.samples.names[int(self.index[row])])

    def draw(self, count: int) -> Tensor:
        """Rows int64[count] of random samples, with classes in turn if there are labels."""
        own = torch.Generator().manual_seed(self.seed)
        order = torch.randperm(len(self.index), generator=own)
        if self.labels is not None:
            # The first sample of every class, then the second one of every class, and so on.
            shuffled = self.labels[order]
            round_of = torch.zeros(len(order), dtype=torch.int64)
            for label in torch.unique(shuffled):
                mine = shuffled == label
                round_of[mine] = torch.arange(int(mine.sum()))
            order = order[torch.argsort(round_of * (len(self.samples.classes) + 1) + shuffled)]
        return order[:count]


def read_subject(log: RunLog, points: int, tell: Tell) -> Subject:
    """Load the model and embed training samples without augmentation.

    Args:
        log: the run.
        points: maximum number of samples, chosen at random.
        tell: receives the progress.

    Raises:
        RunNotFoundError: there is no model yet.
        CheckpointError: the model is damaged.
        DataError: the samples cannot be read.
        NonFiniteError: an output holds NaN or infinity.
    """
    config, directory = log.config, RunDirectory(log.path)
    model = load(log.path)
    workers = decoding_workers(config.training)
    samples = training_samples(model.modality, config.labels, directory.index)
    samples.preload(workers, partial(tell, "reading samples"))
    seed, all_usable = config.evaluation.seed, samples.usable.cpu()
    usable = random_part(all_usable, points, seed)
    examined = random_part(all_usable, min(points, EXAMINED), seed)
    start = start_of(config, directory)
    beside = start.encoder(
        model.modality,
        samples,
        usable,
        device=model.device,
        batch_size=config.evaluation.batch_size,
        workers=workers,
    )
    encoded = encode(
        model.modality,
        samples,
        model.encoder,
        device=model.device,
        index=usable,
        objective=model.objective,
        start=beside,
        batch_size=config.evaluation.batch_size,
        workers=workers,
        progress=partial(tell, "embedding samples"),
    )
    return Subject(
        model,
        model.modality,
        samples,
        encoded.index,
        torch.isin(encoded.index, examined).nonzero().flatten(),
        encoded.labels,
        encoded.features,
        beside,
        start.name,
        Gallery(model.modality, samples),
        seed,
    )
