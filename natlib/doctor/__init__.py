"""Diagnose runs and data sets: verdicts with evidence and a next step."""

from natlib.doctor.data import DATA_DIAGNOSES, DataReport, diagnose_data
from natlib.doctor.diagnose import DIAGNOSES, RunReport, diagnose, diagnose_examined
from natlib.doctor.embeddings import LOWEST_SPREAD
from natlib.doctor.examination import EXAMINED, Examination, examine
from natlib.doctor.finding import Diagnosis, Finding, Verdict, evidence_text
from natlib.doctor.record import RunRecord
from natlib.doctor.samples import MOST_LOADER_SHARE, MOST_SOLVER_SHARE

__all__ = [
    "DATA_DIAGNOSES",
    "DIAGNOSES",
    "EXAMINED",
    "LOWEST_SPREAD",
    "MOST_LOADER_SHARE",
    "MOST_SOLVER_SHARE",
    "DataReport",
    "Diagnosis",
    "Examination",
    "Finding",
    "RunRecord",
    "RunReport",
    "Verdict",
    "diagnose",
    "diagnose_data",
    "diagnose_examined",
    "evidence_text",
    "examine",
]
