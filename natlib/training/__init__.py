"""Run configuration, the loop, checkpoints and everything around them."""

from natlib.training.compose import compose
from natlib.training.config import (
    EvaluationConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
    TrainingConfig,
)
from natlib.training.progress import ConsoleProgress, ProgressReporter, SilentProgress
from natlib.training.run_directory import RunDirectory
from natlib.training.train import TrainResult, resume, train

__all__ = [
    "ConsoleProgress",
    "EvaluationConfig",
    "OptimizerConfig",
    "ProgressReporter",
    "RunConfig",
    "RunDirectory",
    "ScheduleConfig",
    "SilentProgress",
    "TrainResult",
    "TrainingConfig",
    "compose",
    "resume",
    "train",
]
