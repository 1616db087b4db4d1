"""What training keeps and a trained model does not need."""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

__all__ = ["TrainingState", "training_states"]


class TrainingState(nn.Module):
    """State that evolves during training, such as a table with a row for each sample.

    Checkpoints contain it, like all parameters and buffers of what is trained. The model folder
    does not, so its tensors may depend on the number of samples. Whoever trains finds every
    instance by itself, at any depth (:func:`training_states`): an objective that contains one
    forwards nothing.
    """

    def merge(self) -> None:
        """Bring the state of all processes together; a collective call.

        Needed only where each process changes its own copy. Called before every checkpoint and at
        the end of every epoch. Training state inside this module is merged by its own call.
        """

    def setup(self, folder: Path) -> None:
        """Receive a folder for what is too large for a checkpoint; called once, before training.

        All processes call it, the first one before the others, with the same folder. The folder is
        kept as long as the run is, and given again when the run resumes.

        Args:
            folder: belongs to this module alone; not created yet.

        Raises:
            CheckpointError: nothing can be written there.
        """


def training_states(module: nn.Module) -> Iterator[tuple[str, TrainingState]]:
    """All training state inside a module, with its dotted name; the module itself is ``""``."""
    for name, part in module.named_modules():
        if isinstance(part, TrainingState):
            yield name, part
