"""Views: parts of the text and nothing else, reproducible, different for each sample."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from natlib_text import Augmentation
from natlib_text.augmentation import one_view

NOTHING = Augmentation(crop_scale=(1.0, 1.0), delete=0, delete_share=0, drop=0, shuffle=0)
STRONG = Augmentation(crop_scale=(0.2, 0.9), delete=0.7, delete_share=0.5, drop=0.3, shuffle=2)
VOCABULARY = 1000
WORDS = torch.ones(VOCABULARY + 1, dtype=torch.bool)


def rows(*lengths: int, width: int | None = None) -> Tensor:
    """Texts whose tokens are 1, 2, 3, ...: a token tells where it stood."""
    tokens = torch.zeros(len(lengths), width or max(lengths), dtype=torch.int64)
    for row, length in zip(tokens, lengths, strict=True):
        row[:length] = torch.arange(1, length + 1)
    return tokens


def left(view: Tensor) -> list[list[int]]:
    """The tokens of each row, without padding, which has to be on the right."""
    found = []
    for row in view.tolist():
        count = sum(token != 0 for token in row)
        assert all(row[:count])
        assert not any(row[count:])
        found.append(row[:count])
    return found


def view(augment: Augmentation, tokens: Tensor, starts: Tensor = WORDS) -> Tensor:
    return one_view(augment, tokens, starts)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_with_everything_off_a_view_is_the_text() -> None:
    tokens = rows(3, 1, 20, 12)
    assert torch.equal(view(NOTHING, tokens), tokens)


def test_seeding_makes_views_reproducible() -> None:
    tokens = rows(*[20] * 8)
    torch.manual_seed(3)
    first, second = view(STRONG, tokens), view(STRONG, tokens)
    torch.manual_seed(3)
    assert torch.equal(view(STRONG, tokens), first)
    assert torch.equal(view(STRONG, tokens), second)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "update",
    [
        {"crop_scale": (0.2, 0.8)},
        {"delete": 0.5, "delete_share": 0.5},
        {"drop": 0.3},
        {"shuffle": 2},
    ],
)
def test_equal_texts_get_different_views(update: dict[str, object]) -> None:
    found = view(NOTHING.model_copy(update=update), rows(*[30] * 64))
    assert len(found.unique(dim=0)) > 20


@pytest.mark.parametrize("lengths", [(1, 1, 1), (1, 2, 3, 40), (50,) * 20])
def test_a_view_has_tokens_of_its_text_each_once_and_at_least_one(lengths: tuple[int, ...]) -> None:
    tokens = rows(*lengths, width=64)
    for augment in (STRONG, STRONG.model_copy(update={"drop": 0.99}), Augmentation()):
        for _ in range(20):
            found = view(augment, tokens)
            assert found.shape == tokens.shape
            assert found.dtype == torch.int64
            for length, kept in zip(lengths, left(found), strict=True):
                assert 1 <= len(kept) <= length
                assert len(set(kept)) == len(kept)
                assert max(kept) <= length


def test_a_crop_is_a_span_of_a_size_and_place_at_random() -> None:
    found = left(view(NOTHING.model_copy(update={"crop_scale": (0.25, 0.5)}), rows(*[40] * 4000)))
    for kept in found:
        assert kept == list(range(kept[0], kept[0] + len(kept)))
        assert 10 <= len(kept) <= 20
    assert {len(kept) for kept in found} == set(range(11, 21)) | ({10} & {len(k) for k in found})
    sizes = np.array([len(kept) for kept in found])
    # Uniform on (10, 20], rounded up: the mean is 15.5, its standard error 2.9 / 63.
    assert sizes.mean() == pytest.approx(15.5, abs=0.2)
    room = np.array([40 - len(kept) for kept in found])
    place = np.array([kept[0] - 1 for kept in found])
    assert (place <= room).all()
    assert (place / room).mean() == pytest.approx(0.5, abs=0.03)
    assert set(place[room == 25]) == set(range(26))


def test_crops_do_not_depend_on_padding() -> None:
    crop = NOTHING.model_copy(update={"crop_scale": (0.5, 0.5)})
    for kept in left(view(crop, rows(*[10] * 50, width=100))):
        assert len(kept) == 5


def test_a_span_is_deleted_from_inside_the_crop() -> None:
    delete = NOTHING.model_copy(update={"delete": 1.0, "delete_share": 0.5})
    sizes = set()
    for kept in left(view(delete, rows(*[20] * 2000))):
        gone = sorted(set(range(1, 21)) - set(kept))
        assert kept == sorted(kept)
        assert gone == list(range(gone[0], gone[0] + len(gone))) if gone else True
        sizes.add(len(gone))
    assert sizes == set(range(10))
    both = delete.model_copy(update={"crop_scale": (0.5, 0.5)})
    assert all(len(kept) >= 5 for kept in left(view(both, rows(*[20] * 500))))


def test_deleting_has_its_probability() -> None:
    count = 4000
    delete = NOTHING.model_copy(update={"delete": 0.3, "delete_share": 1.0})
    share = np.mean([len(kept) < 200 for kept in left(view(delete, rows(*[200] * count)))])
    # Four standard errors; one draw in two hundred deletes nothing.
    assert share == pytest.approx(0.3 * 199 / 200, abs=4 * (0.21 / count) ** 0.5)


def test_tokens_are_dropped_independently() -> None:
    found = view(NOTHING.model_copy(update={"drop": 0.3}), rows(*[50] * 2000))
    kept = torch.zeros(2000, 51).scatter_(1, found, 1.0)[:, 1:]
    # Four standard errors of a share of 0.7 for each place, five of the variance of a sum.
    assert (kept.mean(0) - 0.7).abs().max() < 4 * (0.21 / 2000) ** 0.5 + 1e-6
    variance = float(kept.sum(1).var())
    assert variance == pytest.approx(50 * 0.21, abs=5 * 10.5 * (2 / 2000) ** 0.5)


class TestShuffling:
    @pytest.mark.parametrize("most", [1, 2, 5])
    def test_no_word_moves_further_than_that(self, most: int) -> None:
        found = left(view(NOTHING.model_copy(update={"shuffle": most}), rows(*[30] * 500)))
        moves = [abs(token - 1 - place) for kept in found for place, token in enumerate(kept)]
        assert max(moves) == most
        assert all(sorted(kept) == list(range(1, 31)) for kept in found)

    def test_the_tokens_of_a_word_stay_together(self) -> None:
        starts = torch.zeros(VOCABULARY + 1, dtype=torch.bool)
        starts[torch.tensor([1, 4, 5, 8, 11])] = True
        words = [[1, 2, 3], [4], [5, 6, 7], [8, 9, 10], [11, 12]]
        tokens = rows(12, width=16).expand(200, -1)
        orders = set()
        for kept in left(view(NOTHING.model_copy(update={"shuffle": 3}), tokens, starts)):
            order = []
            while kept:
                (word,) = [word for word in words if kept[: len(word)] == word]
                order.append(words.index(word))
                kept = kept[len(word) :]
            assert sorted(order) == [0, 1, 2, 3, 4]
            orders.add(tuple(order))
        assert len(orders) > 20

    def test_a_text_that_begins_within_a_word(self) -> None:
        # A crop may begin there; the first tokens then make a word of their own.
        starts = torch.zeros(VOCABULARY + 1, dtype=torch.bool)
        tokens = rows(6).expand(20, -1)
        assert torch.equal(view(NOTHING.model_copy(update={"shuffle": 3}), tokens, starts), tokens)


def test_what_is_turned_off_leaves_the_others_random_numbers() -> None:
    tokens = rows(*[40] * 20)
    torch.manual_seed(1)
    dropped = view(NOTHING.model_copy(update={"drop": 0.3}), tokens)
    torch.manual_seed(1)
    shuffled = view(NOTHING.model_copy(update={"drop": 0.3, "shuffle": 4}), tokens)
    for a, b in zip(left(dropped), left(shuffled), strict=True):
        assert a == sorted(b)


def test_the_text_is_left_as_it_was() -> None:
    tokens = rows(9, 30)
    before = tokens.clone()
    view(STRONG, tokens)
    assert torch.equal(tokens, before)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"crop_scale": (0.0, 1.0)}, r"crop_scale is \[0, 1\]; expected 0 < low <= high <= 1"),
        ({"crop_scale": (0.9, 0.5)}, r"crop_scale is \[0.9, 0.5\]"),
        ({"drop": 1.0}, "less than 1"),
        ({"delete": 1.5}, "less than or equal to 1"),
        ({"shufle": 3}, "unknown key 'shufle'; did you mean 'shuffle'"),
    ],
)
def test_settings_that_make_no_sense(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Augmentation.model_validate(values)
