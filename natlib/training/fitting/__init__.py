"""Runs that fit the machine: what a user leaves open is chosen by what data and machine allow."""

from natlib.training.fitting.duration import parse_duration, shown_duration
from natlib.training.fitting.open_settings import OpenSettings, left_open

__all__ = ["OpenSettings", "left_open", "parse_duration", "shown_duration"]
