"""A small run of any modality on its embedded samples."""

__all__ = ["small"]


def small(kind: str) -> list[str]:
    """Arguments of ``natlib train``: 3 updates an epoch, the encoder that is trained by default."""
    settings = (
        "training.device=cpu", "training.workers=0", "training.batch_size=16",
        "training.log_every_steps=1", "training.knn_every_epochs=1",
        "objective.head.widths=[16]", "objective.targets.dim=8",
        "objective.assignment=stream", "objective.assignment.slots=2",
        "evaluation.weight_decays=[1.0]", "evaluation.max_train_samples=48",
    )  # fmt: skip
    words = ["--modality", kind, "--preset", "nat", "--max-samples", "48", "--epochs", "2"]
    return words + [word for setting in settings for word in ("--set", setting)]
