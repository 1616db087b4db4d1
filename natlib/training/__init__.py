"""Run configuration, the loop, checkpoints and everything around them."""

from natlib.runtime.progress import ConsoleProgress, ProgressReporter, SilentProgress, stages
from natlib.training.compose import compose
from natlib.training.config import (
    EvaluationConfig,
    OptimizerConfig,
    RunConfig,
    ScheduleConfig,
    TrainingConfig,
)
from natlib.training.processes import computing_device, decoding_workers
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
    "computing_device",
    "decoding_workers",
    "resume",
    "stages",
    "train",
]
