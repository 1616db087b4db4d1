"""Values that settings are given at random, most of which make no sense."""

import random
from typing import Any

from natlib.escaping import shown

__all__ = ["nasty_value", "near", "show"]

_NUMBERS: list[Any] = [
    0, -1, 1, 2, 3, 7, 64, 10**5, 10**7, 2**31, 2**31 - 1, 2**32, 2**53 + 1, 2**62, 2**63 - 1,
    2**63, 2**64 - 1, 2**64, -(2**63), 10**30, 10**400,
    0.0, -0.0, 0.5, 0.999999999, 1.0, 1.0000001, 2.5, -0.5, 1e-9, 1e-320, 1e-45, 1e9, 1e38, 1e39,
    1e300, 1e308, float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
_WORDS: list[Any] = [
    "", " ", "a", "nan", "inf", "null", "true", "on", "1e3", "0x10", "../..", "/", "/dev/null",
    "~", "nat", "kind", "é", "e\u0301", "\u202e", "\x00", "\x1b[31m", "a\nb", "\ud800", "'", '"',
    "{", "[", "*", "&a", "!!python/object", "x" * 10_000,
]  # fmt: skip
_OTHERS: list[Any] = [None, True, False]


def nasty_value(chance: random.Random, depth: int = 0) -> Any:
    """A value of any type that a configuration file can hold."""
    kind = chance.random()
    if kind < 0.5:
        return chance.choice(_NUMBERS)
    if kind < 0.7:
        return chance.choice(_WORDS)
    if kind < 0.78 or depth > 2:
        return chance.choice(_OTHERS)
    count = chance.choice([0, 1, 1, 2, 2, 3, 5])
    if kind < 0.9:
        return [nasty_value(chance, depth + 1) for _ in range(count)]
    if kind < 0.92:
        return [chance.choice(_NUMBERS)] * 3_000
    keys = ["kind", "dim", "seed", "weight", "a", "", "1", "é"]
    return {chance.choice(keys): nasty_value(chance, depth + 1) for _ in range(count)}


def near(chance: random.Random, value: Any) -> Any:
    """A value that resembles one which is accepted."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return chance.choice([0, 1, 2, value // 2, value - 1, value + 1, 2 * value, 1000 * value])
    if isinstance(value, float):
        factor = chance.choice([0.0, 1e-12, 0.1, 0.5, 0.9, 1.1, 2.0, 10.0, 1e6, -1.0])
        return value * factor
    if isinstance(value, list | tuple):
        parts = [near(chance, part) for part in value]
        return chance.choice([parts, parts[1:], parts + parts, parts[::-1], []])
    return chance.choice([1, 2, 0.5, "nat", None, value if isinstance(value, str) else 3])


def show(value: Any) -> str:
    """A value in a report: short, and printable anywhere."""
    return ascii(shown(value))
