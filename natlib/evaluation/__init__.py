"""How good are the features: kNN and linear probes beside their baselines."""

from natlib.evaluation.config import EvaluationConfig
from natlib.evaluation.embedded_splits import (
    ROWS,
    EmbeddedSplits,
    EvaluationProgress,
    embed_splits,
)
from natlib.evaluation.features import Encoded, encode
from natlib.evaluation.knn import knn_predict
from natlib.evaluation.linear import LinearProbe, fit_linear_probe
from natlib.evaluation.protocol import evaluate, online_knn, percent
from natlib.evaluation.protocol_result import Figure, ProtocolDetails, ProtocolResult
from natlib.evaluation.random_encoder import random_encoder
from natlib.evaluation.result import Accuracy, Evaluation, EvaluationDetails, Row
from natlib.evaluation.splits import (
    Splits,
    find_splits,
    has_labels,
    split_training_samples,
    stratified_split,
)

__all__ = [
    "ROWS",
    "Accuracy",
    "EmbeddedSplits",
    "Encoded",
    "Evaluation",
    "EvaluationConfig",
    "EvaluationDetails",
    "EvaluationProgress",
    "Figure",
    "LinearProbe",
    "ProtocolDetails",
    "ProtocolResult",
    "Row",
    "Splits",
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
