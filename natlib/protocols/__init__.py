"""Evaluation protocols: each gives one table of figures beside their baselines."""

from natlib.protocols.base import Protocol, Subject
from natlib.protocols.clusters import Clusters
from natlib.protocols.few_labels import FewLabels
from natlib.protocols.finetune import Finetune
from natlib.protocols.finetuning import FineTuning
from natlib.protocols.knn import Knn
from natlib.protocols.layers import Layers
from natlib.protocols.linear import Linear
from natlib.protocols.mlp import Mlp, MlpTraining
from natlib.protocols.retrieval import Retrieval
from natlib.protocols.running import (
    compose_protocol,
    run_protocol,
    subject_as_it_came,
    subject_of,
)
from natlib.protocols.semi import Semi
from natlib.protocols.standard import Standard

__all__ = [
    "Clusters",
    "FewLabels",
    "FineTuning",
    "Finetune",
    "Knn",
    "Layers",
    "Linear",
    "Mlp",
    "MlpTraining",
    "Protocol",
    "Retrieval",
    "Semi",
    "Standard",
    "Subject",
    "compose_protocol",
    "run_protocol",
    "subject_as_it_came",
    "subject_of",
]
