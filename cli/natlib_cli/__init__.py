"""The ``natlib`` command. Thin: parse, call, print."""
