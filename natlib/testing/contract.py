"""How a check fails, and how checks are run one after the other."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

from natlib.component import Component
from natlib.errors import NatlibError

__all__ = ["ContractError", "Named", "expect", "refuses", "run_checks", "same", "threads"]

T = TypeVar("T")
Named = tuple[str, Callable[[T], None]]
"""The name of a check, and the check."""


class ContractError(NatlibError, AssertionError):
    """A part does not keep the contract of its family."""


def expect(ok: object, received: str, expected: str, advice: str) -> None:
    """Fail unless something holds.

    Args:
        ok: whether it holds.
        received: what was found.
        expected: what the contract asks for.
        advice: where to look.

    Raises:
        ContractError: it does not hold.
    """
    if not ok:
        raise ContractError(f"{received}; expected {expected}; {advice}")


def refuses(
    action: Callable[[], object], errors: type[Exception], what: str, advice: str
) -> Exception:
    """Fail unless an action raises an error of natlib's; returns that error.

    Raises:
        ContractError: it raises nothing, or something else, or more than one line.
    """
    try:
        action()
    except errors as error:
        text = str(error)
        expect(
            text and "\n" not in text,
            f"{what} raised {type(error).__name__} with the text {text!r}",
            "one line that says what was received, what is expected and what to do",
            advice,
        )
        return error
    except Exception as error:
        found = f"{what} raised {type(error).__name__}: {' '.join(str(error).split())}"
    else:
        found = f"{what} raised nothing"
    raise ContractError(f"{found}; expected {errors.__name__}; {advice}")


def run_checks(component: Component, subject: T, checks: Iterable[Named[T]]) -> tuple[str, ...]:
    """Run checks on what is made of a component; torch's global generators stay as they are.

    Returns:
        The names of the checks, all of which passed.

    Raises:
        ContractError: the first check that fails, with its name in front.
    """
    noun = f"{component.registry.noun} '{component.kind}'"
    done = []
    for name, check in checks:
        where = f"the {noun} fails the check '{name}'"
        try:
            with torch.random.fork_rng():
                torch.manual_seed(0)
                check(subject)
        except ContractError as error:
            raise ContractError(f"{where}: {error}") from error
        except Exception as error:  # other people's code: it may fail in any way
            what = " ".join(str(error).split())
            raise ContractError(
                f"{where}: it raised {type(error).__name__}: {what}; expected no error; "
                "see the traceback above"
            ) from error
        done.append(name)
    return tuple(done)


def same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal bit for bit, type and shape included."""
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
