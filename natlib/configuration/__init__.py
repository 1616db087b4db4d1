"""Configuration: YAML 1.2, presets, layers, errors in one line, files that explain themselves."""

from natlib.configuration.commented import commented_yaml
from natlib.configuration.json_text import json_text
from natlib.configuration.layers import Dropped, check_effect, dropped, merge, parse_setting
from natlib.configuration.messages import describe, describe_saved
from natlib.configuration.presets import preset_names, read_preset
from natlib.configuration.yaml12 import dump_yaml, parse_yaml, read_yaml

__all__ = [
    "Dropped",
    "check_effect",
    "commented_yaml",
    "describe",
    "describe_saved",
    "dropped",
    "dump_yaml",
    "json_text",
    "merge",
    "parse_setting",
    "parse_yaml",
    "preset_names",
    "read_preset",
    "read_yaml",
]
