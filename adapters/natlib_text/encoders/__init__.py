"""Encoders for text; inputs are token numbers, with 0 as padding."""
