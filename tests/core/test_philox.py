"""Counter-based random numbers against the published known answers."""

import math

import pytest
import torch

from natlib.targets.philox import ROUNDS, normal_rows, philox4x32

# Random123's kat_vectors: rounds, counter, key, answer of Philox4x32.
KNOWN = [
    (10, "00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    (10, "ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (10, "243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
    (7, "00000000 00000000 00000000 00000000", "00000000 00000000",
     "5f6fb709 0d893f64 4f121f81 4f730a48"),
    (7, "ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "5207ddc2 45165e59 4d8ee751 8c52f662"),
    (7, "243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "4dfccaba 190a87f0 c47362ba b6b5242a"),
]  # fmt: skip


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def reference(counter: list[int], key: list[int], rounds: int = ROUNDS) -> list[int]:
    """Philox4x32 in Python's own integers, from the paper."""
    c, k = list(counter), list(key)
    for _ in range(rounds):
        low, high = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(high >> 32) ^ c[1] ^ k[0], high & 0xFFFFFFFF,
             (low >> 32) ^ c[3] ^ k[1], low & 0xFFFFFFFF]  # fmt: skip
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


@pytest.mark.parametrize(("rounds", "counter", "key", "answer"), KNOWN)
def test_known_answers(rounds: int, counter: str, key: str, answer: str) -> None:
    tensors = tuple(torch.tensor([word]) for word in words(counter))
    first, second = words(key)
    found = philox4x32(tensors, (first, second), rounds)  # type: ignore[arg-type]
    assert [int(word) for word in found] == words(answer)
    assert reference(words(counter), words(key), rounds) == words(answer)


@pytest.mark.parametrize("whole", range(16))
def test_counters_broadcast(whole: int) -> None:
    shapes = [(3, 5) if whole >> word & 1 else ((3, 1), (1, 5))[word % 2] for word in range(4)]
    small = [torch.randint(0, 2**32, shape) for shape in shapes]
    kept = [word.clone() for word in small]
    found = philox4x32((small[0], small[1], small[2], small[3]), (8, 9))
    c0, c1, c2, c3 = (word.expand(3, 5).contiguous() for word in small)
    for a, b in zip(found, philox4x32((c0, c1, c2, c3), (8, 9)), strict=True):
        assert torch.equal(a, b)
    assert all(torch.equal(a, b) for a, b in zip(small, kept, strict=True))


def test_the_counter_is_not_modified() -> None:
    counter = tuple(torch.full((3,), value) for value in (1, 2, 3, 4))
    philox4x32(counter, (5, 6))  # type: ignore[arg-type]
    assert [word.tolist() for word in counter] == [[1] * 3, [2] * 3, [3] * 3, [4] * 3]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63, 2**64 - 1])
@pytest.mark.parametrize("slot", [0, 1, 2**31, 2**32, 2**32 + 1, 2**40, 2**62])
def test_rows_are_box_muller_of_the_documented_counter(seed: int, slot: int) -> None:
    rows = normal_rows(seed, torch.tensor([slot]), 7, torch.float64)[0]
    expected: list[float] = []
    for position in range(2):
        counter = [slot & 0xFFFFFFFF, slot >> 32, position, 0]
        x = reference(counter, [seed & 0xFFFFFFFF, seed >> 32])
        for radius, angle in (x[:2], x[2:]):
            # The middles of 2^32 intervals, so that no logarithm is infinite.
            length = math.sqrt(-2 * math.log((radius + 0.5) / 2**32))
            turn = 2 * math.pi * angle / 2**32
            expected += [length * math.cos(turn), length * math.sin(turn)]
    wanted = torch.tensor(expected[:7], dtype=torch.float64)
    torch.testing.assert_close(rows, wanted, rtol=1e-13, atol=1e-13)


def test_different_seeds_and_slots_differ_everywhere() -> None:
    seeds = [0, 1, 2**32, 2**32 + 1, 2**63, 2**64 - 1]
    slots = torch.tensor([0, 1, 2, 2**16, 2**32, 2**32 + 1, 2**33, 2**40])
    rows = torch.cat([normal_rows(seed, slots, 8, torch.float64) for seed in seeds])
    assert rows.flatten().unique().numel() == rows.numel()
