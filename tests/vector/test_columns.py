"""What is learnt of columns, and what rows become."""

import numpy as np
import pytest
import torch

from natlib.errors import DataError
from natlib_vector import Column, Columns
from natlib_vector.columns import sound

NAN, INF = float("nan"), float("inf")
ROWS = np.array([[1.0, 7.0, 0.0, NAN], [3.0, 7.0, 1.0, 2.0], [5.0, 7.0, NAN, 4.0]])
NAMES = ["a", "same", "c", "gap"]
FITTED = Columns.fit(NAMES, {"c": ("x", "y")}, ROWS)


def encoded(rows: np.ndarray, **settings: float) -> torch.Tensor:
    return FITTED.encode(torch.from_numpy(rows), **({"clip": 10.0} | settings))


def test_statistics_are_those_of_what_is_there() -> None:
    first, same, categories, gap = FITTED.columns
    assert (first.mean, first.scale) == (3.0, pytest.approx(np.std([1, 3, 5])))
    assert same.scale == 0.0
    assert categories.categories == ("x", "y")
    assert (gap.mean, gap.scale) == (3.0, 1.0)
    assert [c.missing for c in FITTED.columns] == [False, False, True, True]


def test_inputs_are_numbers_then_flags_then_categories() -> None:
    step = 1.5**0.5
    expected = [
        # a, gap, c is missing, gap is missing, x, y
        [-step, 0, 0, 1, 1, 0],
        [0, -1, 0, 0, 0, 1],
        [step, 1, 1, 0, 0, 0],
    ]
    torch.testing.assert_close(encoded(ROWS), torch.tensor(expected, dtype=torch.float32))
    assert FITTED.width == 6


def test_what_training_never_met() -> None:
    # Another constant, a category that is new, a gap where there was none, a value far away.
    row = np.array([[1e9, 8.0, NAN, 3.0], [NAN, 7.0, 0.0, 3.0]])
    assert encoded(row).tolist() == [[10, 0, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0]]


def test_noise_is_for_known_numbers_only() -> None:
    torch.manual_seed(0)
    changed = encoded(ROWS, noise=0.5) != encoded(ROWS)
    assert changed.tolist() == [
        [True, False, False, False, False, False],
        [True, True, False, False, False, False],
        [True, True, False, False, False, False],
    ]


def test_large_offsets_keep_their_digits() -> None:
    """Time stamps, say: in float32 their differences would be lost."""
    stamps = 1.7e9 + np.arange(5.0)[:, None]
    fitted = Columns.fit(["t"], {}, stamps)
    found = fitted.encode(torch.from_numpy(stamps), clip=10.0)[:, 0]
    torch.testing.assert_close(found, (torch.arange(5.0) - 2) / 2**0.5)


def test_statistics_do_not_depend_on_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(5, 2, (40, 3))
    rows[3, 1] = NAN
    whole = Columns.fit(["a", "b", "c"], {}, rows)
    monkeypatch.setattr("natlib_vector.columns._BLOCK", 7)
    parts = Columns.fit(["a", "b", "c"], {}, rows)
    for one, other in zip(whole.columns, parts.columns, strict=True):
        assert (one.mean, one.scale) == pytest.approx((other.mean, other.scale), rel=1e-12)
        assert one.missing == other.missing
    assert whole.columns[1].mean == pytest.approx(np.nanmean(rows[:, 1]))


def test_rows_that_are_not_sound_do_not_count() -> None:
    rows = np.concatenate([ROWS, [[INF, 1, 1, 1]], [[NAN] * 4]])
    assert sound(rows).tolist() == [True, True, True, False, False]
    assert Columns.fit(NAMES, {"c": ("x", "y")}, rows) == FITTED


def test_survives_a_file() -> None:
    assert Columns.model_validate_json(FITTED.model_dump_json()) == FITTED


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[INF, 1.0], [NAN, NAN]], "no row holds finite numbers"),
        ([[1.0, 2.0], [1.0, 2.0]], "every column is constant"),
        ([[0.1] * 2] * 1000, "every column is constant"),
        ([[1e300, 1.0], [-1e300, 2.0]], "numbers of column 'a' are too large"),
    ],
)
def test_nothing_to_learn_from(rows: list[list[float]], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Columns.fit(["a", "b"], {}, np.array(rows))


def test_a_row_from_values_or_by_name() -> None:
    expected = [1.0, 7.0, 1.0, NAN]
    for item in ([1, 7, "y", None], {"a": 1, "same": 7, "c": "y"}, ("1", "7", "y", "nan")):
        np.testing.assert_array_equal(FITTED.row(item), expected)
    np.testing.assert_array_equal(FITTED.row([1, 7, "new", 2]), [1, 7, NAN, 2])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ([1, 7, "y"], r"got shape \[3\], expected \[4\]"),
        (5.0, r"got shape \[\], expected \[4\]"),
        ({"a": 1, "smae": 7}, "unknown column 'smae'; did you mean 'same'"),
        (["one", 7, "y", 1], "could not convert string to float: 'one'"),
    ],
)
def test_what_is_no_row(item: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FITTED.row(item)


def test_a_column_says_what_a_value_is() -> None:
    assert Column(name="c", categories=("x", "y")).number("y") == 1.0
    assert np.isnan(Column(name="c", categories=("x", "y")).number("z"))
    assert Column(name="a").number("2.5") == 2.5
