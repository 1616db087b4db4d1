"""State that training needs and a trained model does not."""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

__all__ = ["TrainingState", "training_states"]


class TrainingState(nn.Module):
    """State that evolves during training, such as a table with a row for each sample.

    Checkpoints contain it, like all parameters and buffers that are trained. The model folder does
    not, so its tensors may depend on the number of samples. The training loop finds every instance
    at any depth (:func:`training_states`): an objective that contains one forwards no calls.
    """

    def merge(self) -> None:
        """Merge the state of all processes; a collective call.

        Needed only if each process changes its own copy. Called before every checkpoint and at the
        end of every epoch. Training state inside this module gets a call of its own.
        """

    def setup(self, folder: Path) -> None:
        """Receive a folder for state too large for checkpoints; called once, before training.

        All processes call it with the same folder, the first process before the others. The folder
        exists as long as the run, and is given again when the run resumes.

        Args:
            folder: belongs to this module alone; not created yet.

        Raises:
            CheckpointError: it cannot be written to.
        """


def training_states(module: nn.Module) -> Iterator[tuple[str, TrainingState]]:
    """All training state inside a module, with its dotted name; the module itself is ``""``."""
    for name, part in module.named_modules():
        if isinstance(part, TrainingState):
            yield name, part
