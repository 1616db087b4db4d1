"""Encoders for sound."""
