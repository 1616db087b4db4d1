"""Encoders for images."""
