"""Runs: configuration, training loop, checkpoints and the run directory."""

from natlib.runtime.progress import ConsoleProgress, ProgressReporter, SilentProgress, stages
from natlib.training.compose import asked_for, compose
from natlib.training.config import EvaluationConfig, RunConfig, TrainingConfig
from natlib.training.fitting import OpenSettings, left_open, parse_duration
from natlib.training.optimizers import SGD, AdamW, Optimizer
from natlib.training.processes import computing_device, decoding_workers
from natlib.training.result import TrainResult
from natlib.training.results import read_evaluations, save_evaluation
from natlib.training.run import Run
from natlib.training.run_directory import RunDirectory
from natlib.training.run_info import RunFailure, RunInfo
from natlib.training.schedules import Constant, Cosine, Schedule
from natlib.training.start import start_of
from natlib.training.train import resume, train

__all__ = [
    "SGD",
    "AdamW",
    "ConsoleProgress",
    "Constant",
    "Cosine",
    "EvaluationConfig",
    "OpenSettings",
    "Optimizer",
    "ProgressReporter",
    "Run",
    "RunConfig",
    "RunDirectory",
    "RunFailure",
    "RunInfo",
    "Schedule",
    "SilentProgress",
    "TrainResult",
    "TrainingConfig",
    "asked_for",
    "compose",
    "computing_device",
    "decoding_workers",
    "left_open",
    "parse_duration",
    "read_evaluations",
    "resume",
    "save_evaluation",
    "stages",
    "start_of",
    "train",
]
