"""Evaluation of features: kNN and linear probes beside their baselines."""

from natlib.evaluation.accuracy import percent
from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.embedded_splits import (
    EmbeddedSplits,
    EvaluationProgress,
    embed_splits,
)
from natlib.evaluation.features import Encoded, encode
from natlib.evaluation.knn import knn_predict
from natlib.evaluation.linear import LinearProbe, fit_linear_probe
from natlib.evaluation.online import online_knn
from natlib.evaluation.random_encoder import random_encoder
from natlib.evaluation.result import Evaluation, EvaluationDetails, Figure
from natlib.evaluation.splits import (
    Splits,
    find_splits,
    has_labels,
    split_training_samples,
    stratified_split,
)
from natlib.evaluation.standard import STANDARD, evaluate
from natlib.evaluation.start import Start

__all__ = [
    "STANDARD",
    "EmbeddedSplits",
    "Encoded",
    "Evaluation",
    "EvaluationConfig",
    "EvaluationDetails",
    "EvaluationProgress",
    "Figure",
    "LinearProbe",
    "Splits",
    "Start",
    "embed_splits",
    "encode",
    "evaluate",
    "find_splits",
    "fit_linear_probe",
    "has_labels",
    "knn_predict",
    "online_knn",
    "percent",
    "random_encoder",
    "split_training_samples",
    "stratified_split",
]
