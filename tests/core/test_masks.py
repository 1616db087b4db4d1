"""Completing partial matchings, and the masks that have none."""

import re

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from natlib.errors import MatchingError
from natlib.solvers.kernels.mask import check_feasible, complete

masks = st.tuples(
    st.integers(1, 8), st.integers(0, 4), st.floats(0.1, 0.9), st.integers(0, 2**32 - 1)
)


def draw(shape: tuple[int, int, float, int]) -> tuple[np.ndarray, np.random.Generator]:
    b, extra, density, seed = shape
    generator = np.random.default_rng(seed)
    return generator.random((b, b + extra)) < density, generator


def size_of_the_largest(mask: np.ndarray) -> int:
    return int((maximum_bipartite_matching(csr_array(mask), perm_type="column") >= 0).sum())


@given(masks)
def test_a_partial_matching_is_completed_where_one_exists(shape: tuple[int, int, float, int]):
    mask, generator = draw(shape)
    b = len(mask)
    partial = np.full(b, -1)
    for row in generator.permutation(b)[: generator.integers(0, b + 1)]:
        free = [c for c in np.flatnonzero(mask[row]) if c not in partial]
        if free:
            partial[row] = generator.choice(free)
    before = partial.copy()
    if size_of_the_largest(mask) < b:
        with pytest.raises(MatchingError, match="allow"):
            complete(partial, mask)
        return
    columns = complete(partial, mask)
    assert columns.dtype == np.int64
    assert len(set(columns.tolist())) == b
    assert mask[np.arange(b), columns].all()
    assert np.array_equal(partial, before)
    # Columns once taken stay taken: augmenting paths only hand them on.
    assert set(partial[partial >= 0].tolist()) <= set(columns.tolist())


def test_what_is_matched_stays_where_it_can() -> None:
    everything = np.ones((4, 5), dtype=bool)
    assert complete(np.array([3, -1, 0, -1]), everything).tolist() == [3, 1, 0, 2]
    full = np.array([2, 0, 1, 4])
    assert complete(full, everything).tolist() == full.tolist()
    # Row 1 may take only column 3: row 0 makes way, row 2 need not.
    everything[1] = [False, False, False, True, False]
    assert complete(np.array([3, -1, 0, -1]), everything).tolist() == [1, 3, 0, 2]


def test_a_long_chain_of_rows_makes_way() -> None:
    n = 300
    chain = np.eye(n, dtype=bool) | np.eye(n, k=1, dtype=bool)
    chain[-1, 0] = True
    partial = np.append(np.arange(1, n), -1)  # every row one to the right; the last is free
    chain[-1, -1] = False
    assert complete(partial, chain).tolist() == [*range(1, n), 0]
    chain[-1] = False
    chain[-1, -1] = True
    assert complete(partial, chain).tolist() == list(range(n))


@given(masks)
def test_the_complaint_is_true(shape: tuple[int, int, float, int]) -> None:
    mask, _ = draw(shape)
    if size_of_the_largest(mask) == len(mask):
        check_feasible(torch.from_numpy(mask)[None], ())
        return
    with pytest.raises(MatchingError) as caught:
        check_feasible(torch.from_numpy(mask)[None], ())
    message = str(caught.value)
    row = int(re.match(r"row (\d+) ", message).group(1))
    if "has no allowed column" in message:
        assert not mask[row].any()
        return
    others, columns = re.search(r"\(([\d, ]+)(?:, \.\.\.)?\) may take only (\d+)", message).groups()
    count = int(re.search(r"it and (\d+) other", message).group(1))
    rows = [row, *map(int, others.split(","))]
    if len(rows) == count + 1:  # longer lists are cut
        assert row not in rows[1:]
        assert mask[rows].any(axis=0).sum() == int(columns)
    assert int(columns) < count + 1  # Hall: fewer columns than rows


def test_the_row_and_the_problem_are_named() -> None:
    mask = torch.ones(2, 3, 4, 4, dtype=torch.bool)
    mask[1, 2, 3] = False
    with pytest.raises(MatchingError, match=r"row 3 of problem \[1, 2\] has no allowed column"):
        check_feasible(mask.view(6, 4, 4), (2, 3))
    mask = torch.ones(5, 6, dtype=torch.bool)
    mask[[1, 3, 4]] = False
    mask[[1, 3, 4], 2] = True
    mask[[1, 4], 5] = True
    with pytest.raises(
        MatchingError, match=r"row \d cannot .* it and 2 other rows \(\d, \d\) may take only 2 col"
    ):
        check_feasible(mask[None], ())
