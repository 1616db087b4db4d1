"""Diagnose runs and data sets: verdicts with evidence and a next step."""

from natlib.doctor.data import DATA_DIAGNOSES, DataReport, diagnose_data
from natlib.doctor.diagnose import DIAGNOSES, RunReport, diagnose
from natlib.doctor.finding import Diagnosis, Finding, Verdict

__all__ = [
    "DATA_DIAGNOSES",
    "DIAGNOSES",
    "DataReport",
    "Diagnosis",
    "Finding",
    "RunReport",
    "Verdict",
    "diagnose",
    "diagnose_data",
]
