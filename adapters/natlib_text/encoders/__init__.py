"""Encoders for text: they read numbers of tokens, and 0 as padding."""
